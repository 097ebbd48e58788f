//! Contacts by a list view: its members are asked for beside the poll, and where they are others than before, contacts
//! are listed in full.

use std::collections::{BTreeSet, HashSet};

use http::Method;
use serde_json::Value;
use tandem_sync::Fault;
use tandem_sync::model::{Change, ItemId, Refusal, Want};
use tandem_types::{ContactScope, IssueCode, ItemKind};

use super::position::{Position, Round, Stream};
use super::{Members, Opened, gone_or};
use crate::answer::{SubAnswer, SubRequest};
use crate::client::Effect;
use crate::ids::id18;
use crate::map;
use crate::problem::Failure;
use crate::salesforce::Salesforce;

/// Salesforce's limit for one answer.
const PAGE: usize = 2000;
/// So many members at most; a longer list is cut, as the list view's own page is.
const MOST: usize = 100_000;

/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_listviewresults.htm>
pub(super) fn request(list: &str, offset: usize) -> Result<SubRequest, Failure> {
    let list = id18(list).ok_or_else(|| Fault::fatal("the list view of the settings is no id"))?;
    let path = format!("sobjects/Contact/listviews/{list}/results?limit={PAGE}&offset={offset}");
    Ok(SubRequest::new("members", Method::GET, path, None))
}

/// The ids of a page, and whether it is the last. `None`: not a list view's results.
fn page(body: &Value) -> Option<(Vec<String>, bool)> {
    let records = body.get("records")?.as_array()?;
    let ids = records
        .iter()
        .map(|record| {
            record
                .get("columns")?
                .as_array()?
                .iter()
                .find(|column| column.get("fieldNameOrPath").and_then(Value::as_str) == Some("Id"))?
                .get("value")?
                .as_str()
                .and_then(id18)
        })
        .collect::<Option<Vec<String>>>()?;
    let done = records.len() < PAGE || body.get("done").and_then(Value::as_bool) == Some(true);
    Some((ids, done))
}

/// The same members have the same number, whatever their order.
fn fingerprint(members: &HashSet<String>) -> u64 {
    let sorted: BTreeSet<&String> = members.iter().collect();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in sorted.iter().flat_map(|id| id.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

impl Salesforce {
    /// The members of the list view of the settings; `None`: there is no such list view for this user.
    pub(crate) async fn list_members(&self) -> Result<Option<HashSet<String>>, Failure> {
        let settings = &self.account.settings;
        let list = settings
            .contact_list
            .as_deref()
            .filter(|_| settings.contact_scope == ContactScope::ListView);
        let Some(list) = list else { return Ok(None) };
        let base = self.base().await?;
        let request = request(list, 0)?;
        let (mut answers, _) = self.rest.composite(&base, &[request], Effect::None).await?;
        match self.rest_of_members(list, answers.swap_remove(0)).await? {
            Members::Known(members) => Ok(Some(members)),
            Members::Lost(_) | Members::NotAsked => Ok(None),
        }
    }

    pub(super) async fn rest_of_members(&self, list: &str, first: SubAnswer) -> Result<Members, Failure> {
        let mut members = HashSet::new();
        let mut answer = first;
        loop {
            if !answer.is_ok() {
                let failure = answer.failure();
                let lost = failure.is_about_fields()
                    || matches!(
                        failure.fault.kind,
                        tandem_sync::FaultKind::NotFound | tandem_sync::FaultKind::Fatal
                    );
                return if lost {
                    Ok(Members::Lost(failure))
                } else {
                    Err(failure)
                };
            }
            let (ids, done) =
                page(&answer.body).ok_or_else(|| Failure::malformed("not the results of a list view"))?;
            members.extend(ids);
            if done || members.len() >= MOST {
                return Ok(Members::Known(members));
            }
            let request = request(list, members.len())?;
            let base = self.base().await?;
            let (mut answers, _) = self.rest.composite(&base, &[request], Effect::None).await?;
            answer = answers.swap_remove(0);
        }
    }

    /// Lists contacts in full where the list has other members than before. Where it is lost, contacts stay as they
    /// are, and an issue says so.
    pub(super) async fn settle_members(
        &self,
        opened: &mut Opened,
        position: &mut Position,
        round: &mut Round,
        want: &Want,
        items: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let members = match std::mem::take(&mut opened.members) {
            Members::NotAsked => return Ok(()),
            Members::Lost(failure) => {
                let list = want.contact_list.clone().unwrap_or_default();
                let said = failure
                    .errors
                    .first()
                    .map(|e| e.message.clone())
                    .unwrap_or_default();
                let refusal = Refusal {
                    code: IssueCode::NoPermission,
                    message: format!("The list view of the settings cannot be read: {said}"),
                    fields: Vec::new(),
                    retry: false,
                };
                self.cannot_read(ItemKind::Contact, ItemId(list), refusal);
                opened.pages.retain(|(stream, _)| *stream != Stream::Contacts);
                round.full.remove(&Stream::Contacts);
                return Ok(());
            }
            Members::Known(members) => members,
        };
        let print = fingerprint(&members);
        let same = position.members == Some(print) && !round.full.contains(&Stream::Contacts);
        let members = self.learn_members(members).await;
        if same {
            return Ok(());
        }
        position.members = Some(print);
        round.full.insert(Stream::Contacts);
        let ids: BTreeSet<&str> = members.iter().map(String::as_str).collect();
        let (described, rows) = self.by_ids(&ids, true).await?;
        for row in rows.iter().filter(|row| map::is_deleted(row)) {
            items.push(gone_or(row, Change::Left)?);
        }
        let here: Vec<_> = rows.into_iter().filter(|row| !map::is_deleted(row)).collect();
        self.contacts(&described, want, &here, items).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_their_ids() {
        let row = |id: &str| {
            json!({"columns": [
                {"fieldNameOrPath": "Name", "value": "Nina"}, {"fieldNameOrPath": "Id", "value": id},
            ]})
        };
        let (ids, done) =
            page(&json!({"done": true, "records": [row("003000000000001"), row("003000000000002AAA")]}))
                .unwrap();
        assert_eq!(ids, ["003000000000001AAA", "003000000000002AAA"]);
        assert!(done);
        assert!(page(&json!({"records": [{"columns": []}]})).is_none());
        assert!(page(&json!({})).is_none());
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<String>>();
        assert_eq!(fingerprint(&set(&["a", "b"])), fingerprint(&set(&["b", "a"])));
        assert_ne!(fingerprint(&set(&["a", "b"])), fingerprint(&set(&["a"])));
        assert!(request("no id", 0).is_err());
    }
}

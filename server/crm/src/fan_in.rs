//! What has changed in the organisation, whosever it is: asked by its integration user, for all of its connections.

use serde_json::Value;
use tandem_sync::Fault;
use tandem_sync::fan_in::Touch;
use tandem_types::{ItemKind, Timestamp};

use crate::answer::{Page, SubAnswer, SubRequest};
use crate::client::Effect;
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, read_fault};
use crate::times;

/// What ids of users begin with: of those who are invited, leads and contacts are nobody's news.
const USER_PREFIX: &str = "005";

/// What the integration user saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Everything that is stamped since then, up to `until` by Salesforce's clock.
    Seen { until: Timestamp, touched: Vec<Touch> },
    /// More than so many pages.
    TooMuch { until: Timestamp },
    /// The user may not *View All Data*: what changed may be more than what was seen.
    TooLittle,
}

/// One listing: the object's own row, or an invitation's.
const LISTINGS: [(ItemKind, &str); 4] = [
    (ItemKind::Contact, "Contact"),
    (ItemKind::Event, "Event"),
    (ItemKind::Event, "EventRelation"),
    (ItemKind::Task, "Task"),
];

/// Not by owner: what somebody has linked counts for him whoever owns it, and so does what he is invited to.
fn listing(object: &str, from: Timestamp) -> String {
    let from = times::literal(from);
    if object == "EventRelation" {
        // As in a connection's own question: an answer moves no stamp of the event, nor the event that of an answer.
        return format!(
            "SELECT Id,EventId,RelationId,SystemModstamp,Event.SystemModstamp FROM EventRelation \
             WHERE (SystemModstamp >= {from} OR Event.SystemModstamp >= {from})"
        );
    }
    format!("SELECT Id,OwnerId,SystemModstamp FROM {object} WHERE SystemModstamp >= {from}")
}

impl Salesforce {
    /// What was made, changed or deleted since that stamp: ids, owners, invitees and stamps. One API call, and one for each
    /// further page of 2,000 rows; of `pages` of these at most.
    ///
    /// Whether the user sees all of it is asked beside, of `UserPermissionAccess`:
    /// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_userpermissionaccess.htm>
    ///
    /// # Errors
    /// Salesforce did not answer, or refused.
    pub async fn touched_since(&self, from: Timestamp, pages: usize) -> Result<Glance, Fault> {
        self.look(from, pages).await.map_err(read_fault)
    }

    async fn look(&self, from: Timestamp, pages: usize) -> Result<Glance, Failure> {
        let now = self.clock.now();
        let base = self.base().await?;
        let right = "SELECT PermissionsViewAllData FROM UserPermissionAccess LIMIT 1";
        let mut requests = vec![SubRequest::query("right", false, right)];
        requests.extend(
            LISTINGS
                .iter()
                .map(|(_, object)| SubRequest::query(*object, true, &listing(object, from))),
        );
        let (answers, date) = self.rest.composite(&base, &requests, Effect::None).await?;
        let mut answers = answers.into_iter();
        let sees_all = match answers.next().map(SubAnswer::page) {
            Some(Ok(page)) => sees_all(&page),
            // What this user may not see gives no right.
            Some(Err(failure)) if failure.is_about_fields() => false,
            Some(Err(failure)) => return Err(failure),
            None => false,
        };
        if !sees_all {
            return Ok(Glance::TooLittle);
        }
        // Where both clocks agree that it is later, as for a connection's own watermark.
        let until = date.map_or(from, |date| date.min(now));
        let mut touched = Vec::new();
        let mut left = pages;
        for ((kind, object), answer) in LISTINGS.into_iter().zip(answers) {
            let mut page = answer.page()?;
            loop {
                for row in &page.rows {
                    read(kind, object, row, &mut touched)?;
                }
                let Some(next) = page.next else { break };
                if left == 0 {
                    return Ok(Glance::TooMuch { until });
                }
                left -= 1;
                page = self.rest.next_page(&next).await?;
            }
        }
        Ok(Glance::Seen { until, touched })
    }
}

fn sees_all(page: &Page) -> bool {
    let right = |row: &Row| row.get("PermissionsViewAllData").and_then(Value::as_bool);
    page.rows.iter().any(|row| right(row) == Some(true))
}

/// A row that says not what it should could be anybody's: then nothing is known.
fn read(kind: ItemKind, object: &str, row: &Row, touched: &mut Vec<Touch>) -> Result<(), Failure> {
    let odd = || Failure::malformed("a changed record without its id, owner or stamp");
    let (id, who) = if object == "EventRelation" {
        (map::reference(row, "EventId"), map::reference(row, "RelationId"))
    } else {
        (map::reference(row, "Id"), map::reference(row, "OwnerId"))
    };
    let (id, who) = id.zip(who).ok_or_else(odd)?;
    if object == "EventRelation" && !who.starts_with(USER_PREFIX) {
        return Ok(());
    }
    let stamp = map::time(row, "SystemModstamp").ok_or_else(odd)?;
    let mut stamps = vec![stamp];
    let event = row.get("Event").and_then(Value::as_object);
    stamps.extend(event.and_then(|event| map::time(event, "SystemModstamp")));
    touched.extend(stamps.into_iter().map(|stamp| Touch {
        kind,
        id: tandem_sync::model::ItemId(id.clone()),
        who: who.clone(),
        stamp,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(object: &'static str, kind: ItemKind, row: Value) -> Result<Vec<(String, String, i64)>, ()> {
        let Value::Object(row) = row else { return Err(()) };
        let mut touched = Vec::new();
        read(kind, object, &row, &mut touched).map_err(|_| ())?;
        Ok(touched
            .into_iter()
            .map(|touch| (touch.id.0, touch.who, touch.stamp.seconds()))
            .collect())
    }

    #[test]
    fn owners_and_invitees_are_read() {
        let stamp = "2026-11-21T16:22:14.000+0000";
        let contact =
            json!({ "Id": "003000000000001AAA", "OwnerId": "005000000000001", "SystemModstamp": stamp });
        let told = (
            "003000000000001AAA".to_owned(),
            "005000000000001AAA".to_owned(),
            1_795_278_134,
        );
        assert_eq!(
            rows("Contact", ItemKind::Contact, contact),
            Ok(vec![told.clone()])
        );
        let invitation = |who: &str| {
            json!({ "Id": "0RE000000000001AAA", "EventId": "00U000000000001AAA", "RelationId": who,
                "SystemModstamp": stamp, "Event": { "SystemModstamp": "2026-11-21T16:22:15.000+0000" } })
        };
        let event = |seconds: i64| ("00U000000000001AAA".to_owned(), told.1.clone(), seconds);
        assert_eq!(
            rows("EventRelation", ItemKind::Event, invitation("005000000000001AAA")),
            Ok(vec![event(1_795_278_134), event(1_795_278_135)])
        );
        assert_eq!(
            rows("EventRelation", ItemKind::Event, invitation("003000000000001AAA")),
            Ok(Vec::new())
        );
        let nobodys = json!({ "Id": "003000000000001AAA", "SystemModstamp": stamp });
        assert_eq!(rows("Contact", ItemKind::Contact, nobodys), Err(()));
    }
}

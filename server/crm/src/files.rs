//! Attachments of saved emails.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentversion.htm>

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tandem_sync::model::{File, ItemId, Refusal};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{IssueCode, ItemKind};

use crate::client::Effect;
use crate::map;
use crate::problem::{Failure, RowProblem, of_row, refusal};
use crate::salesforce::Salesforce;
use crate::soql;

/// In characters.
const TITLE: usize = 255;
const PATH: usize = 500;

impl Salesforce {
    /// One request to see what is there, and one for each file that is not.
    pub(crate) async fn attach_files(
        &self,
        to: &ItemId,
        files: &[File],
    ) -> Result<Vec<Result<(), Refusal>>, Failure> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        if crate::lookups::valid_ids(std::slice::from_ref(to)).is_empty() {
            return Err(Fault::new(FaultKind::NotFound, "files for something that is no record").into());
        }
        let base = self.base().await?;
        let soql = format!(
            "SELECT ContentDocument.Title,ContentDocument.ContentSize FROM ContentDocumentLink WHERE LinkedEntityId = {}",
            soql::quote(&to.0)
        );
        let mut there: HashSet<(String, u64)> = HashSet::new();
        for answer in self.rest.queries(&base, &[(false, soql)]).await? {
            for row in answer? {
                let document = row.get("ContentDocument");
                let title = document.and_then(|d| d.get("Title")).and_then(Value::as_str);
                let size = document
                    .and_then(|d| d.get("ContentSize"))
                    .and_then(Value::as_u64);
                there.extend(title.map(str::to_owned).zip(size));
            }
        }
        let mut outcomes = Vec::with_capacity(files.len());
        for file in files {
            let title = title_of(file);
            let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
            // Two of the same name and size beside each other are one file sent twice.
            if !there.insert((title.clone(), size)) {
                outcomes.push(Ok(()));
                continue;
            }
            outcomes.push(self.put(&base, to, &title, file).await?);
        }
        Ok(outcomes)
    }

    async fn put(
        &self,
        base: &str,
        to: &ItemId,
        title: &str,
        file: &File,
    ) -> Result<Result<(), Refusal>, Failure> {
        let name: String = file.name.chars().take(PATH).collect();
        let body = json!({
            "Title": title,
            "PathOnClient": if name.trim().is_empty() { title } else { &name },
            "VersionData": STANDARD.encode(&file.bytes),
            "FirstPublishLocationId": to.0,
        });
        let path = format!("{base}/sobjects/ContentVersion");
        let answer = self
            .rest
            .call(Method::POST, &path, Some(&body), Effect::Writes)
            .await;
        let Err(failure) = answer else {
            return Ok(Ok(()));
        };
        // A file's own fault stands in the answer; everything else is the whole session's.
        let own = !failure.errors.is_empty()
            && !failure.fault.in_doubt
            && !matches!(
                failure.fault.kind,
                FaultKind::RateLimited { .. } | FaultKind::SignInEnded | FaultKind::Transient { .. }
            )
            && !failure.code.starts_with("API_");
        if !own {
            return Err(failure);
        }
        let email = ItemKind::Email;
        Ok(Err(match of_row(email, &failure.errors, None) {
            RowProblem::Final(tandem_sync::model::Outcome::Refused(refusal)) => refusal,
            RowProblem::Locked => refusal(email, IssueCode::AttachmentLeftOut, &failure.errors, true),
            RowProblem::Stale | RowProblem::Final(_) => {
                refusal(email, IssueCode::AttachmentLeftOut, &failure.errors, false)
            }
        }))
    }
}

/// The whole name: two files that differ in their ending alone are two.
fn title_of(file: &File) -> String {
    let title: String = file.name.trim().chars().take(TITLE).collect();
    if title.is_empty() {
        map::email::NAMELESS.to_owned()
    } else {
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_title_that_fits() {
        let file = |name: &str| File {
            name: name.to_owned(),
            content_type: String::new(),
            bytes: Vec::new(),
        };
        assert_eq!(title_of(&file(" offer.pdf ")), "offer.pdf");
        assert_eq!(title_of(&file("")), "attachment");
        assert_eq!(title_of(&file(&"🦊".repeat(300))).chars().count(), 255);
    }
}

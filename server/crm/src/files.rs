//! Attachments of saved emails.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentversion.htm>

use std::collections::{HashMap, HashSet};

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
        for (file, title) in files.iter().zip(titles(files)) {
            let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
            // It was put before, or stands twice in this mail.
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
        let whole = matches!(
            failure.fault.kind,
            FaultKind::RateLimited { .. } | FaultKind::SignInEnded | FaultKind::Rejected
        );
        if whole || failure.code.starts_with("API_") {
            return Err(failure);
        }
        let email = ItemKind::Email;
        // A file's own fault stands in the answer. Anything else may be this file's too (a filter on the way that does
        // not let it pass): it is tried again, and nothing else waits for it.
        let told = !failure.errors.is_empty()
            && !failure.fault.in_doubt
            && !matches!(failure.fault.kind, FaultKind::Transient { .. });
        if !told {
            tracing::info!(fault = %failure.fault, "a file could not be put");
            return Ok(Err(refusal(
                email,
                IssueCode::AttachmentLeftOut,
                &failure.errors,
                true,
            )));
        }
        Ok(Err(match of_row(email, &failure.errors, None) {
            RowProblem::Final(tandem_sync::model::Outcome::Refused(refusal)) => refusal,
            RowProblem::Locked => refusal(email, IssueCode::AttachmentLeftOut, &failure.errors, true),
            RowProblem::Stale | RowProblem::Final(_) => {
                refusal(email, IssueCode::AttachmentLeftOut, &failure.errors, false)
            }
        }))
    }
}

/// A title for each. Different files of one name and size are numbered, so that each is known when it is put again.
fn titles(files: &[File]) -> Vec<String> {
    let mut firsts: HashMap<(String, usize), Vec<&[u8]>> = HashMap::new();
    files
        .iter()
        .map(|file| {
            let title = title_of(file);
            let alike = firsts.entry((title.clone(), file.bytes.len())).or_default();
            let at = alike
                .iter()
                .position(|bytes| *bytes == file.bytes)
                .unwrap_or_else(|| {
                    alike.push(&file.bytes);
                    alike.len() - 1
                });
            if at == 0 { title } else { numbered(&title, at + 1) }
        })
        .collect()
}

/// `offer.pdf`, the second: `offer (2).pdf`.
fn numbered(title: &str, number: usize) -> String {
    let (stem, ending) = match title.rfind('.') {
        Some(dot) if dot > 0 => title.split_at(dot),
        _ => (title, ""),
    };
    let mark = format!(" ({number})");
    let room = TITLE.saturating_sub(mark.chars().count() + ending.chars().count());
    let stem: String = stem.chars().take(room).collect();
    let whole = format!("{stem}{mark}{ending}");
    whole.chars().take(TITLE).collect()
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
    fn different_files_of_one_name_and_size_are_numbered() {
        let file = |name: &str, bytes: &[u8]| File {
            name: name.to_owned(),
            content_type: String::new(),
            bytes: bytes.to_vec(),
        };
        let long = format!("{}.pdf", "x".repeat(300));
        let files = [
            file("a.pdf", b"one"),
            file("a.pdf", b"two"),
            file("a.pdf", b"one"),
            file("a.pdf", b"longer"),
            file("a.pdf", b"six"),
            file("", b"x"),
            file("", b"y"),
            file(&long, b"1"),
            file(&long, b"2"),
        ];
        let titles = titles(&files);
        assert_eq!(
            titles[..7],
            [
                "a.pdf",
                "a (2).pdf",
                "a.pdf",
                "a.pdf",
                "a (3).pdf",
                "attachment",
                "attachment (2)"
            ]
        );
        assert_ne!(titles[7], titles[8]);
        assert!(titles.iter().all(|title| title.chars().count() <= TITLE));
    }

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

//! The contents of mails, read when they are saved: as MIME, with all attachments in it.
//! <https://learn.microsoft.com/graph/outlook-get-mime-message>

use futures::StreamExt as _;
use serde_json::Value;
use tandem_sync::model::{ItemId, Message, Refusal};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{AttachmentRules, IssueCode, ItemKind};

use super::Graph;
use super::ask::{Ask, with_query};
use super::client::read_json;
use super::error::{CallError, Problem};
use super::item::path;
use super::property::{self, CLASS, SIZE};
use crate::client::Effect;
use crate::mail::Mail;
use crate::messages::parsed;
use crate::mime::{self, refusal, too_large};

/// Mails fetched at once: so many, while they are small.
const AT_ONCE: usize = 3;
/// Larger ones are fetched piece by piece, where the server gives pieces.
const PIECE: u64 = 4 << 20;

impl Graph {
    pub(crate) async fn read_messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        let sizes = self.sizes(ids).await?;
        let work: Vec<_> = ids
            .iter()
            .zip(sizes)
            .map(|(id, size)| async move {
                match size {
                    Ok(size) => match self.content(id, size).await {
                        Ok(Ok(mime)) => Ok(parsed(mime, files.clone()).await),
                        Ok(Err(refusal)) => Ok(Err(refusal)),
                        Err(fault) => Err(fault),
                    },
                    // What is refused by its size alone is never fetched.
                    Err(refusal) => Ok(Err(refusal)),
                }
            })
            .collect();
        let done: Vec<Result<Result<Message, Refusal>, Fault>> =
            futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        done.into_iter().collect()
    }

    /// How large each is, or why it is not read.
    async fn sizes(&self, ids: &[ItemId]) -> Result<Vec<Result<u64, Refusal>>, Fault> {
        let expand = property::expand(&[CLASS, SIZE]);
        let asks: Vec<Ask> = ids
            .iter()
            .map(|id| {
                let path = path(ItemKind::Email, &id.0);
                Ask::get(with_query(&path, &[("$select", "id"), ("$expand", &expand)]))
            })
            .collect();
        let parts = self.parts(&asks).await?;
        Ok(parts
            .into_iter()
            .map(|part| {
                part.map_err(|problem| unreadable(&problem))
                    .and_then(|mail| allowed(&mail))
            })
            .collect())
    }

    /// The MIME of one mail.
    async fn content(&self, id: &ItemId, size: u64) -> Result<Result<Vec<u8>, Refusal>, Fault> {
        let url = format!("{}/$value", path(ItemKind::Email, &id.0));
        let most = usize::try_from(mime::MAX_SIZE)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        let mut mime = Vec::new();
        loop {
            let from = mime.len() as u64;
            let range = format!("bytes={from}-{}", from + PIECE - 1);
            let in_pieces = size > PIECE;
            let more: &[(&str, &str)] = if in_pieces { &[("Range", &range)] } else { &[] };
            let answer = self.client.send(&Ask::get(&*url), Effect::ReadsMails, more).await;
            let response = match answer {
                Ok(response) => response,
                Err(error) if error.too_large() => return Ok(Err(too_large())),
                Err(error) => return failed(error),
            };
            match response.status.as_u16() {
                // This server gives it as a whole, whatever was asked.
                200 => return Ok(Ok(response.body)),
                206 if in_pieces => {
                    let whole = response.header("content-range").and_then(total);
                    let got = response.body.len() as u64;
                    mime.extend_from_slice(&response.body);
                    match whole {
                        _ if mime.len() > most => return Ok(Err(too_large())),
                        Some(whole) if (mime.len() as u64) < whole && got > 0 => {}
                        Some(whole) if mime.len() as u64 == whole => return Ok(Ok(mime)),
                        _ => return failed(CallError::NotGraph("pieces that do not fit")),
                    }
                }
                _ => {
                    return match read_json(&response) {
                        Ok(_) => failed(CallError::NotGraph("no mail")),
                        Err(error) => failed(error),
                    };
                }
            }
        }
    }
}

/// The length of the whole: `bytes 0-99/1234`.
fn total(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.trim().parse().ok()
}

/// What means every call is a fault; of anything else this one mail suffers.
fn failed(error: CallError) -> Result<Result<Vec<u8>, Refusal>, Fault> {
    match (error.kind(), &error) {
        (_, CallError::Answered(problem)) if !is_everybodys(problem) => Ok(Err(unreadable(problem))),
        (FaultKind::Transient { .. }, CallError::Status { .. }) | (_, CallError::NotGraph(_)) => {
            tracing::warn!(%error, "a mail cannot be fetched");
            Ok(Err(Refusal {
                retry: true,
                ..refusal(
                    IssueCode::Unreadable,
                    "The mail server fails when it is asked for this mail.",
                )
            }))
        }
        _ => Err(error.into_fault("fetching a mail", false)),
    }
}

fn is_everybodys(problem: &Problem) -> bool {
    problem.is_no_mailbox()
        || matches!(
            problem.kind(),
            FaultKind::RateLimited { .. } | FaultKind::SignInEnded
        )
}

fn unreadable(problem: &Problem) -> Refusal {
    let code = match problem.code.to_ascii_lowercase().as_str() {
        "errormessagesizeexceeded" | "errordatasizelimitexceeded" => IssueCode::TooLarge,
        "errorrightsmanagementdenied" | "errorrightsmanagementexception" => IssueCode::Encrypted,
        _ if problem.status == 413 => IssueCode::TooLarge,
        _ => IssueCode::Unreadable,
    };
    Refusal {
        code,
        message: problem.told(),
        fields: vec![],
        // What may pass: a mail that is being moved, a database that is being mounted.
        retry: matches!(problem.kind(), FaultKind::Transient { .. }),
    }
}

/// The size of a mail that is fetched.
fn allowed(mail: &Value) -> Result<u64, Refusal> {
    if property::value(mail, CLASS).is_some_and(Mail::is_encrypted) {
        return Err(refusal(
            IssueCode::Encrypted,
            "The mail is encrypted or rights-protected.",
        ));
    }
    let size = property::value(mail, SIZE).and_then(|size| size.trim().parse::<u64>().ok());
    match size {
        Some(size) if size > mime::MAX_SIZE => Err(too_large()),
        size => Ok(size.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_fetched() {
        let mail = |class: &str, size: &str| {
            allowed(&json!({"singleValueExtendedProperties": [
                {"id": "String 0x1a", "value": class}, {"id": "Integer 0xe08", "value": size},
            ]}))
        };
        assert_eq!(mail("IPM.Note", "1234"), Ok(1234));
        assert_eq!(mail("IPM.Note", "x"), Ok(0));
        let code = |result: Result<u64, Refusal>| result.unwrap_err().code;
        assert_eq!(code(mail("IPM.Note.SMIME", "1")), IssueCode::Encrypted);
        assert_eq!(code(mail("IPM.Note", "60000000")), IssueCode::TooLarge);
        assert_eq!(total("bytes 0-99/1234"), Some(1234));
        assert_eq!(total("bytes 0-99/*"), None);
    }
}

//! The contents of mails, read when they are saved.

use tandem_sync::Fault;
use tandem_sync::model::{ItemId, Message, Refusal};
use tandem_types::{AttachmentRules, IssueCode};

use crate::client::{Effect, grave};
use crate::error::{CallError, ResponseError, shown};
use crate::ews::get_item;
use crate::ews::message::{self, Whole};
use crate::mail::Mail;
use crate::mailbox::Ews;
use crate::mime::{self, refusal, too_large};

/// Mails fetched at once: so many, and together so large as the server counts (their MIME is about a third larger, and
/// in base64 a third more again).
const MOST: usize = 20;
const MOST_BYTES: u64 = 8 << 20;
/// Sizes asked for at once.
const SIZES: usize = 250;

impl Ews {
    pub(crate) async fn read_messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        let mut sizes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(SIZES) {
            sizes.extend(self.sizes(ids).await?);
        }
        let mut all: Vec<Result<Message, Refusal>> = Vec::with_capacity(ids.len());
        let mut at = 0;
        while at < ids.len() {
            // What is refused by its size alone is never fetched.
            let first = match &sizes[at] {
                Ok(size) => *size,
                Err(refusal) => {
                    all.push(Err(refusal.clone()));
                    at += 1;
                    continue;
                }
            };
            let mut bytes = first;
            let mut end = at + 1;
            while end < ids.len() && end - at < MOST {
                match &sizes[end] {
                    Ok(size) if bytes + size <= MOST_BYTES => bytes += size,
                    _ => break,
                }
                end += 1;
            }
            all.extend(self.contents(&ids[at..end], files).await?);
            at = end;
        }
        Ok(all)
    }

    /// How large each is, or why it is not read.
    async fn sizes(&self, ids: &[ItemId]) -> Result<Vec<Result<u64, Refusal>>, Fault> {
        let refs: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let messages: Vec<Result<Whole, ResponseError>> = self
            .client
            .call(
                get_item::NAME,
                Effect::Reads,
                message::sizes(&refs),
                message::whole_payload,
            )
            .await
            .map_err(|error| error.into_fault(get_item::NAME, false))?;
        answered(&messages, ids)?;
        Ok(messages
            .into_iter()
            .map(|message| {
                let whole = message.map_err(unreadable)?;
                if Mail::is_encrypted(&whole.class) {
                    return Err(refusal(
                        IssueCode::Encrypted,
                        "The mail is encrypted or rights-protected.",
                    ));
                }
                match whole.size {
                    Some(size) if size > mime::MAX_SIZE => Err(too_large()),
                    // One that does not say is fetched by itself.
                    size => Ok(size.unwrap_or(MOST_BYTES)),
                }
            })
            .collect())
    }

    async fn contents(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        let mut waiting: Vec<&[ItemId]> = vec![ids];
        while let Some(batch) = waiting.pop() {
            let refs: Vec<&str> = batch.iter().map(|id| id.0.as_str()).collect();
            let answer: Result<Vec<Result<Whole, ResponseError>>, CallError> = self
                .client
                .call(
                    get_item::NAME,
                    Effect::ReadsMails,
                    message::contents(&refs),
                    message::whole_payload,
                )
                .await;
            let messages = match answer {
                Ok(messages) => messages,
                Err(error) if error.too_large() && batch.len() > 1 => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    waiting.push(right);
                    waiting.push(left);
                    continue;
                }
                Err(error) if error.too_large() => {
                    all.push(Err(too_large()));
                    continue;
                }
                Err(error) => return Err(error.into_fault(get_item::NAME, false)),
            };
            answered(&messages, batch)?;
            for message in messages {
                all.push(match message {
                    Ok(Whole { mime: Some(mime), .. }) => parsed(mime, files.clone()).await,
                    Ok(_) => Err(refusal(
                        IssueCode::Unreadable,
                        "The mail server does not show the content of this mail.",
                    )),
                    Err(error) => Err(unreadable(error)),
                });
            }
        }
        Ok(all)
    }
}

/// Off the threads that serve requests: a large mail takes a while. And should a parser ever panic, it is this one
/// mail's trouble.
async fn parsed(mime: Vec<u8>, files: AttachmentRules) -> Result<Message, Refusal> {
    tokio::task::spawn_blocking(move || mime::read(&mime, &files))
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(panicked = error.is_panic(), "a mail could not be parsed");
            Err(refusal(IssueCode::Unreadable, "The mail cannot be read."))
        })
}

fn answered<T>(messages: &[Result<T, ResponseError>], ids: &[ItemId]) -> Result<(), Fault> {
    if messages.len() != ids.len() {
        return Err(Fault::fatal("GetItem did not answer each item"));
    }
    grave(get_item::NAME, messages)
}

fn unreadable(error: ResponseError) -> Refusal {
    let code = match error.code.as_str() {
        "ErrorMessageSizeExceeded" | "ErrorDataSizeLimitExceeded" => IssueCode::TooLarge,
        "ErrorRightsManagementDenied" | "ErrorRightsManagementException" => IssueCode::Encrypted,
        _ => IssueCode::Unreadable,
    };
    let message = if error.text.trim().is_empty() {
        shown(&error.code).to_owned()
    } else {
        error.text
    };
    Refusal {
        code,
        message,
        fields: Vec::new(),
        retry: false,
    }
}

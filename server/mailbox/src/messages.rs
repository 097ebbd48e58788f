//! The contents of mails, read when they are saved.

use tandem_sync::model::{ItemId, Message, Refusal, Snapshot};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{AttachmentRules, IssueCode};

use crate::client::Effect;
use crate::error::{CallError, ResponseError, shown};
use crate::ews::FolderRef;
use crate::ews::folders;
use crate::ews::get_item;
use crate::ews::message::{self, Whole};
use crate::mail::Mail;
use crate::mailbox::Ews;
use crate::mime::{self, refusal, too_large};
use crate::reading::MOST_REMEMBERED;

/// Mails fetched at once: so many, and together so large as the server counts (their MIME is about a third larger, and
/// in base64 a third more again).
const MOST: usize = 20;
const MOST_BYTES: u64 = 8 << 20;
/// Sizes asked for at once.
const SIZES: usize = 250;

/// A size that is fetched; one that is not known is fetched by itself.
fn limited(size: Option<u64>) -> Result<u64, Refusal> {
    match size {
        Some(size) if size > mime::MAX_SIZE => Err(too_large()),
        size => Ok(size.unwrap_or(MOST_BYTES)),
    }
}

impl Ews {
    pub(crate) async fn read_messages(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        let known = self.with_known(|known| {
            let sizes = ids.iter().map(|id| known.sizes.get(&id.0).copied());
            sizes.collect::<Option<Vec<u64>>>()
        });
        let mut sizes = Vec::with_capacity(ids.len());
        match known {
            Some(known) => sizes.extend(known.into_iter().map(|size| limited(Some(size)))),
            None => {
                for ids in ids.chunks(SIZES) {
                    sizes.extend(self.sizes(ids).await?);
                }
            }
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

    /// The size of a mail that was listed just now need not be asked for again before it is fetched.
    pub(crate) fn remember_size(&self, id: &str, mail: &Snapshot) {
        let Some(facts) = mail.extra.mail.as_deref() else {
            return;
        };
        if facts.size > 0 && !facts.encrypted {
            self.with_known(|known| {
                if known.sizes.len() < MOST_REMEMBERED {
                    known.sizes.insert(id.to_owned(), facts.size);
                }
            });
        }
    }

    /// How large each is, or why it is not read.
    async fn sizes(&self, ids: &[ItemId]) -> Result<Vec<Result<u64, Refusal>>, Fault> {
        let mut sizes = Vec::with_capacity(ids.len());
        for message in self.whole(ids, Effect::Reads).await? {
            let size = message.and_then(|whole| {
                if Mail::is_encrypted(&whole.class) {
                    return Err(refusal(
                        IssueCode::Encrypted,
                        "The mail is encrypted or rights-protected.",
                    ));
                }
                limited(whole.size)
            });
            sizes.push(size);
        }
        Ok(sizes)
    }

    async fn contents(
        &self,
        ids: &[ItemId],
        files: &AttachmentRules,
    ) -> Result<Vec<Result<Message, Refusal>>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        for message in self.whole(ids, Effect::ReadsMails).await? {
            all.push(match message {
                Ok(Whole { mime: Some(mime), .. }) => parsed(mime, files.clone()).await,
                Ok(_) => Err(refusal(
                    IssueCode::Unreadable,
                    "The mail server does not show the content of this mail.",
                )),
                Err(refusal) => Err(refusal),
            });
        }
        Ok(all)
    }

    /// The mails' sizes, or their contents. What fails for several is asked for in halves, so that one mail that cannot
    /// be read keeps none of the others.
    async fn whole(&self, ids: &[ItemId], effect: Effect) -> Result<Vec<Result<Whole, Refusal>>, Fault> {
        let mut all = Vec::with_capacity(ids.len());
        let mut waiting: Vec<&[ItemId]> = vec![ids];
        while let Some(batch) = waiting.pop() {
            let error = match self.ask(batch, effect).await {
                Ok(messages) if messages.len() != batch.len() => {
                    return Err(Fault::fatal("GetItem did not answer each item"));
                }
                Ok(messages) => {
                    for message in messages {
                        all.push(match message {
                            Err(error) if is_busy(error.kind()) => {
                                return Err(error.into_fault(get_item::NAME));
                            }
                            message => message.map_err(unreadable),
                        });
                    }
                    continue;
                }
                Err(error) => error,
            };
            let too_much = error.too_large();
            if !too_much {
                // Who asks to wait, or refuses, means every call. And no mail is to blame for what no Exchange has said,
                // unless it is the content that it cannot give.
                let may_be_theirs = matches!(error, CallError::Response(_)) || effect == Effect::ReadsMails;
                if is_busy(error.kind()) || error.kind() == FaultKind::Rejected || !may_be_theirs {
                    return Err(error.into_fault(get_item::NAME, false));
                }
                // A mailbox that answers nothing else either has trouble of its own.
                self.folder().await?;
            }
            if batch.len() > 1 {
                let (left, right) = batch.split_at(batch.len() / 2);
                waiting.push(right);
                waiting.push(left);
                continue;
            }
            all.push(Err(match error {
                _ if too_much => too_large(),
                CallError::Response(error) => unreadable(error),
                error => {
                    tracing::warn!(%error, "a mail cannot be fetched");
                    Refusal {
                        retry: true,
                        ..refusal(
                            IssueCode::Unreadable,
                            "The mail server fails when it is asked for this mail.",
                        )
                    }
                }
            }));
        }
        Ok(all)
    }

    async fn folder(&self) -> Result<(), Fault> {
        let request = folders::get(&[FolderRef::Distinguished("inbox")]);
        let found: Result<Vec<folders::Folder>, CallError> = self
            .client
            .call_one(folders::GET, Effect::Reads, request, folders::payload)
            .await;
        match found {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into_fault(folders::GET, false)),
        }
    }

    async fn ask(
        &self,
        ids: &[ItemId],
        effect: Effect,
    ) -> Result<Vec<Result<Whole, ResponseError>>, CallError> {
        let refs: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let request = match effect {
            Effect::ReadsMails => message::contents(&refs),
            Effect::Reads | Effect::Writes => message::sizes(&refs),
        };
        self.client
            .call(get_item::NAME, effect, request, message::whole_payload)
            .await
    }
}

/// Off the threads that serve requests: a large mail takes a while. And should a parser ever panic, it is this one
/// mail's trouble.
pub(crate) async fn parsed(mime: Vec<u8>, files: AttachmentRules) -> Result<Message, Refusal> {
    tokio::task::spawn_blocking(move || mime::read(&mime, &files))
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(panicked = error.is_panic(), "a mail could not be parsed");
            Err(refusal(IssueCode::Unreadable, "The mail cannot be read."))
        })
}

fn is_busy(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::RateLimited { .. })
}

fn unreadable(error: ResponseError) -> Refusal {
    let code = match error.code.as_str() {
        "ErrorMessageSizeExceeded" | "ErrorDataSizeLimitExceeded" => IssueCode::TooLarge,
        "ErrorRightsManagementDenied" | "ErrorRightsManagementException" => IssueCode::Encrypted,
        _ => IssueCode::Unreadable,
    };
    // What may pass: a mail that is being moved, a database that is being mounted.
    let retry = matches!(error.kind(), FaultKind::Transient { .. });
    let message = if error.text.trim().is_empty() {
        shown(&error.code).to_owned()
    } else {
        error.text
    };
    Refusal {
        code,
        message,
        fields: Vec::new(),
        retry,
    }
}

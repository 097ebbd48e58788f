//! Saved emails: their content is read a few at a time, right before they are made, and is kept no longer than that.

use tandem_types::{AttachmentRules, IssueCode, IssueCure, ItemKind, Side};

use super::{Applied, Work, refused, tries};
use crate::link::{Link, LinkState};
use crate::merge::rule;
use crate::model::{Fate, Field, FieldValue, File, ItemId, Message, Profile, Refusal};
use crate::normalise::fit;
use crate::order;
use crate::plan::{Draft, Job, Step, failed_mark, park, title};
use crate::ports::{Commit, IssueKey};
use crate::round::{Halt, Round};

/// Mails in one request for their content.
const READ_MAX: usize = 10;
/// Of mails that are held at once, about: the next batch begins once so much is.
const HELD_BYTES: usize = 32 * 1024 * 1024;
/// Of mails in one request for their content, about, as they were listed.
const READ_BYTES: u64 = 16 * 1024 * 1024;

/// What is attached to a mail.
#[derive(Default)]
struct Files {
    put: Vec<File>,
    /// Names of the others, and why each is left out.
    left_out: Vec<(String, String)>,
    /// Of all of the mail that is held.
    bytes: usize,
}

/// What became of a mail that is not where it was.
enum Moved {
    To(ItemId),
    /// It is where it was, or gone: its content is not to be had.
    Nowhere,
    /// Another session asks again.
    Unknown,
}

impl Round<'_> {
    pub(super) async fn make_mails(
        &mut self,
        works: &mut [&mut Work],
        batch: usize,
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        works.sort_by_key(|work| work.job.link.traits.attempts);
        let mut rest = works;
        while !rest.is_empty() {
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let mut files: Vec<Files> = Vec::new();
            let mut held = 0;
            let most = tries::next_chunk(rest, batch);
            while files.len() < most && held < HELD_BYTES {
                let end = files.len() + together(&rest[files.len()..most]);
                let more = self.contents(&mut rest[files.len()..end], applied).await?;
                held += more.iter().map(|files| files.bytes).sum::<usize>();
                files.extend(more);
            }
            let (chunk, later) = rest.split_at_mut(files.len());
            self.make_chunk(Side::Crm, chunk, applied).await?;
            for (work, files) in chunk.iter_mut().zip(files) {
                if work.job.link.crm_id.is_some() {
                    self.saved(&mut work.job, files, applied).await?;
                }
            }
            rest = later;
        }
        Ok(true)
    }

    /// Reads the contents of these mails into what is made of them. What is attached to each, in their order.
    async fn contents(&mut self, works: &mut [&mut Work], applied: &mut Applied) -> Result<Vec<Files>, Halt> {
        let ids: Vec<ItemId> = works
            .iter()
            .map(|work| work.job.link.mailbox_id.clone().unwrap_or(ItemId(String::new())))
            .collect();
        let messages = self.messages(&ids).await?;
        let profile = self
            .profiles
            .as_ref()
            .and_then(|both| both.crm.of(ItemKind::Email))
            .cloned()
            .unwrap_or_default();
        let mut commit = Commit::default();
        let mut files = Vec::with_capacity(works.len());
        for (work, message) in works.iter_mut().zip(messages) {
            files.push(match message {
                Ok(message) => {
                    let message = self.chosen(&work.job.link, message);
                    self.content(work, message, &profile, &mut commit, applied)
                }
                Err(refusal) => {
                    self.unread(work, refusal, &mut commit, applied);
                    Files::default()
                }
            });
        }
        if !commit.issues.is_empty() || !commit.links.is_empty() {
            self.commit(commit).await?;
        }
        Ok(files)
    }

    async fn messages(&self, ids: &[ItemId]) -> Result<Vec<Result<Message, Refusal>>, Halt> {
        let none = AttachmentRules {
            save: false,
            ..AttachmentRules::default()
        };
        let files = if self.storage_full {
            &none
        } else {
            &self.opening.settings.attachments
        };
        let found = self
            .cx
            .mailbox
            .messages(ids, files)
            .await
            .map_err(|fault| Halt::Fault(Side::Mailbox, fault))?;
        if found.len() == ids.len() {
            Ok(found)
        } else {
            let text = format!("{} mails, {} contents", ids.len(), found.len());
            Err(Halt::Fault(Side::Mailbox, crate::Fault::fatal(text)))
        }
    }

    /// Without the attachments that the user left out.
    fn chosen(&self, link: &Link, mut message: Message) -> Message {
        if !link.traits.without.is_empty() {
            let out = |name: &str| {
                order::file_hash(self.hasher, name).is_some_and(|hash| link.traits.without.contains(&hash))
            };
            message.files.retain(|file| !out(&file.name));
            message.left_out.retain(|(name, _)| !out(name));
        }
        message
    }

    fn content(
        &mut self,
        work: &mut Work,
        message: Message,
        profile: &Profile,
        commit: &mut Commit,
        applied: &mut Applied,
    ) -> Files {
        let job = &mut work.job;
        let mut bytes: usize = message.files.iter().map(|file| file.bytes.len()).sum();
        if let Step::Make { record, .. } = &mut job.step {
            let html = message.html.map_or(FieldValue::Empty, FieldValue::from_text);
            for (field, value) in [
                (Field::Body, FieldValue::from_text(message.text)),
                (Field::Html, html),
            ] {
                let value = fit(field, &value, rule(profile, field));
                if let Some(text) = value.known() {
                    bytes += text.len();
                    record.set(field, value);
                }
            }
        }
        job.link.traits.files_owed = !message.files.is_empty()
            || (self.storage_full
                && self.opening.settings.attachments.save
                && job
                    .saw
                    .mailbox
                    .as_deref()
                    .and_then(|item| item.extra.mail.as_deref())
                    .is_some_and(|mail| mail.has_attachments));
        self.left_out(job, message.left_out.clone(), commit, applied);
        Files {
            put: message.files,
            left_out: message.left_out,
            bytes,
        }
    }

    fn unread(&mut self, work: &mut Work, refusal: Refusal, commit: &mut Commit, applied: &mut Applied) {
        let job = &mut work.job;
        let Some(source) = job.saw.mailbox.as_deref() else {
            return;
        };
        let told = failed_mark(source).filter(|_| !refusal.retry);
        let draft = refused(
            ItemKind::Email,
            (Side::Mailbox, &source.id),
            title(&source.record),
            refusal,
        );
        self.raise(draft, commit, applied);
        park(&mut job.link, Side::Mailbox, source);
        self.keep(&job.link, commit);
        work.failed = true;
        applied.done += 1;
        if let Some(update) = told {
            work.then(crate::merge::Both::new(Some(update), None));
        }
    }

    /// What follows a mail that was saved: its attachments are put to it.
    async fn saved(&mut self, job: &mut Job, files: Files, applied: &mut Applied) -> Result<(), Halt> {
        if job.link.traits.files_owed && !files.put.is_empty() {
            self.put_files(job, files, applied).await?;
        }
        Ok(())
    }

    /// Puts attachments to a saved email. What is refused is told, and not tried again; a full storage waits.
    async fn put_files(&mut self, job: &mut Job, files: Files, applied: &mut Applied) -> Result<(), Halt> {
        let Some(record) = job.link.crm_id.clone() else {
            return Ok(());
        };
        if self.storage_full {
            return Ok(());
        }
        self.keeper.keep().await?;
        let (done, halt) = match self.cx.crm.attach(&record, &files.put).await {
            Ok(done) => (done, None),
            Err(fault) if !tries::may_be_own(fault.kind) => return Err(Halt::Fault(Side::Crm, fault)),
            // This mail waits, the others go on: but not through a server that is down.
            Err(fault) => {
                tracing::info!(fault = %fault, "attachments could not be put");
                let later = files.put.iter().map(|_| Err(unanswered())).collect();
                let halt = (!applied.takes_fault()).then_some(Halt::Fault(Side::Crm, fault));
                (later, halt)
            }
        };
        let mut commit = Commit::default();
        // One issue lists all that is not there, also what was never sent.
        let mut refusals = files.left_out;
        let mut later = false;
        let mut vain = Vec::new();
        for (file, outcome) in files.put.iter().zip(done) {
            match outcome {
                Ok(()) => {}
                Err(refusal) if refusal.code == IssueCode::StorageFull => {
                    self.storage_full = true;
                    later = true;
                    let draft = refused(ItemKind::Email, (Side::Crm, &record), name(job), refusal);
                    self.raise(draft, &mut commit, applied);
                }
                Err(refusal) if refusal.retry => vain.push((file.name.clone(), refusal.message)),
                Err(refusal) => refusals.push((file.name.clone(), refusal.message)),
            }
        }
        let now = self.cx.clock.now();
        if vain.is_empty() {
            tries::succeeded(&mut job.link);
        } else if tries::files_failed(&mut job.link, now) {
            refusals.append(&mut vain);
            tries::succeeded(&mut job.link);
        } else {
            later = true;
        }
        self.left_out(job, refusals, &mut commit, applied);
        job.link.traits.files_owed = later;
        job.link.changed = now;
        if !later {
            self.solve(ItemKind::Email, Side::Crm, &record, &mut commit);
        }
        self.keep(&job.link, &mut commit);
        self.commit(commit).await?;
        halt.map_or(Ok(()), Err)
    }

    fn left_out(
        &mut self,
        job: &Job,
        files: Vec<(String, String)>,
        commit: &mut Commit,
        applied: &mut Applied,
    ) {
        let Some(item) = job.link.mailbox_id.clone().filter(|_| !files.is_empty()) else {
            return;
        };
        let words: Vec<String> = files
            .into_iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        let draft = Draft {
            key: IssueKey {
                kind: ItemKind::Email,
                side: Side::Mailbox,
                item,
                code: IssueCode::AttachmentLeftOut,
            },
            title: name(job),
            detail: words.join("\n"),
            cures: vec![IssueCure::Ignore],
        };
        self.raise(draft, commit, applied);
    }

    /// Where a mail lies whose content is not to be had by its id.
    async fn moved(&self, link: &Link, id: &ItemId) -> Result<Moved, Halt> {
        match self.cx.mailbox.fates(&[link.trace(id)]).await {
            Ok(fates) => Ok(match fates.into_iter().next() {
                Some(Fate::Here(now)) if now.id != *id => Moved::To(now.id),
                Some(Fate::Here(_) | Fate::Deleted { .. }) => Moved::Nowhere,
                Some(Fate::Unproved) | None => Moved::Unknown,
            }),
            Err(fault) if tries::may_be_own(fault.kind) => {
                tracing::info!(fault = %fault, "a mail whose attachments are owed was not found");
                Ok(Moved::Unknown)
            }
            Err(fault) => Err(Halt::Fault(Side::Mailbox, fault)),
        }
    }

    /// The attachments that an earlier session could not put.
    pub(super) async fn attachments(
        &mut self,
        works: &mut [Work],
        applied: &mut Applied,
    ) -> Result<bool, Halt> {
        for work in works
            .iter_mut()
            .filter(|work| matches!(work.job.step, Step::Attach))
        {
            if self.storage_full {
                break;
            }
            if !self.safe_point(applied).await? {
                return Ok(false);
            }
            let job = &mut work.job;
            // This very session may have found the mail in another folder, under another id.
            if let Some(now) = self.links.get(&job.link.id) {
                job.link = now.clone();
            }
            let Some(id) = job.link.mailbox_id.clone() else {
                continue;
            };
            let Some(mut message) = self.messages(std::slice::from_ref(&id)).await?.pop() else {
                continue;
            };
            if message.as_ref().is_err_and(|refusal| !refusal.retry) {
                match self.moved(&job.link, &id).await? {
                    Moved::To(now) => {
                        job.link.mailbox_id = Some(now.clone());
                        message = self.messages(&[now]).await?.pop().unwrap_or(message);
                    }
                    Moved::Nowhere => {}
                    Moved::Unknown if tries::files_failed(&mut job.link, self.cx.clock.now()) => {
                        tries::succeeded(&mut job.link);
                    }
                    Moved::Unknown => {
                        let mut commit = Commit::default();
                        self.keep(&job.link, &mut commit);
                        self.commit(commit).await?;
                        continue;
                    }
                }
            }
            let files = match message.map(|message| self.chosen(&job.link, message)) {
                Ok(message) => Files {
                    put: message.files,
                    left_out: message.left_out,
                    bytes: 0,
                },
                // The mail is gone, or cannot be read: nothing can be owed any more.
                Err(refusal) if !refusal.retry => Files {
                    put: Vec::new(),
                    left_out: vec![(name(job), "the mail can no longer be read".to_owned())],
                    bytes: 0,
                },
                Err(_) => continue,
            };
            applied.done += 1;
            if files.put.is_empty() || matches!(job.link.state, LinkState::Ended(_)) {
                job.link.traits.files_owed = false;
                let mut commit = Commit::default();
                if job.link.state == LinkState::Live {
                    self.left_out(job, files.left_out, &mut commit, applied);
                }
                self.keep(&job.link, &mut commit);
                self.commit(commit).await?;
            } else {
                self.put_files(job, files, applied).await?;
            }
        }
        Ok(true)
    }
}

/// So many of the first mails are read together, by what they were listed with: one at least.
fn together(works: &[&mut Work]) -> usize {
    let size = |work: &Work| {
        let saw = work.job.saw.mailbox.as_deref();
        saw.and_then(|item| item.extra.mail.as_deref())
            .map_or(0, |mail| mail.size)
    };
    let mut bytes = 0_u64;
    let fit = works
        .iter()
        .take(READ_MAX)
        .take_while(|work| {
            bytes = bytes.saturating_add(size(work));
            bytes <= READ_BYTES
        })
        .count();
    fit.max(1).min(works.len())
}

/// Of a file that nothing was said of.
fn unanswered() -> Refusal {
    Refusal {
        code: IssueCode::AttachmentLeftOut,
        message: "Salesforce does not take it".to_owned(),
        fields: Vec::new(),
        retry: true,
    }
}

fn name(job: &Job) -> String {
    let item = job
        .link
        .mailbox_id
        .as_ref()
        .map_or(String::new(), |id| id.0.clone());
    job.saw
        .mailbox
        .as_deref()
        .map(|saw| title(&saw.record))
        .filter(|title| !title.is_empty())
        .unwrap_or(item)
}

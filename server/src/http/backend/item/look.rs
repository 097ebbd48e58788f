//! What is shown of the open item: at once from the store and what is kept, whole from the providers.

use std::time::Duration;

use tandem_crm::{PersonRecords, Salesforce};
use tandem_store::ItemIssue;
use tandem_sync::glance::{Glance, mail_hash, relations_of, thread_hash};
use tandem_sync::model::{ItemId, Relations, Snapshot};
use tandem_sync::ports::{Crm as _, Endpoint as _, LinkAsk};
use tandem_sync::{EndReason, Fault, FaultKind, Link, LinkState};
use tandem_types::{
    ApiError, ItemKind, ItemLinks, ItemState, ItemTrouble, ItemView, MailboxServer, NotSaved, OpenItem,
    OpenMode, RecordRef, RecordView, SyncState, Timestamp,
};

use super::super::{Known, RequestBackend, crm_account};
use super::people::{Who, outside};
use super::store;
use crate::panel::Kept;
use crate::worker::{cure, endpoints};

/// A pane waits no longer for a provider; what has come by then is shown.
const PATIENCE: Duration = Duration::from_secs(10);

/// What Salesforce did in time.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, ItemTrouble> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => {
            tracing::info!(%fault, "Salesforce did not answer a pane");
            Err(trouble_of(&fault))
        }
        Err(_) => Err(ItemTrouble::SalesforceSlow),
    }
}

pub(super) const fn trouble_of(fault: &Fault) -> ItemTrouble {
    match fault.kind {
        FaultKind::SignInEnded | FaultKind::Rejected => ItemTrouble::SalesforceSignIn,
        _ => ItemTrouble::SalesforceSlow,
    }
}

/// What the store knows of an item.
pub(super) struct Standing {
    pub(super) link: Option<Link>,
    issue: Option<ItemIssue>,
    /// The links of an order that waits.
    ordered: Option<tandem_sync::order::Order>,
}

impl Standing {
    /// `None`: nothing that would not need the rules.
    fn state(&self, known: &Known, item: &OpenItem) -> Option<ItemState> {
        if self.ordered.is_some() {
            return Some(ItemState::Saving);
        }
        let link = self.link.as_ref();
        let saved = link.filter(|link| {
            matches!(link.state, LinkState::Live | LinkState::Dormant) && link.crm_id.is_some()
        });
        if let Some((link, id)) = saved.and_then(|link| Some((link, link.crm_id.as_ref()?))) {
            return Some(ItemState::Saved {
                record: record_of(known, &id.0, &item.subject),
                // A saved mail never changes, so its link does not either.
                since: (link.kind == ItemKind::Email).then_some(link.changed),
            });
        }
        if let Some(issue) = &self.issue {
            return Some(ItemState::Issue(Box::new(issue.view.clone())));
        }
        match link.map(|link| (link.state, link.intent)) {
            Some((LinkState::Ended(EndReason::Unsynced), _)) => Some(ItemState::NotSaved(NotSaved::TakenOut)),
            Some((LinkState::Ended(EndReason::DeletedInCrm | EndReason::DeletedOnBoth), _)) => {
                Some(ItemState::NotSaved(NotSaved::DeletedThere))
            }
            Some((LinkState::Live, Some(_))) => Some(ItemState::Saving),
            _ => None,
        }
    }
}

/// A record as a link names it.
fn record_of(known: &Known, id: &str, name: &str) -> RecordRef {
    let object = match id.get(..3) {
        Some("00U") => "Event",
        Some("00T") => "Task",
        Some("003") => "Contact",
        _ => "EmailMessage",
    };
    RecordRef {
        id: id.to_owned(),
        object: object.to_owned(),
        name: name.to_owned(),
        url: format!("https://{}/{id}", crm_account(&known.user).host),
    }
}

/// Under what an item is kept: what Outlook names it by; one that has no name yet is not.
fn name_of(item: &OpenItem) -> Option<&str> {
    item.id.as_deref().or(item.message_id.as_deref())
}

/// Whose item it is, where it is not of the connected mailbox.
fn other_owner(known: &Known, item: &OpenItem) -> Option<String> {
    let own = known.row.mailbox.as_ref()?.address.as_str();
    let owner = item
        .owner
        .as_deref()
        .filter(|owner| !owner.is_empty())
        .unwrap_or(&item.mailbox);
    (!owner.is_empty() && !owner.eq_ignore_ascii_case(own)).then(|| owner.to_owned())
}

/// No session would save anything now.
fn is_off(known: &Known) -> bool {
    known.row.mailbox.is_none() || known.row.state != SyncState::Active
}

/// What a provider was asked, and what came.
#[derive(Default)]
struct Seen {
    /// As the mailbox shows it.
    item: Option<Snapshot>,
    saving: Option<Result<tandem_types::SaveRule, NotSaved>>,
    relations: Relations,
}

impl RequestBackend {
    /// The mailbox's own id of the open item, as far as it is known here.
    pub(super) fn known_id(&self, known: &Known, item: &OpenItem) -> Option<ItemId> {
        let outlook = item.id.as_deref()?;
        let exchange = known
            .row
            .mailbox
            .as_ref()
            .is_some_and(|mailbox| mailbox.server == MailboxServer::Exchange);
        if exchange {
            return Some(ItemId(outlook.to_owned()));
        }
        self.app.panels.id(&known.row.id, outlook)
    }

    async fn standing(
        &self,
        known: &Known,
        item: &OpenItem,
        id: Option<&ItemId>,
    ) -> Result<Standing, ApiError> {
        let db = &self.app.store;
        let row = &known.row;
        let mut link = None;
        if let Some(id) = id {
            let ask = LinkAsk::Of {
                mailbox: vec![id.clone()],
                crm: Vec::new(),
                keys: Vec::new(),
            };
            let links = db.links_of(&row.id, &ask).await.map_err(store)?;
            link = best(links);
        }
        if link.is_none()
            && let Some(message) = item
                .message_id
                .as_deref()
                .filter(|_| item.kind == ItemKind::Email)
        {
            let org = db.org_key(&row.org_id).await.map_err(store)?;
            if let Some(hash) = mail_hash(&org, message) {
                let claims = db.claims_of(&row.org_id, &[(ItemKind::Email, hash)]).await;
                let record = claims
                    .map_err(store)?
                    .into_iter()
                    .flatten()
                    .find_map(|claim| claim.crm_id);
                if let Some(record) = record {
                    let ask = LinkAsk::Of {
                        mailbox: Vec::new(),
                        crm: vec![record],
                        keys: Vec::new(),
                    };
                    link = best(db.links_of(&row.id, &ask).await.map_err(store)?);
                }
            }
        }
        let about = link.as_ref().and_then(|link| link.mailbox_id.as_ref()).or(id);
        let (mut issue, mut ordered) = (None, None);
        if let Some(about) = about {
            let issues = db.issues_of_item(&row.id, about).await.map_err(store)?;
            issue = issues.into_iter().find(|issue| !issue.ignored);
            let orders = db.orders(&row.id).await.map_err(store)?;
            ordered = orders
                .into_iter()
                .find(|order| order.item == *about || Some(&order.item) == id)
                .map(|row| row.order);
        }
        Ok(Standing { link, issue, ordered })
    }

    /// At once: from the store, and from what is kept.
    pub(super) async fn at_once(&self, known: &Known, item: OpenItem) -> Result<ItemView, ApiError> {
        let now = self.app.clock.now();
        let id = self.known_id(known, &item);
        let standing = match known.row.mailbox {
            Some(_) => self.standing(known, &item, id.as_ref()).await?,
            None => Standing {
                link: None,
                issue: None,
                ordered: None,
            },
        };
        let kept = name_of(&item).and_then(|name| self.app.panels.get(&known.row.id, name, now));
        Ok(Self::panel(known, item, &standing, kept))
    }

    fn panel(known: &Known, item: OpenItem, standing: &Standing, kept: Option<Kept>) -> ItemView {
        let whole = kept.is_some();
        let kept = kept.unwrap_or_default();
        let said = standing.state(known, &item);
        let saved = matches!(said, Some(ItemState::Saved { .. }));
        let state = if let Some(owner) = other_owner(known, &item).filter(|_| !saved) {
            ItemState::OtherMailbox { owner }
        } else if let Some(state) = said.filter(|_| saved || !is_off(known)) {
            state
        } else if is_off(known) {
            ItemState::SyncOff
        } else if !known.row.settings.direction(item.kind).writes_crm() {
            ItemState::NotSaved(NotSaved::Off)
        } else {
            match kept.saving {
                Some(Ok(rule)) => ItemState::WillBeSaved(rule),
                Some(Err(reason)) => ItemState::NotSaved(reason),
                None if item.mode == OpenMode::Compose && item.kind == ItemKind::Email => {
                    ItemState::NotSaved(NotSaved::Draft)
                }
                None => ItemState::Unknown,
            }
        };
        ItemView {
            people: kept.people,
            chosen: kept.chosen,
            whole,
            ..ItemView::new(item, state)
        }
    }

    /// What was shown last, or the whole where nothing is kept.
    pub(super) async fn shown(&self, known: &Known, item: OpenItem) -> Result<ItemView, ApiError> {
        let view = self.at_once(known, item).await?;
        if view.whole {
            Ok(view)
        } else {
            self.look_at(known, view.item).await
        }
    }

    /// From both providers. Whatever does not come in time is missing, and said so.
    pub(super) async fn look_at(&self, known: &Known, item: OpenItem) -> Result<ItemView, ApiError> {
        let now = self.app.clock.now();
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let who = Who::new(&self.app, known).await?;
        let addresses = outside(known, &who, &item);
        let (seen, people) = futures::join!(
            self.in_mailbox(known, &salesforce, &item, now),
            in_time(salesforce.people_at(&addresses)),
        );
        let (seen, mut trouble) = match seen? {
            Ok(seen) => (seen, None),
            Err(trouble) => (Seen::default(), Some(trouble)),
        };
        let people = people.unwrap_or_else(|said| {
            // Who is not known is the worse of both.
            trouble = Some(said);
            vec![PersonRecords::default(); addresses.len()]
        });
        let id = seen
            .item
            .as_ref()
            .map(|item| item.id.clone())
            .or_else(|| self.known_id(known, &item));
        let standing = match known.row.mailbox {
            Some(_) => self.standing(known, &item, id.as_ref()).await?,
            None => Standing {
                link: None,
                issue: None,
                ordered: None,
            },
        };
        let people = who.views(known, &item, &addresses, people);
        let wanted = Wanted::of(&standing, seen.relations.clone());
        let chosen = match self.links(&salesforce, wanted, &people, known, &item).await {
            Ok(chosen) => chosen,
            Err(said) => {
                trouble = trouble.or(Some(said));
                ItemLinks::default()
            }
        };
        let kept = Kept {
            people,
            chosen,
            saving: seen.saving,
        };
        if trouble.is_none()
            && let Some(name) = name_of(&item)
        {
            self.app.panels.put(&known.row.id, name, kept.clone(), now);
        }
        let mut view = Self::panel(known, item, &standing, Some(kept));
        view.whole = trouble.is_none();
        view.trouble = trouble;
        Ok(view)
    }

    /// The item as the mailbox shows it, and what the rules say. The outer error is the store's.
    async fn in_mailbox(
        &self,
        known: &Known,
        salesforce: &Salesforce,
        item: &OpenItem,
        now: Timestamp,
    ) -> Result<Result<Seen, ItemTrouble>, ApiError> {
        let row = &known.row;
        let (Some(account), Some(outlook)) = (&row.mailbox, item.id.as_deref()) else {
            return Ok(Ok(Seen::default()));
        };
        if other_owner(known, item).is_some() || row.state != SyncState::Active {
            return Ok(Ok(Seen::default()));
        }
        // Each sign-in with a password that was refused is a step towards a locked account.
        if !cure::may_run(row) && row.rejections > 0 || self.app.panels.is_refused(&row.id, now) {
            return Ok(Err(ItemTrouble::MailboxSignIn));
        }
        let mailbox = endpoints::mailbox(&self.app, row).await.map_err(store)?;
        let read = async {
            let Some(id) = mailbox.named_by_outlook(outlook).await? else {
                return Ok(None);
            };
            self.app.panels.note_id(&row.id, outlook, id.clone());
            let found = mailbox.read(std::slice::from_ref(&id)).await?;
            Ok(found.into_iter().next().flatten())
        };
        let found: Result<Option<Snapshot>, Fault> = match tokio::time::timeout(PATIENCE, read).await {
            Ok(found) => found,
            Err(_) => return Ok(Err(ItemTrouble::MailboxSlow)),
        };
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(Seen::default())),
            Err(fault) => {
                tracing::info!(connection = %row.id, %fault, "the mailbox did not answer a pane");
                return Ok(Err(match fault.kind {
                    FaultKind::Rejected => {
                        self.app.panels.note_refused(&row.id, now);
                        ItemTrouble::MailboxSignIn
                    }
                    FaultKind::SignInEnded => ItemTrouble::MailboxSignIn,
                    _ => ItemTrouble::MailboxSlow,
                }));
            }
        };
        if found.record.kind != item.kind {
            // A meeting's invitation, a task request: the rules are about other items.
            return Ok(Ok(Seen::default()));
        }
        let org = self.app.store.org_key(&row.org_id).await.map_err(store)?;
        let thread = thread_hash(&org, &row.id, &found);
        let claims = match thread {
            Some(hash) => {
                let asked = [(ItemKind::Email, hash)];
                self.app
                    .store
                    .claims_of(&row.org_id, &asked)
                    .await
                    .map_err(store)?
            }
            None => Vec::new(),
        };
        let thread_saved = claims.iter().any(Option::is_some);
        let address = account.address.to_lowercase();
        let glance = Glance {
            settings: &row.settings,
            address: &address,
            user: &row.user_id,
            now,
            activated: row.activated.unwrap_or(row.created),
        };
        let look = async {
            let most = salesforce.profile().await?;
            let most = most.of(found.record.kind).map_or(1, |profile| profile.people_max);
            glance.look(salesforce, &found, thread_saved, most).await
        };
        Ok(match in_time(look).await {
            Ok(told) => Ok(Seen {
                item: Some(found),
                saving: Some(told.saving),
                relations: told.relations,
            }),
            Err(trouble) => Err(trouble),
        })
    }

    /// The records of what it is, or would be, linked to.
    async fn links(
        &self,
        salesforce: &Salesforce,
        wanted: Wanted,
        people: &[tandem_types::PersonView],
        known: &Known,
        item: &OpenItem,
    ) -> Result<ItemLinks, ItemTrouble> {
        let mut links = ItemLinks {
            without: wanted.without(item),
            thread: wanted.thread.unwrap_or(known.row.settings.save_threads),
            by_user: wanted.by_user,
            ..ItemLinks::default()
        };
        let mut relations = wanted.relations;
        if let Some(record) = wanted.record {
            if item.kind == ItemKind::Email {
                relations = in_time(salesforce.email_links(&record))
                    .await?
                    .unwrap_or_default();
            } else {
                let found = in_time(salesforce.read(std::slice::from_ref(&record))).await?;
                if let Some(saved) = found.into_iter().next().flatten() {
                    relations = relations_of(&saved);
                }
            }
        }
        let shown: Vec<&RecordView> = people
            .iter()
            .flat_map(|person| {
                let hanging = person.opportunities.iter().chain(&person.cases);
                person.records.iter().chain(&person.account).chain(hanging)
            })
            .collect();
        let ids: Vec<String> = relations
            .who
            .iter()
            .chain(&relations.what)
            .map(|id| id.0.clone())
            .collect();
        let missing: Vec<String> = ids
            .iter()
            .filter(|id| shown.iter().all(|view| view.rec.id != **id))
            .cloned()
            .collect();
        let more = if missing.is_empty() {
            std::collections::BTreeMap::new()
        } else {
            in_time(salesforce.record_cards(&missing)).await?
        };
        let view = |id: &ItemId| {
            let here = shown.iter().find(|view| view.rec.id == id.0).copied();
            here.or_else(|| more.get(&id.0)).cloned().or_else(|| {
                // A record without a card: a campaign, an asset.
                Some(RecordView {
                    rec: RecordRef {
                        object: String::new(),
                        ..record_of(known, &id.0, &id.0)
                    },
                    line: String::new(),
                    fields: Vec::new(),
                })
            })
        };
        links.who = relations.who.iter().filter_map(view).collect();
        links.what = relations.what.as_ref().and_then(view);
        Ok(links)
    }
}

/// What it is linked to: by whom that is known.
struct Wanted {
    /// Its record says.
    record: Option<ItemId>,
    relations: Relations,
    names: Option<std::collections::BTreeSet<String>>,
    thread: Option<bool>,
    by_user: bool,
}

impl Wanted {
    fn of(standing: &Standing, linker: Relations) -> Self {
        if let Some(order) = &standing.ordered {
            return Self {
                record: None,
                relations: Relations {
                    who: order.who.clone(),
                    what: order.what.clone(),
                    ..Relations::default()
                },
                names: Some(order.without.clone()),
                thread: Some(order.thread),
                by_user: true,
            };
        }
        let saved = standing
            .link
            .as_ref()
            .filter(|link| matches!(link.state, LinkState::Live | LinkState::Dormant));
        Self {
            record: saved.and_then(|link| link.crm_id.clone()),
            relations: linker,
            names: None,
            thread: None,
            by_user: saved.is_some_and(|link| link.traits.links_chosen),
        }
    }

    fn without(&self, item: &OpenItem) -> Vec<String> {
        let Some(names) = &self.names else {
            return Vec::new();
        };
        item.attachments
            .iter()
            .filter(|file| names.contains(&file.name))
            .map(|file| file.id.clone())
            .collect()
    }
}

/// The link that stands for an item: a living one, else the one that ended last.
fn best(mut links: Vec<Link>) -> Option<Link> {
    links.sort_by_key(|link| {
        (
            matches!(link.state, LinkState::Ended(_)),
            std::cmp::Reverse(link.changed),
        )
    });
    links.into_iter().next()
}

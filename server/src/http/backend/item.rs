//! The item that is open in Outlook.

mod look;
mod order;
mod people;

use async_trait::async_trait;
use tandem_app::ItemBackend;
use tandem_crm::{Activity, PanelRefusal};
use tandem_sync::linker::people::{domain_of, is_free_mail};
use tandem_sync::model::Clue;
use tandem_sync::ports::Crm as _;
use tandem_types::{
    ApiError, Found, InvalidField, ItemTrouble, ItemView, LinkTo, OpenItem, PersonDraft, PersonKind,
    RecordRef, SaveOrder,
};

use super::{Known, RequestBackend, unavailable};
use crate::signature;
use crate::worker::endpoints;
use look::in_time;

/// Characters of a search.
const QUERY: std::ops::RangeInclusive<usize> = 2..=80;
/// Of a field in a form.
const FIELD_MAX: usize = 255;
const TEXT_MAX: usize = 8_000;

fn value(fits: bool) -> Result<(), ApiError> {
    if fits {
        Ok(())
    } else {
        Err(ApiError::Invalid(InvalidField::Value))
    }
}

/// One line that Salesforce could hold.
fn line(text: &str) -> bool {
    text.chars().count() <= FIELD_MAX && !text.chars().any(char::is_control)
}

/// What became of a write: what to show, or why not.
fn told<T>(done: Result<T, PanelRefusal>) -> Result<T, Result<ItemTrouble, ApiError>> {
    done.map_err(|refusal| match refusal {
        PanelRefusal::Invalid => Err(ApiError::Invalid(InvalidField::Value)),
        PanelRefusal::NoPermission => Ok(ItemTrouble::NoPermission),
        PanelRefusal::Duplicate(words) => Ok(ItemTrouble::Duplicate(words)),
        PanelRefusal::Refused(words) => Ok(ItemTrouble::Refused(words)),
    })
}

impl RequestBackend {
    /// Something was written: the panel as it is now, or with what is against it.
    async fn written<T>(
        &self,
        known: &Known,
        item: OpenItem,
        done: Result<Result<T, PanelRefusal>, ItemTrouble>,
        show: impl FnOnce(&mut ItemView, T) + Send,
    ) -> Result<ItemView, ApiError>
    where
        T: Send,
    {
        let done = match done {
            Ok(done) => told(done),
            Err(trouble) => Err(Ok(trouble)),
        };
        match done {
            Ok(made) => {
                self.app.panels.forget(&known.row.id);
                let mut view = self.look_at(known, item).await?;
                show(&mut view, made);
                Ok(view)
            }
            Err(Ok(trouble)) => {
                let mut view = self.shown(known, item).await?;
                view.trouble = Some(trouble);
                Ok(view)
            }
            Err(Err(error)) => Err(error),
        }
    }

    async fn add(&self, item: OpenItem, record: String, activity: Activity) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let done = in_time(salesforce.add_activity(&record, &activity)).await;
        let action = match activity {
            Activity::Call { .. } => "call_logged",
            Activity::Task { .. } => "task_added",
        };
        if matches!(done, Ok(Ok(_))) {
            self.audit(&known, action, &record).await?;
        }
        self.written(&known, item, done, |view, made| view.created = Some(made))
            .await
    }

    /// The account of a company by its domain.
    async fn account_of(&self, known: &Known, address: &str) -> Result<Option<RecordRef>, ItemTrouble> {
        let Some(domain) = domain_of(address).filter(|domain| !is_free_mail(domain)) else {
            return Ok(None);
        };
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let clue = Clue::Domain(domain.to_owned());
        let ask = async {
            let found = salesforce.known(std::slice::from_ref(&clue)).await?;
            let ids: Vec<String> = found.into_iter().flatten().map(|one| one.id.0).take(1).collect();
            if ids.is_empty() {
                return Ok(None);
            }
            let cards = salesforce.record_cards(&ids).await?;
            Ok(cards.into_values().next().map(|card| card.rec))
        };
        in_time(ask).await
    }
}

#[async_trait]
impl ItemBackend for RequestBackend {
    async fn item(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self.at_once(&known, item).await
    }

    async fn item_whole(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let view = self.at_once(&known, item).await?;
        if view.whole {
            return Ok(view);
        }
        self.look_at(&known, view.item).await
    }

    async fn item_search(&self, item: OpenItem, query: String, to: LinkTo) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let query = query.trim().to_owned();
        value(QUERY.contains(&query.chars().count()) && line(&query))?;
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let found = in_time(salesforce.search_records(&query, to)).await;
        let mut view = self.shown(&known, item).await?;
        match found {
            Ok((records, more)) => {
                view.found = Some(Found {
                    query,
                    to,
                    records,
                    more,
                });
            }
            Err(trouble) => view.trouble = Some(trouble),
        }
        Ok(view)
    }

    async fn save_item(&self, item: OpenItem, order: SaveOrder) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self.save(&known, item, order).await
    }

    async fn unsave_item(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self.unsave(&known, item).await
    }

    async fn block_address(&self, item: OpenItem, blocked: String) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self.block(&known, item, &blocked, true).await
    }

    async fn unblock_address(&self, item: OpenItem, blocked: String) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self.block(&known, item, &blocked, false).await
    }

    async fn draft_person(
        &self,
        item: OpenItem,
        address: String,
        kind: PersonKind,
    ) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let address = address.trim().to_owned();
        value(line(&address) && domain_of(&address).is_some())?;
        let same = |person: &&tandem_types::OpenPerson| person.address.eq_ignore_ascii_case(&address);
        let person = item.people.iter().find(same);
        let name = person.map(|person| person.name.clone()).unwrap_or_default();
        // The signature is the sender's.
        let wrote = person.is_some_and(|person| {
            matches!(
                person.role,
                tandem_types::PersonRole::From | tandem_types::PersonRole::Organizer
            )
        });
        let text = item.text.clone().filter(|_| wrote).unwrap_or_default();
        let found = signature::read(&text, &name, &address);
        let (account, trouble) = match kind {
            PersonKind::Lead => (None, None),
            PersonKind::Contact => match self.account_of(&known, &address).await {
                Ok(account) => (account, None),
                Err(trouble) => (None, Some(trouble)),
            },
        };
        let company = match &account {
            Some(account) => account.name.clone(),
            None => found.company,
        };
        let mut view = self.shown(&known, item).await?;
        view.trouble = view.trouble.or(trouble);
        view.draft = Some(PersonDraft {
            kind,
            first_name: found.first_name,
            last_name: found.last_name,
            company,
            account,
            email: address,
            phone: found.phone,
            title: found.title,
        });
        Ok(view)
    }

    async fn create_person(&self, item: OpenItem, draft: PersonDraft) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let fields = [
            &draft.first_name,
            &draft.last_name,
            &draft.company,
            &draft.email,
            &draft.phone,
            &draft.title,
        ];
        value(fields.into_iter().all(|text| line(text)))?;
        value(draft.email.is_empty() || domain_of(&draft.email).is_some())?;
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let done = in_time(salesforce.create_person(&draft)).await;
        if let Ok(Ok(made)) = &done {
            self.audit(&known, "person_created", &made.id).await?;
        }
        let refused = matches!(&done, Ok(Err(_)) | Err(_));
        let mut view = self
            .written(&known, item, done, |view, made| view.created = Some(made))
            .await?;
        // What was typed is not lost.
        view.draft = refused.then_some(draft);
        Ok(view)
    }

    async fn edit_record(
        &self,
        item: OpenItem,
        record: String,
        field: String,
        value: String,
    ) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        self::value(value.chars().count() <= TEXT_MAX)?;
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let done = in_time(salesforce.edit_field(&record, &field, &value)).await;
        if matches!(done, Ok(Ok(()))) {
            self.audit(&known, "record_edited", &format!("{record} {field}"))
                .await?;
        }
        self.written(&known, item, done, |_, ()| ()).await
    }

    async fn log_call(
        &self,
        item: OpenItem,
        record: String,
        subject: String,
        text: String,
    ) -> Result<ItemView, ApiError> {
        let subject = subject.trim().to_owned();
        value(!subject.is_empty() && line(&subject) && text.chars().count() <= TEXT_MAX)?;
        let text = text.trim().to_owned();
        self.add(item, record, Activity::Call { subject, text }).await
    }

    async fn add_task(
        &self,
        item: OpenItem,
        record: String,
        subject: String,
        due: Option<String>,
    ) -> Result<ItemView, ApiError> {
        let subject = subject.trim().to_owned();
        value(!subject.is_empty() && line(&subject))?;
        self.add(item, record, Activity::Task { subject, due }).await
    }

    async fn record_detail(&self, item: OpenItem, record: String) -> Result<ItemView, ApiError> {
        let known = self.need().await?;
        let salesforce = endpoints::salesforce(&self.app, &known.row);
        let found = in_time(salesforce.detail_of(&record)).await;
        let mut view = self.shown(&known, item).await?;
        match found {
            Ok(Some(detail)) => view.detail = Some(detail),
            Ok(None) => return Err(ApiError::Invalid(InvalidField::Record)),
            Err(trouble) => view.trouble = Some(trouble),
        }
        Ok(view)
    }
}

/// Used by the parts of this module.
fn store(error: tandem_sync::ports::StoreError) -> ApiError {
    unavailable(error)
}

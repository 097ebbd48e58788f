//! An item that is open in Outlook, and what the calls about it answer.

use async_trait::async_trait;
use tandem_app::ItemBackend;
use tandem_types::{
    ApiError, Blocked, FieldView, FileView, Found, InvalidField, ItemKind, ItemLinks, ItemState, ItemTrouble,
    ItemView, LinkTo, OpenItem, PersonDraft, PersonKind, PersonView, RecordDetail, RecordRef, RecordView,
    RelatedKind, RelatedList, SaveOrder, SaveRule, TimelineEntry,
};

use crate::states::{Fake, NOW};

pub(crate) fn record(object: &str, id: &str, name: &str, line: &str) -> RecordView {
    let field = |api: &str, value: &str| FieldView {
        api: api.to_owned(),
        label: if api == "MobilePhone" { "Mobile" } else { api }.to_owned(),
        value: value.to_owned(),
        editable: true,
    };
    RecordView {
        rec: RecordRef {
            id: id.to_owned(),
            object: object.to_owned(),
            name: name.to_owned(),
            url: format!("https://acme.my.salesforce.com/{id}"),
        },
        line: line.to_owned(),
        fields: match object {
            "Account" => vec![field("Industry", "Energy"), field("Website", "northwind.example")],
            "Opportunity" => vec![field("Stage", "Negotiation"), field("Amount", "40,000")],
            _ => vec![
                field("Title", "Head of Purchasing"),
                field("Phone", "+49 30 5550100"),
                field("MobilePhone", ""),
                field("Email", "ada@northwind.example"),
            ],
        },
    }
}

fn ada() -> RecordView {
    record("Contact", "003000000000001AAA", "Ada Lind", "Northwind")
}

fn account() -> RecordView {
    record("Account", "001000000000001AAA", "Northwind", "Customer")
}

fn deal() -> RecordView {
    record(
        "Opportunity",
        "006000000000001AAA",
        "Northwind 2027",
        "Negotiation · 40,000",
    )
}

/// The item as it is known with the providers: the first who takes part is known, the others are not.
pub(crate) fn whole(item: OpenItem) -> ItemView {
    let people = item
        .people
        .iter()
        .enumerate()
        .map(|(at, person)| PersonView {
            person: person.clone(),
            internal: person.address.ends_with("@contoso.example"),
            blocked: None,
            records: if at == 0 { vec![ada()] } else { Vec::new() },
            account: (at == 0).then(account),
            opportunities: if at == 0 { vec![deal()] } else { Vec::new() },
            cases: Vec::new(),
        })
        .collect();
    ItemView {
        people,
        whole: true,
        chosen: ItemLinks {
            who: vec![ada()],
            what: Some(deal()),
            thread: true,
            ..ItemLinks::default()
        },
        ..ItemView::new(item, ItemState::WillBeSaved(SaveRule::MailWithMatch))
    }
}

impl Fake {
    fn panel(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_ref().ok_or(ApiError::SignedOut)?;
        if connection.mailbox.is_none() {
            return Ok(ItemView::new(item, ItemState::SyncOff));
        }
        Ok(match item.owner.clone() {
            Some(owner) => ItemView::new(item, ItemState::OtherMailbox { owner }),
            None => whole(item),
        })
    }

    fn created(&self, item: OpenItem, object: &str, name: &str) -> Result<ItemView, ApiError> {
        if name.trim().is_empty() {
            return Err(ApiError::Invalid(InvalidField::Value));
        }
        Ok(ItemView {
            created: Some(record(object, "00T000000000009AAA", name, "").rec),
            ..self.panel(item)?
        })
    }

    fn blocking(&self, item: OpenItem, entry: Option<&str>) -> Result<ItemView, ApiError> {
        let mut view = self.panel(item)?;
        for person in &mut view.people {
            person.blocked = entry
                .filter(|entry| person.person.address.ends_with(*entry))
                .map(|entry| Blocked {
                    entry: entry.to_owned(),
                    by_user: true,
                });
        }
        Ok(view)
    }
}

#[async_trait]
impl ItemBackend for Fake {
    async fn item(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        let view = self.panel(item)?;
        Ok(match view.state {
            ItemState::WillBeSaved(_) => ItemView::new(view.item, ItemState::Unknown),
            _ => view,
        })
    }
    async fn item_whole(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        self.panel(item)
    }
    async fn item_search(&self, item: OpenItem, query: String, to: LinkTo) -> Result<ItemView, ApiError> {
        let records = match to {
            LinkTo::Who => vec![ada()],
            LinkTo::What => vec![account(), deal()],
        };
        let records = records
            .into_iter()
            .filter(|one| one.rec.name.to_lowercase().contains(&query.to_lowercase()))
            .collect();
        Ok(ItemView {
            found: Some(Found {
                query,
                to,
                records,
                more: false,
            }),
            ..self.panel(item)?
        })
    }
    async fn save_item(&self, item: OpenItem, order: SaveOrder) -> Result<ItemView, ApiError> {
        let view = self.panel(item)?;
        let attachments = &view.item.attachments;
        let without = attachments.iter().map(|file| file.id.clone());
        let links = ItemLinks {
            without: without.filter(|id| !order.attachments.contains(id)).collect(),
            thread: order.thread,
            by_user: true,
            ..view.chosen.clone()
        };
        Ok(ItemView {
            state: ItemState::Saved {
                record: record("EmailMessage", "02s000000000001AAA", &view.item.subject, "").rec,
                since: Some(NOW),
            },
            chosen: links,
            ..view
        })
    }
    async fn unsave_item(&self, item: OpenItem) -> Result<ItemView, ApiError> {
        self.panel(item)
    }
    async fn block_address(&self, item: OpenItem, blocked: String) -> Result<ItemView, ApiError> {
        self.blocking(item, Some(&blocked))
    }
    async fn unblock_address(&self, item: OpenItem, _blocked: String) -> Result<ItemView, ApiError> {
        self.blocking(item, None)
    }
    async fn draft_person(
        &self,
        item: OpenItem,
        address: String,
        kind: PersonKind,
    ) -> Result<ItemView, ApiError> {
        Ok(ItemView {
            draft: Some(PersonDraft {
                kind,
                first_name: "Bo".to_owned(),
                last_name: "Ek".to_owned(),
                company: "Fabrikam".to_owned(),
                account: None,
                email: address,
                phone: "+46 8 5550100".to_owned(),
                title: "Buyer".to_owned(),
            }),
            ..self.panel(item)?
        })
    }
    async fn create_person(&self, item: OpenItem, draft: PersonDraft) -> Result<ItemView, ApiError> {
        if draft.last_name == "Refused" {
            return Ok(ItemView {
                trouble: Some(ItemTrouble::Duplicate(
                    "You may be creating a duplicate record.".to_owned(),
                )),
                draft: Some(draft),
                ..self.panel(item)?
            });
        }
        self.created(item, "Lead", &draft.last_name)
    }
    async fn edit_record(
        &self,
        item: OpenItem,
        _record: String,
        field: String,
        value: String,
    ) -> Result<ItemView, ApiError> {
        let mut view = self.panel(item)?;
        for person in &mut view.people {
            for record in &mut person.records {
                for shown in record.fields.iter_mut().filter(|shown| shown.api == field) {
                    shown.value.clone_from(&value);
                }
            }
        }
        Ok(view)
    }
    async fn log_call(
        &self,
        item: OpenItem,
        _record: String,
        subject: String,
        _text: String,
    ) -> Result<ItemView, ApiError> {
        self.created(item, "Task", &subject)
    }
    async fn add_task(
        &self,
        item: OpenItem,
        _record: String,
        subject: String,
        _due: Option<String>,
    ) -> Result<ItemView, ApiError> {
        self.created(item, "Task", &subject)
    }
    async fn record_detail(&self, item: OpenItem, record_id: String) -> Result<ItemView, ApiError> {
        let mut rec = ada().rec;
        rec.id = record_id;
        let entry = |kind, name: &str, open| TimelineEntry {
            kind,
            rec: record("Task", "00T000000000001AAA", name, "").rec,
            at: Some(NOW),
            open,
        };
        Ok(ItemView {
            detail: Some(RecordDetail {
                rec,
                related: vec![RelatedList {
                    kind: RelatedKind::Opportunities,
                    records: vec![deal()],
                }],
                files: vec![FileView {
                    rec: record("ContentDocument", "069000000000001AAA", "Offer", "").rec,
                    ending: "pdf".to_owned(),
                    size: 48_213,
                    changed: Some(NOW),
                }],
                timeline: vec![
                    entry(ItemKind::Task, "Call back", true),
                    entry(ItemKind::Email, "Offer for 2027", false),
                ],
            }),
            ..self.panel(item)?
        })
    }
}

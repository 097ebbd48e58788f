//! The calls of the item that is open in Outlook. Each carries it as JSON in the field `item`, and is answered by its panel.

#![expect(
    clippy::too_many_arguments,
    reason = "each field of a form is an argument of its server function"
)]

use leptos::prelude::*;
use tandem_types::{
    ApiError, InvalidField, ItemView, LinkTo, OpenItem, PersonDraft, PersonKind, RecordRef, SaveOrder,
};

use super::{Answer, Saying, answer, say};
use crate::backend::{Backend, backend};

/// The item, as a form carries it.
fn read(json: &str) -> Result<OpenItem, ApiError> {
    let invalid = ApiError::Invalid(InvalidField::Item);
    if json.len() > OpenItem::JSON_MAX {
        return Err(invalid);
    }
    let item: OpenItem = serde_json::from_str(json).map_err(|_| invalid)?;
    if item.is_sane() { Ok(item) } else { Err(invalid) }
}

async fn panel<F>(
    item: String,
    ask: impl FnOnce(std::sync::Arc<dyn Backend>, OpenItem) -> F,
) -> Answer<ItemView>
where
    F: Future<Output = Result<ItemView, ApiError>>,
{
    let asked = match read(&item) {
        Ok(item) => ask(backend(), item).await,
        Err(error) => Err(error),
    };
    if let Ok(view) = &asked {
        say(|| Saying::Item(Box::new(view.clone())));
    }
    answer(asked)
}

/// A text field that is filled in.
fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[server(name = OpenedItem, prefix = "/api", endpoint = "item")]
async fn item(item: String) -> Answer<ItemView> {
    panel(item, async |backend, item| backend.item(item).await).await
}

#[server(prefix = "/api", endpoint = "item_whole")]
async fn item_whole(item: String) -> Answer<ItemView> {
    panel(item, async |backend, item| backend.item_whole(item).await).await
}

#[server(prefix = "/api", endpoint = "item_search")]
async fn item_search(item: String, query: String, to: LinkTo) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.item_search(item, query, to).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "save_item")]
async fn save_item(
    item: String,
    #[server(default)] who: Vec<String>,
    #[server(default)] what: Option<String>,
    #[server(default)] attachments: Vec<String>,
    #[server(default)] thread: Option<String>,
) -> Answer<ItemView> {
    let order = SaveOrder {
        who: who.into_iter().filter_map(|id| filled(Some(id))).collect(),
        what: filled(what),
        attachments,
        // A box that is not ticked is not sent.
        thread: filled(thread).is_some(),
    };
    panel(item, async |backend, item| backend.save_item(item, order).await).await
}

#[server(prefix = "/api", endpoint = "unsave_item")]
async fn unsave_item(item: String) -> Answer<ItemView> {
    panel(item, async |backend, item| backend.unsave_item(item).await).await
}

#[server(prefix = "/api", endpoint = "block_address")]
async fn block_address(item: String, blocked: String) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.block_address(item, blocked).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "unblock_address")]
async fn unblock_address(item: String, blocked: String) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.unblock_address(item, blocked).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "draft_person")]
async fn draft_person(item: String, address: String, kind: PersonKind) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.draft_person(item, address, kind).await
    })
    .await
}

#[server(name = CreateThePerson, prefix = "/api", endpoint = "create_person")]
async fn create_person(
    item: String,
    kind: PersonKind,
    #[server(default)] first_name: String,
    #[server(default)] last_name: String,
    #[server(default)] company: String,
    #[server(default)] account: Option<String>,
    #[server(default)] email: String,
    #[server(default)] phone: String,
    #[server(default)] title: String,
) -> Answer<ItemView> {
    let text = |text: String| text.trim().to_owned();
    let draft = PersonDraft {
        kind,
        first_name: text(first_name),
        last_name: text(last_name),
        company: text(company),
        account: filled(account).map(|id| RecordRef {
            id,
            object: "Account".to_owned(),
            name: String::new(),
            url: String::new(),
        }),
        email: text(email),
        phone: text(phone),
        title: text(title),
    };
    panel(item, async |backend, item| {
        backend.create_person(item, draft).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "edit_record")]
async fn edit_record(
    item: String,
    record: String,
    field: String,
    #[server(default)] value: String,
) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.edit_record(item, record, field, value).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "log_call")]
async fn log_call(
    item: String,
    record: String,
    #[server(default)] subject: String,
    #[server(default)] text: String,
) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.log_call(item, record, subject, text).await
    })
    .await
}

#[server(prefix = "/api", endpoint = "add_task")]
async fn add_task(
    item: String,
    record: String,
    #[server(default)] subject: String,
    #[server(default)] due: Option<String>,
) -> Answer<ItemView> {
    let due = filled(due);
    panel(item, async |backend, item| {
        backend.add_task(item, record, subject, due).await
    })
    .await
}

#[server(name = MoreOfRecord, prefix = "/api", endpoint = "record_detail")]
async fn record_detail(item: String, record: String) -> Answer<ItemView> {
    panel(item, async |backend, item| {
        backend.record_detail(item, record).await
    })
    .await
}

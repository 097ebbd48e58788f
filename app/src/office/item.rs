//! The item that is open, as a `tandem_types::OpenItem` in JSON. It is written here property by property: a serializer would cost the
//! pane's first load more than all of this.

use js_sys::{Array, JSON, Object, Reflect};
use leptos::wasm_bindgen::JsValue;

use super::mailbox;
use super::value::{ask, call, get, has, string, value};

/// The server takes no more of them.
const PEOPLE: usize = 200;
const ATTACHMENTS: u32 = 100;
/// Characters at the end of a text, where the signature is.
const TEXT: usize = 2_000;

/// What Outlook said of the item that was open.
#[derive(Clone)]
pub(crate) struct Open {
    object: Object,
    id: Option<String>,
    pub(crate) composed: bool,
}

impl Open {
    pub(crate) fn json(&self) -> String {
        let json = JSON::stringify(&self.object).ok();
        json.and_then(|json| json.as_string()).unwrap_or_default()
    }

    /// Both are the same item for certain.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id.is_some() && self.id == other.id
    }

    /// Adds what is only sent on demand.
    pub(crate) fn put(&self, name: &str, value: Option<String>) {
        put(&self.object, name, value.map_or(JsValue::NULL, Into::into));
    }
}

fn put(object: &Object, name: &str, value: impl Into<JsValue>) {
    // Fails only for frozen objects.
    let _ = Reflect::set(object, &name.into(), &value.into());
}

fn put_text(object: &Object, name: &str, text: Option<String>) {
    put(object, name, text.map_or(JsValue::NULL, Into::into));
}

/// Microseconds since 1970 of a `Date`.
fn moment(date: &JsValue) -> JsValue {
    let milliseconds = call(date, "getTime", &[]).and_then(|time| time.as_f64());
    milliseconds
        .filter(|time| time.is_finite())
        .map_or(JsValue::NULL, |time| (time * 1000.0).into())
}

/// The open item; `None`: none is open, or none of a kind that is synced.
pub(crate) async fn read() -> Option<Open> {
    let mailbox = mailbox();
    let item = get(&mailbox, "item");
    let kind = match string(&item, "itemType")?.as_str() {
        "message" => "email",
        "appointment" => "event",
        _ => return None,
    };
    // While an item is composed its properties have methods.
    let composed = has(&get(&item, "subject"), "getAsync");
    let mut id = string(&item, "itemId");
    if composed && id.is_none() {
        // Only where it was saved; from requirement set 1.8 on.
        let saved = ask(&item, "getItemIdAsync", &[]).await;
        id = saved.and_then(|id| id.as_string());
    }
    let rest_id = id.as_deref().and_then(|id| {
        call(&mailbox, "convertToRestId", &[id.into(), "v2.0".into()])?.as_string()
    });
    let address = string(&mailbox, "userProfile.emailAddress").unwrap_or_default();
    // Succeeds only for what is shared; from requirement set 1.8 on.
    let shared = ask(&item, "getSharedPropertiesAsync", &[]).await.unwrap_or_default();
    let owner = string(&shared, "owner").filter(|owner| !owner.eq_ignore_ascii_case(&address));

    let object = Object::new();
    put(&object, "kind", kind);
    put(&object, "mode", if composed { "compose" } else { "read" });
    put_text(&object, "id", id.clone());
    put_text(&object, "rest_id", rest_id);
    put_text(&object, "message_id", string(&item, "internetMessageId"));
    put_text(&object, "conversation", string(&item, "conversationId"));
    put(&object, "mailbox", address);
    put_text(&object, "owner", owner);
    let subject = value(&item, "subject").await.as_string();
    put(&object, "subject", subject.unwrap_or_default());
    put(&object, "people", people(&item).await);
    put(&object, "start", moment(&value(&item, "start").await));
    put(&object, "end", moment(&value(&item, "end").await));
    let series = string(&item, "seriesId").is_some() || value(&item, "recurrence").await.is_object();
    put(&object, "series", series);
    put(&object, "attachments", attachments(&item).await);
    Some(Open {
        object,
        id,
        composed,
    })
}

/// Each kind of item has some of these; the others are undefined.
async fn people(item: &JsValue) -> Array {
    let all = Array::new();
    for (role, property) in [
        ("from", "from"),
        ("to", "to"),
        ("cc", "cc"),
        ("bcc", "bcc"),
        ("organizer", "organizer"),
        ("required", "requiredAttendees"),
        ("optional", "optionalAttendees"),
    ] {
        let found = value(item, property).await;
        let found = if Array::is_array(&found) {
            Array::from(&found)
        } else {
            Array::of1(&found)
        };
        for person in found.iter() {
            if let Some(address) = string(&person, "emailAddress")
                && (all.length() as usize) < PEOPLE
            {
                let one = Object::new();
                put(&one, "address", address);
                put(&one, "name", string(&person, "displayName").unwrap_or_default());
                put(&one, "role", role);
                all.push(&one);
            }
        }
    }
    all
}

async fn attachments(item: &JsValue) -> Array {
    // From requirement set 1.8 on, while it is composed.
    let found = match ask(item, "getAttachmentsAsync", &[]).await {
        Some(found) => found,
        None => get(item, "attachments"),
    };
    let all = Array::new();
    if !Array::is_array(&found) {
        return all;
    }
    for attachment in Array::from(&found).iter() {
        if let Some(id) = string(&attachment, "id")
            && all.length() < ATTACHMENTS
        {
            let one = Object::new();
            put(&one, "id", id);
            put(&one, "name", string(&attachment, "name").unwrap_or_default());
            put(&one, "size", get(&attachment, "size").as_f64().unwrap_or_default());
            put(&one, "inline", get(&attachment, "isInline").is_truthy());
            all.push(&one);
        }
    }
    all
}

/// The end of the open item's text, where a signature is.
pub(crate) async fn text() -> Option<String> {
    let body = get(&mailbox(), "item.body");
    let text = ask(&body, "getAsync", &["text".into()]).await?.as_string()?;
    let from = text.char_indices().rev().nth(TEXT - 1).map_or(0, |(at, _)| at);
    text.get(from..).map(ToOwned::to_owned)
}

/// Gives the open item a category, which Outlook may have to learn first. From requirement set 1.8 on. `false`: it has
/// it not.
pub(crate) async fn mark(category: &str) -> bool {
    let new = Object::new();
    put(&new, "displayName", category);
    put(&new, "color", "Preset7");
    // Refused where it is known, and where the mailbox is not ours to change.
    let _ = ask(&get(&mailbox(), "masterCategories"), "addAsync", &[Array::of1(&new).into()]).await;
    let categories = get(&mailbox(), "item.categories");
    ask(&categories, "addAsync", &[Array::of1(&category.into()).into()])
        .await
        .is_some()
}

//! The item that is open, as a `tandem_types::OpenItem` in JSON. It is written here property by property: a serializer
//! would cost the pane's first load more than all of this.

use js_sys::{Array, JSON, Object, Promise};
use leptos::wasm_bindgen::JsValue;

use super::mailbox;
use super::value::{answered, ask, call, get, put, put_text, settled, string};

/// The server takes no more of them.
const PEOPLE: u32 = 200;
const ATTACHMENTS: u32 = 100;
/// By it an item is saved, whoever gave it.
const CATEGORY: &str = "Salesforce";
/// Characters at the end of a text, where the signature is.
const TEXT: usize = 2_000;

/// What is asked for, all at once: properties, which are methods while an item is composed (people by the role that
/// they have), and then methods that some versions of Outlook have.
const PROPERTIES: [(&str, &str); 12] = [
    ("from", "from"),
    ("to", "to"),
    ("cc", "cc"),
    ("bcc", "bcc"),
    ("organizer", "organizer"),
    ("required", "requiredAttendees"),
    ("optional", "optionalAttendees"),
    ("", "subject"),
    ("", "start"),
    ("", "end"),
    ("", "recurrence"),
    // From requirement set 1.8 on.
    ("", "categories"),
];
const ROLES: u32 = 7;
const METHODS: [&str; 3] = [
    // Of what was saved; from requirement set 1.8 on.
    "getItemIdAsync",
    // While it is composed; from requirement set 1.8 on.
    "getAttachmentsAsync",
    // Succeeds only for what is shared; from requirement set 1.8 on.
    "getSharedPropertiesAsync",
];

/// What Outlook said of the item that was open.
#[derive(Clone)]
pub(crate) struct Open {
    object: Object,
    id: String,
    pub(crate) composed: bool,
}

impl Open {
    pub(crate) fn json(&self) -> String {
        let json = JSON::stringify(&self.object).ok();
        json.and_then(|json| json.as_string()).unwrap_or_default()
    }

    /// Both are the same item for certain.
    pub(crate) fn is(&self, other: &Self) -> bool {
        !self.id.is_empty() && self.id == other.id
    }

    /// The end of its text, which is only sent on demand: empty afterwards.
    pub(crate) fn put_text(&self, text: &str) {
        put(&self.object, "text", &text.into());
    }
}

/// The open item; `None`: none is open, or none of a kind that is synced.
pub(crate) async fn read() -> Option<Open> {
    let item = get(&mailbox(), "item");
    let kind = match string(&item, "itemType").as_str() {
        "message" => "email",
        "appointment" => "event",
        _ => return None,
    };
    let asked = Array::new();
    for (_, name) in PROPERTIES {
        let property = get(&item, name);
        let answer = ask(&property, "getAsync", &Array::new());
        asked.push(if answer.is_undefined() { &property } else { &answer });
    }
    for method in METHODS {
        asked.push(&ask(&item, method, &Array::new()));
    }
    let told = Array::from(&settled(Promise::all(&asked)).await);
    Some(compose(kind, &item, &told))
}

fn compose(kind: &str, item: &JsValue, told: &Array) -> Open {
    let told = |at: u32| answered(&told.get(at));
    let composed = get(item, "subject.getAsync").is_function();
    let id = told(12).as_string().unwrap_or_else(|| string(item, "itemId"));
    let mailbox = mailbox();
    let address = string(&mailbox, "userProfile.emailAddress");
    let owner = string(&told(14), "owner");

    let rest = call(
        &mailbox,
        "convertToRestId",
        &Array::of2(&id.as_str().into(), &"v2.0".into()),
    );
    let object = Object::new();
    for (name, text) in [
        ("kind", kind),
        ("mode", if composed { "compose" } else { "read" }),
        ("id", &id),
        ("rest_id", &rest.as_string().unwrap_or_default()),
        ("message_id", &string(item, "internetMessageId")),
        ("conversation", &string(item, "conversationId")),
        (
            "owner",
            if owner.eq_ignore_ascii_case(&address) {
                ""
            } else {
                &owner
            },
        ),
        ("subject", &told(7).as_string().unwrap_or_default()),
    ] {
        put_text(&object, name, text);
    }
    let marked = list(&told(11))
        .iter()
        .any(|one| string(&one, "displayName") == CATEGORY);
    let series = get(item, "seriesId").is_truthy() || told(10).is_object();
    for (name, value) in [
        ("mailbox", address.into()),
        ("start", moment(&told(8))),
        ("end", moment(&told(9))),
        ("series", series.into()),
        ("marked", marked.into()),
    ] {
        put(&object, name, &value);
    }

    let people = Array::new();
    for at in 0..ROLES {
        for person in list(&told(at)).iter() {
            let address = string(&person, "emailAddress");
            if !address.is_empty() && people.length() < PEOPLE {
                let one = Object::new();
                put_text(&one, "address", &address);
                put_text(&one, "name", &string(&person, "displayName"));
                put_text(&one, "role", PROPERTIES[at as usize].0);
                people.push(&one);
            }
        }
    }
    put(&object, "people", &people);

    let files = Array::new();
    let attachments = told(13);
    let attachments = if attachments.is_object() {
        attachments
    } else {
        get(item, "attachments")
    };
    for attachment in list(&attachments).iter() {
        if attachment.is_object() && files.length() < ATTACHMENTS {
            let one = Object::new();
            put(&one, "id", &string(&attachment, "id").into());
            put(&one, "name", &string(&attachment, "name").into());
            put(
                &one,
                "size",
                &get(&attachment, "size").as_f64().unwrap_or_default().into(),
            );
            put(&one, "inline", &get(&attachment, "isInline").is_truthy().into());
            files.push(&one);
        }
    }
    put(&object, "attachments", &files);
    Open { object, id, composed }
}

/// One thing is a list of one.
fn list(value: &JsValue) -> Array {
    if Array::is_array(value) {
        Array::from(value)
    } else {
        Array::of1(value)
    }
}

/// Microseconds since 1970 of a `Date`, or null.
fn moment(date: &JsValue) -> JsValue {
    let milliseconds = call(date, "getTime", &Array::new()).as_f64();
    milliseconds.map_or(JsValue::NULL, |time| (time * 1000.0).into())
}

/// The end of the open item's text, where a signature is; empty where Outlook does not say it.
pub(crate) async fn text() -> String {
    let asked = ask(
        &get(&mailbox(), "item.body"),
        "getAsync",
        &Array::of1(&"text".into()),
    );
    let text = answered(&settled(Promise::resolve(&asked)).await).as_string();
    let text = text.unwrap_or_default();
    let from = text.char_indices().rev().nth(TEXT - 1).map_or(0, |(at, _)| at);
    text.get(from..).unwrap_or_default().to_owned()
}

/// Gives the open item our category, which Outlook may have to learn first, or takes it off (`method`: `addAsync` or
/// `removeAsync`). From requirement set 1.8 on. `false`: it is as it was.
pub(crate) async fn mark(method: &str) -> bool {
    let new = Object::new();
    put_text(&new, "displayName", CATEGORY);
    put_text(&new, "color", "Preset7");
    // Refused where it is known, and where the mailbox is not ours to change.
    let learnt = ask(
        &get(&mailbox(), "masterCategories"),
        "addAsync",
        &Array::of1(&Array::of1(&new)),
    );
    settled(Promise::resolve(&learnt)).await;
    let names = Array::of1(&CATEGORY.into());
    let marked = ask(&get(&mailbox(), "item.categories"), method, &Array::of1(&names));
    string(&settled(Promise::resolve(&marked)).await, "status") == "succeeded"
}

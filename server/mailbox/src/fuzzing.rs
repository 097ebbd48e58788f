//! The readers of what strangers send, as the fuzzer calls them (feature `fuzzing`). Each takes anything. What it may not do:
//! panic, hang, or let through what the rest of Tandem relies on not to meet.

use jiff::Timestamp as Instant;
use jiff::civil::date;
use serde_json::Value;
use tandem_sync::model::{Message, Snapshot};
use tandem_sync::normalise::normalise;
use tandem_types::{AttachmentRules, ItemKind};

use crate::ews::get_item::Item;
use crate::ews::{
    configuration, find_item, folders, get_item, message, notifications, read_with, resolve_names,
    sync_items, write_items,
};
use crate::graph;
use crate::held::Held;
use crate::places::Places;
use crate::xml::{Element, Limits, Reader, XmlError};
use crate::{discover, html, mime};

/// The answer to one of the operations of Exchange Web Services. `operation` chooses which; it is read as one that came
/// whole, and as the inside of one whose frame is right.
pub fn ews(operation: u8, answer: &[u8]) {
    match operation % 12 {
        0 => each(get_item::NAME, answer, get_item::payload, |item| {
            shown(Held::of(item));
        }),
        1 => each(
            find_item::NAME,
            answer,
            find_item::payload,
            |page: find_item::ItemPage| {
                for held in page.items {
                    shown(Some(held));
                }
            },
        ),
        2 => each(
            folders::GET,
            answer,
            folders::payload,
            |_: Vec<folders::Folder>| {},
        ),
        3 => each(
            folders::FIND,
            answer,
            folders::page_payload,
            |_: folders::FolderPage| {},
        ),
        4 => each(
            notifications::SUBSCRIBE,
            answer,
            notifications::subscribe_payload,
            |_: notifications::Subscription| {},
        ),
        5 => each(
            notifications::GET_EVENTS,
            answer,
            notifications::events_payload,
            |_: notifications::Events| {},
        ),
        6 => each(
            resolve_names::NAME,
            answer,
            resolve_names::payload,
            |_: Vec<String>| {},
        ),
        7 => each(
            configuration::GET,
            answer,
            configuration::payload,
            |_: configuration::Configuration| {},
        ),
        8 => each(
            get_item::NAME,
            answer,
            message::whole_payload,
            |_: message::Whole| {},
        ),
        9 => each(write_items::CREATE, answer, write_items::payload, |_: String| {}),
        kind => {
            let kind = if kind == 10 {
                ItemKind::Contact
            } else {
                ItemKind::Email
            };
            each(
                sync_items::NAME,
                answer,
                sync_items::payload(kind),
                |_: sync_items::SyncPage| {},
            );
        }
    }
}

/// `payload` is called for every child of a response message, as in [`crate::client`].
fn each<T: Default>(
    operation: &str,
    answer: &[u8],
    mut payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
    mut seen: impl FnMut(T),
) {
    let framed = [
        format!(
            "<s:Envelope xmlns:s='s' xmlns:m='m' xmlns:t='t'><s:Body><m:{operation}Response><m:ResponseMessages>\
             <m:{operation}ResponseMessage ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode>"
        )
        .as_bytes(),
        answer,
        format!(
            "</m:{operation}ResponseMessage></m:ResponseMessages></m:{operation}Response></s:Body></s:Envelope>"
        )
        .as_bytes(),
    ]
    .concat();
    for body in [answer, &framed] {
        if let Ok(answer) = read_with(body, operation, Limits::default(), &mut payload) {
            answer.messages.into_iter().flatten().for_each(&mut seen);
        }
    }
}

/// What is shown to the engine has one canonical form.
fn shown(held: Option<Held>) {
    let Some(held) = held else { return };
    let snapshot = held.snapshot(&Places::default());
    canonical(&snapshot);
}

fn canonical(snapshot: &Snapshot) {
    for (&field, value) in &snapshot.record.fields {
        let once = normalise(field, value);
        assert_eq!(normalise(field, &once), once, "{field:?} has no canonical form");
    }
}

/// An answer of Autodiscover, by either of its protocols' readers, and the address that somebody typed.
pub fn autodiscover(answer: &[u8]) {
    let _ = discover::read_pox(answer);
    let typed = String::from_utf8_lossy(answer);
    if let Some(url) = discover::normalise(&typed) {
        assert!(
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some(),
            "{url} is no address of a server"
        );
        assert_eq!(
            discover::normalise(url.as_str()),
            Some(url.clone()),
            "{url} is not normal"
        );
    }
    if let Some(domain) = discover::domain_of(&typed) {
        assert!(!domain.contains('@'), "{domain} is no domain");
    }
}

/// An item of Microsoft Graph: any JSON.
pub fn graph(kind: u8, json: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    let kind = ItemKind::ALL[usize::from(kind) % ItemKind::ALL.len()];
    if let Some(snapshot) = graph::shown(kind, json) {
        canonical(&snapshot);
    }
}

/// A mail as it travels.
pub fn mail(raw: &[u8]) {
    let Ok(read) = mime::read(raw, &AttachmentRules::default()) else {
        return;
    };
    harmless(&read);
}

fn harmless(read: &Message) {
    if let Some(html) = &read.html {
        assert!(!runs(html), "something runs in {html}");
    }
    for file in &read.files {
        let bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
        assert!(
            !file.name.is_empty() && !file.name.contains(bad),
            "{:?} is no name of a file",
            file.name
        );
        assert!(
            file.content_type.split('/').count() == 2 && file.content_type.is_ascii(),
            "{:?} is no type",
            file.content_type
        );
    }
}

/// HTML of a stranger.
pub fn page(html: &str) {
    let _ = html::is_rich(html);
    let _ = html::to_text(html);
    if html::check(html).is_ok() {
        let clean = html::clean(html);
        assert!(!runs(&clean), "something runs in {clean}");
        assert_eq!(html::clean(&clean), clean, "what is clean is cleaned again");
    }
}

/// In what an HTML parser has written every `<` begins a tag.
fn runs(clean: &str) -> bool {
    let lower = clean.to_ascii_lowercase();
    let tag = [
        "<script", "<style", "<iframe", "<img", "<object", "<link", "<meta", "<base", "<form", "<svg",
    ];
    tag.iter().any(|tag| lower.contains(tag))
        || lower.split('<').skip(1).any(|part| {
            let tag = part.split('>').next().unwrap_or_default();
            tag.contains(" on") && tag.contains('=') && !tag.contains('"')
        })
        || lower.contains("href=\"javascript:")
}

/// The zone of an event, in the words of an Exchange server.
pub fn zone(xml: &[u8]) {
    let item = [
        b"<m:Items><t:CalendarItem><t:ItemId Id='1' ChangeKey='1'/><t:StartTimeZone ".as_slice(),
        xml,
        b"</t:StartTimeZone></t:CalendarItem></m:Items>",
    ]
    .concat();
    each(get_item::NAME, &item, get_item::payload, |item| {
        let Item::Event(event) = item else { return };
        let Some(zone) = event.start_zone.zone() else {
            return;
        };
        for year in [1, 1601, 1970, 2024, 2026, 9999] {
            for month in [1, 4, 7, 11] {
                let day = date(year, month, 15);
                let Some(midnight) = zone.midnight(day) else {
                    continue;
                };
                let offset = zone.offset(midnight);
                assert!(offset.abs() <= 26 * 3600, "{offset} seconds from UTC");
                if let Some(nearest) = zone.nearest_day(midnight) {
                    assert_eq!(nearest, day, "the day that begins at {midnight} is another one");
                }
            }
        }
        for at in [Instant::MIN, Instant::MAX, Instant::UNIX_EPOCH] {
            let _ = zone.is_day_start(at);
        }
        let _ = event.start_zone.writable();
    });
}

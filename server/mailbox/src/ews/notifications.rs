//! `Subscribe` (pull), `GetEvents`, `Unsubscribe`.

use std::collections::{BTreeMap, BTreeSet};

use super::FolderRef;
use super::soap::envelope;
use crate::xml::{Element, Reader, XmlError};

pub(crate) const SUBSCRIBE: &str = "Subscribe";
pub(crate) const GET_EVENTS: &str = "GetEvents";
pub(crate) const UNSUBSCRIBE: &str = "Unsubscribe";

/// Minutes without a `GetEvents` after which the server may forget a subscription: the schema's maximum, a day.
const TIMEOUT: &str = "1440";

/// What `Subscribe` gives. Servers that cannot pull give no watermark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) watermark: String,
}

/// What has moved since a watermark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// The last event's; empty: keep the old one.
    pub(crate) watermark: String,
    pub(crate) more: bool,
    /// Folders in which items came, went or changed, and for each event the item's ids, new and old.
    pub(crate) folders: BTreeMap<String, Vec<Vec<String>>>,
    /// Folders that were themselves moved or deleted.
    pub(crate) structure: BTreeSet<String>,
}

pub(crate) fn subscribe(folders: &[&str]) -> Vec<u8> {
    envelope(SUBSCRIBE, &[], |xml| {
        xml.element("m:PullSubscriptionRequest", &[], |xml| {
            xml.element("t:FolderIds", &[], |xml| {
                for folder in folders {
                    FolderRef::Id(folder).write(xml);
                }
            });
            xml.element("t:EventTypes", &[], |xml| {
                for kind in [
                    "CopiedEvent",
                    "CreatedEvent",
                    "DeletedEvent",
                    "ModifiedEvent",
                    "MovedEvent",
                ] {
                    xml.text("t:EventType", &[], kind);
                }
            });
            xml.text("t:Timeout", &[], TIMEOUT);
        });
    })
}

pub(crate) fn get_events(subscription: &str, watermark: &str) -> Vec<u8> {
    envelope(GET_EVENTS, &[], |xml| {
        xml.text("m:SubscriptionId", &[], subscription);
        xml.text("m:Watermark", &[], watermark);
    })
}

pub(crate) fn unsubscribe(subscription: &str) -> Vec<u8> {
    envelope(UNSUBSCRIBE, &[], |xml| {
        xml.text("m:SubscriptionId", &[], subscription);
    })
}

pub(crate) fn subscribe_payload(
    reader: &mut Reader<'_>,
    child: &Element,
    subscription: &mut Subscription,
) -> Result<(), XmlError> {
    match child.name.as_str() {
        "SubscriptionId" => subscription.id = reader.text()?,
        "Watermark" => subscription.watermark = reader.text()?,
        _ => {}
    }
    Ok(())
}

pub(crate) fn events_payload(
    reader: &mut Reader<'_>,
    child: &Element,
    events: &mut Events,
) -> Result<(), XmlError> {
    if !child.is("Notification") {
        return Ok(());
    }
    reader.each(|reader, child| {
        match child.name.as_str() {
            "MoreEvents" => events.more = reader.text()?.trim() == "true",
            "SubscriptionId" | "PreviousWatermark" => {}
            kind => read_event(reader, kind, events)?,
        }
        Ok(())
    })
}

fn read_event(reader: &mut Reader<'_>, kind: &str, events: &mut Events) -> Result<(), XmlError> {
    let mut items = Vec::new();
    let mut parents: BTreeSet<String> = BTreeSet::new();
    let mut folders = BTreeSet::new();
    reader.each(|reader, child| {
        let id = child.attribute("Id").map(str::to_owned);
        match child.name.as_str() {
            "Watermark" => events.watermark = reader.text()?,
            "ItemId" | "OldItemId" => items.extend(id),
            "FolderId" | "OldFolderId" => folders.extend(id),
            "ParentFolderId" | "OldParentFolderId" => parents.extend(id),
            _ => {}
        }
        Ok(())
    })?;
    if !items.is_empty() {
        for parent in parents {
            events.folders.entry(parent).or_default().push(items.clone());
        }
    } else if matches!(kind, "MovedEvent" | "DeletedEvent") {
        events.structure.append(&mut folders);
    }
    Ok(())
}

//! Properties of items that Graph has no name for: MAPI's, by their numbers, and our own.
//! <https://learn.microsoft.com/graph/api/resources/singlevaluelegacyextendedproperty>

use serde_json::{Value, json};

/// The link's key: the same property that Exchange Web Services writes ([`crate::map::KEY_NAME`]), so that a mailbox that
/// moves to the cloud keeps its links.
pub(crate) const KEY: &str = "String {8f1b6c52-3d07-4e9a-a4f6-5b2c90d7e813} Name TandemLinkKey";
/// `PidTagMessageClass`.
pub(crate) const CLASS: &str = "String 0x1A";
/// `PidTagSensitivity`: 0 normal, 1 personal, 2 private, 3 confidential.
pub(crate) const SENSITIVITY: &str = "Integer 0x36";
/// `PidTagMessageSize`, in bytes, with all attachments.
pub(crate) const SIZE: &str = "Integer 0xE08";
/// `PidTagNativeBody`: 1 plain text, 2 RTF, 3 HTML.
pub(crate) const NATIVE_BODY: &str = "Integer 0x1016";
/// `PidTagParentEntryId`: an event has no `parentFolderId` in Graph.
pub(crate) const PARENT: &str = "Binary 0xE09";
/// `PidTagEntryId`, of a folder.
pub(crate) const ENTRY: &str = "Binary 0xFFF";
/// `PidTagBusinessFaxNumber`.
pub(crate) const FAX: &str = "String 0x3A24";
/// `PidTagOtherTelephoneNumber`.
pub(crate) const OTHER_PHONE: &str = "String 0x3A1F";
/// `PidTagAssistantTelephoneNumber`.
pub(crate) const ASSISTANT_PHONE: &str = "String 0x3A2E";
/// `PidLidBirthdayLocal`: the birthday's midnight, without a zone.
pub(crate) const BIRTHDAY_LOCAL: &str = "SystemTime {00062004-0000-0000-C000-000000000046} Id 0x80DE";

/// The name of our open extension of a To Do task, which takes no extended property in v1.0.
/// <https://learn.microsoft.com/graph/api/resources/opentypeextension>
pub(crate) const EXTENSION: &str = "io.tandem.link";

/// What an `$expand` asks for.
pub(crate) fn expand(ids: &[&str]) -> String {
    let each: Vec<String> = ids.iter().map(|id| format!("id eq '{id}'")).collect();
    format!("singleValueExtendedProperties($filter={})", each.join(" or "))
}

/// A filter that finds what carries this key.
pub(crate) fn with_key(key: &str) -> String {
    let key = super::ask::quoted(key);
    format!("singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq {key})")
}

/// An item's value; `None` where it has none, or was not asked for it.
pub(crate) fn value<'a>(item: &'a Value, id: &str) -> Option<&'a str> {
    let wanted = canonical(id);
    item["singleValueExtendedProperties"]
        .as_array()?
        .iter()
        .find(|property| property["id"].as_str().map(canonical).as_ref() == Some(&wanted))?["value"]
        .as_str()
}

/// As an item's JSON holds it.
pub(crate) fn entry(id: &str, value: &str) -> Value {
    json!({ "id": id, "value": value })
}

/// Graph writes ids in letters of its own and without leading zeros.
fn canonical(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    match id.rsplit_once("0x") {
        Some((head, number)) => format!("{head}0x{}", number.trim_start_matches('0')),
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_however_they_are_written() {
        let item = json!({"singleValueExtendedProperties": [
            {"id": "String 0x3a24", "value": "1"},
            {"id": "Integer 0x0036", "value": "2"},
            {"id": "String {8F1B6C52-3D07-4E9A-A4F6-5B2C90D7E813} Name TandemLinkKey", "value": "k"},
        ]});
        assert_eq!(value(&item, FAX), Some("1"));
        assert_eq!(value(&item, SENSITIVITY), Some("2"));
        assert_eq!(value(&item, KEY), Some("k"));
        assert_eq!(value(&item, SIZE), None);
        assert_eq!(value(&json!({}), KEY), None);
    }

    #[test]
    fn the_key_is_the_one_that_exchange_web_services_writes() {
        assert_eq!(
            KEY,
            format!("String {{{}}} Name {}", crate::map::KEY_SET, crate::map::KEY_NAME)
        );
    }

    #[test]
    fn filters() {
        assert_eq!(
            expand(&[FAX, SIZE]),
            "singleValueExtendedProperties($filter=id eq 'String 0x3A24' or id eq 'Integer 0xE08')"
        );
        assert!(with_key("a'b").ends_with("ep/value eq 'a''b')"));
    }
}

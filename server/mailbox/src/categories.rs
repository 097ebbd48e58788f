//! The mailbox's list of categories: ours are added, everything else stays to the letter.
//! <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocfg/eb7cac90-6200-4ac3-8f3c-6c808c681c8b>

use quick_xml::Reader as QuickReader;
use quick_xml::events::{BytesStart, Event};

use crate::xml::{Limits, Reader, Xml, XmlError};

/// A category of ours: name, colour (an index into Outlook's 25), GUID.
struct Category {
    name: &'static str,
    color: &'static str,
    guid: &'static str,
}

const OURS: [Category; 3] = [
    Category {
        name: crate::map::CATEGORY,
        color: "7", // blue
        guid: "{2D7C0E1B-58A4-4F0B-9C3A-70E1B5D64F01}",
    },
    Category {
        name: "Sync Error",
        color: "0", // red
        guid: "{2D7C0E1B-58A4-4F0B-9C3A-70E1B5D64F02}",
    },
    Category {
        name: "Salesforce Unsync",
        color: "12", // grey
        guid: "{2D7C0E1B-58A4-4F0B-9C3A-70E1B5D64F03}",
    },
];

/// The list of a mailbox that has none.
pub(crate) fn fresh() -> Vec<u8> {
    let mut xml = Xml::document();
    let attributes = [
        ("default", OURS[0].name),
        ("lastSavedSession", "0"),
        ("lastSavedTime", NEVER),
        ("xmlns", "CategoryList.xsd"),
    ];
    xml.element("categories", &attributes, |xml| {
        for category in &OURS {
            add(xml, "category", category);
        }
    });
    xml.finish()
}

const NEVER: &str = "1601-01-01T00:00:00.000";

fn add(xml: &mut Xml, element: &str, category: &Category) {
    xml.empty(
        element,
        &[
            ("name", category.name),
            ("color", category.color),
            ("keyboardShortcut", "0"),
            ("usageCount", "0"),
            ("lastTimeUsedNotes", NEVER),
            ("lastTimeUsedJournal", NEVER),
            ("lastTimeUsedContacts", NEVER),
            ("lastTimeUsedTasks", NEVER),
            ("lastTimeUsedCalendar", NEVER),
            ("lastTimeUsedMail", NEVER),
            ("lastTimeUsed", NEVER),
            ("lastSessionUsed", "0"),
            ("guid", category.guid),
            ("renameOnFirstUse", "0"),
        ],
    );
}

/// The list with what is missing of ours; `None`: nothing is.
pub(crate) fn with_ours(list: &[u8]) -> Result<Option<Vec<u8>>, XmlError> {
    let missing = missing(list)?;
    if missing.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(list.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(list))
        .map_err(|_| XmlError::Malformed("not UTF-8"))?;
    let mut reader = QuickReader::from_str(text);
    let mut xml = Xml::bare();
    let mut depth = 0_u32;
    loop {
        let event = reader.read_event().map_err(|_| XmlError::Malformed("syntax"))?;
        match event {
            Event::Eof => return Ok(Some(xml.finish())),
            Event::Empty(root) if depth == 0 => {
                xml.event(Event::Start(root.borrow()));
                for category in &missing {
                    add(&mut xml, &prefixed(&root), category);
                }
                xml.event(Event::End(root.to_end()));
            }
            Event::Start(_) => {
                depth += 1;
                xml.event(event);
            }
            Event::End(ref end) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let root = BytesStart::new(end.name().as_ref().to_owned());
                    for category in &missing {
                        add(&mut xml, &prefixed(&root), category);
                    }
                }
                xml.event(event);
            }
            other => xml.event(other),
        }
    }
}

/// `category` with the prefix of the root, which is in the same namespace.
fn prefixed(root: &BytesStart<'_>) -> String {
    let name: &str = root.name().0;
    name.rsplit_once(':').map_or_else(
        || "category".to_owned(),
        |(prefix, _)| format!("{prefix}:category"),
    )
}

fn missing(list: &[u8]) -> Result<Vec<&'static Category>, XmlError> {
    let mut names = Vec::new();
    let mut reader = Reader::new(list, Limits::default())?;
    if !reader.root()?.is("categories") {
        return Err(XmlError::Unexpected("not a list of categories"));
    }
    reader.each(|_, category| {
        names.extend(category.attribute("name").map(str::to_lowercase));
        Ok(())
    })?;
    reader.end()?;
    let has = |c: &&Category| names.contains(&c.name.to_lowercase());
    Ok(OURS.iter().filter(|c| !has(c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        let mut reader = Reader::new(list, Limits::default()).unwrap();
        reader.root().unwrap();
        reader
            .each(|_, category| {
                names.push(category.attribute("name").unwrap().to_owned());
                Ok(())
            })
            .unwrap();
        reader.end().unwrap();
        names
    }

    #[test]
    fn ours_are_added_once_and_nothing_else_is_touched() {
        let list = "\u{FEFF}<?xml version=\"1.0\"?>\r\n<categories default=\"Rote &amp; Grüne\" lastSavedSession=\"5\" xmlns=\"CategoryList.xsd\">\r\n\t<!-- kept --><category name=\"Rote &amp; Grüne\" color=\"0\" keyboardShortcut=\"0\" x:unknown='1' xmlns:x='urn:x'/><category name=\"sync error\" color=\"3\"/>\r\n</categories>\r\n";
        let got = with_ours(list.as_bytes()).unwrap().unwrap();
        let text = String::from_utf8(got.clone()).unwrap();
        let (before, after) = list
            .trim_start_matches('\u{FEFF}')
            .split_once("</categories>")
            .unwrap();
        assert!(text.starts_with(before), "{text}");
        assert!(text.ends_with(&format!("</categories>{after}")), "{text}");
        assert_eq!(
            names(&got),
            ["Rote & Grüne", "sync error", "Salesforce", "Salesforce Unsync"]
        );
        assert_eq!(with_ours(&got).unwrap(), None);
    }

    #[test]
    fn empty_and_prefixed_lists() {
        assert_eq!(
            names(
                &with_ours(b"<categories xmlns=\"CategoryList.xsd\"/>")
                    .unwrap()
                    .unwrap()
            )
            .len(),
            3
        );
        let prefixed = with_ours(b"<c:categories xmlns:c=\"CategoryList.xsd\"></c:categories>")
            .unwrap()
            .unwrap();
        assert!(
            String::from_utf8(prefixed)
                .unwrap()
                .contains("<c:category name=\"Salesforce\"")
        );
        assert_eq!(names(&fresh()), ["Salesforce", "Sync Error", "Salesforce Unsync"]);
        assert_eq!(with_ours(&fresh()).unwrap(), None);
    }

    #[test]
    fn a_damaged_list_is_left_alone() {
        for damaged in [
            "",
            "hello",
            "<categories>",
            "<other/>",
            "<!DOCTYPE x><categories/>",
        ] {
            assert!(with_ours(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }
}

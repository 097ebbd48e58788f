use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document in memory, written from front to back.
pub(crate) struct Xml(Writer<Vec<u8>>);

impl Xml {
    pub(crate) fn bare() -> Self {
        Self(Writer::new(Vec::with_capacity(2048)))
    }

    /// Starts with the declaration.
    pub(crate) fn document() -> Self {
        let mut xml = Self::bare();
        xml.put(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)));
        xml
    }

    /// An element and what `inside` writes.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.put(Event::Start(start(name, attributes)));
        inside(self);
        self.put(Event::End(BytesEnd::new(name)));
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.put(Event::Empty(start(name, attributes)));
    }

    /// An element with text. Characters that XML 1.0 cannot hold are left out.
    pub(crate) fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |xml| {
            // A bare carriage return would come out of the other end's parser as a line feed.
            let escaped = escape(clean(text)).replace('\r', "&#13;");
            xml.put(Event::Text(BytesText::from_escaped(escaped)));
        });
    }

    /// Whatever a reader has read.
    pub(crate) fn event(&mut self, event: Event<'_>) {
        self.put(event);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner()
    }

    fn put(&mut self, event: Event<'_>) {
        self.0
            .write_event(event)
            .expect("writing to memory does not fail");
    }
}

fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, clean(value).as_ref()));
    }
    start
}

/// The text without the characters that XML 1.0 cannot hold, not even escaped
/// (<https://www.w3.org/TR/xml/#charsets>).
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| is_xml(*c)).collect())
    }
}

pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

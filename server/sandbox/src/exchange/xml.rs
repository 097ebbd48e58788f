//! Reading requests into a small tree, and writing replies.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

pub(crate) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
pub(crate) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
pub(crate) const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 1_000_000;

/// A namespace that EWS uses, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ns {
    Messages,
    Types,
    Soap,
    Other,
    None,
}

impl Ns {
    fn of(uri: &str) -> Self {
        match uri {
            MESSAGES => Self::Messages,
            TYPES => Self::Types,
            SOAP => Self::Soap,
            _ => Self::Other,
        }
    }

    /// Its address, as error texts name it.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Messages => MESSAGES,
            Self::Types => TYPES,
            Self::Soap => SOAP,
            Self::Other => "(other)",
            Self::None => "",
        }
    }
}

/// An element with all that is in it.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) ns: Ns,
    pub(crate) name: String,
    /// Attributes without a prefix; the others (`xmlns`, `xsi:type` …) are dropped.
    pub(crate) attrs: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// All text directly in it.
    pub(crate) text: String,
}

impl Element {
    /// The attribute of that name.
    pub(crate) fn attr(&self, name: &str) -> Option<&str> {
        self.attrs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The first child of that local name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.as_str())
    }

    /// The children of that child, none if it is absent.
    pub(crate) fn list(&self, name: &str) -> &[Element] {
        self.child(name).map_or(&[], |c| &c.children)
    }
}

/// Parses a document. Errors say what is wrong in words fit for a fault.
pub(crate) fn parse(body: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the request is not UTF-8".to_owned())?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0_usize;
    let mut root = None;
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|e| e.to_string())?;
        let ns = match resolved {
            ResolveResult::Bound(ns) => Ns::of(ns.as_ref()),
            ResolveResult::Unbound => Ns::None,
            ResolveResult::Unknown(prefix) => return Err(format!("'{prefix}' is an undeclared prefix")),
        };
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err("the request is too deep or too large".to_owned());
                }
                if root.is_some() {
                    return Err("there are multiple root elements".to_owned());
                }
                open.push(element(ns, &start)?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > MAX_ELEMENTS {
                    return Err("the request is too large".to_owned());
                }
                if root.is_some() {
                    return Err("there are multiple root elements".to_owned());
                }
                let done = element(ns, &start)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::End(_) => {
                let done = open.pop().ok_or("unexpected end tag")?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::Text(t) => add_text(&mut open, &t.xml_content(XmlVersion::Implicit1_0))?,
            Event::CData(t) => add_text(&mut open, &t.xml_content(XmlVersion::Implicit1_0))?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(c) => c,
                    None => match &*reference {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        other => return Err(format!("reference to undeclared entity '{other}'")),
                    },
                };
                add_text(&mut open, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err("DTD is prohibited in this XML document".to_owned()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("unexpected end of file".to_owned());
    }
    root.ok_or_else(|| "root element is missing".to_owned())
}

fn element(ns: Ns, start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attrs = Vec::new();
    for attr in start.attributes() {
        let attr = attr.map_err(|e| e.to_string())?;
        let name: &str = attr.key.as_ref();
        if name.contains(':') || name == "xmlns" {
            continue;
        }
        let value = attr
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| e.to_string())?;
        check_text(&value)?;
        attrs.push((name.to_owned(), value.into_owned()));
    }
    let name: &str = start.local_name().into_inner();
    Ok(Element {
        ns,
        name: name.to_owned(),
        attrs,
        children: Vec::new(),
        text: String::new(),
    })
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), String> {
    check_text(text)?;
    match open.last_mut() {
        Some(parent) => parent.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("data at the root level is invalid".to_owned()),
    }
    Ok(())
}

/// Characters that XML 1.0 cannot carry, not even as a reference.
fn check_text(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!(
            "hexadecimal value 0x{:02X} is an invalid character",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Whether XML 1.0 can carry the character.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Text for element content and attribute values. A carriage return must be a reference to survive parsing.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            c if allowed(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

/// `<name>text</name>`.
pub(crate) fn tag(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    if text.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    out.push_str(&escape(text));
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// `<name a="1" b="2">text</name>`, the text already escaped.
pub(crate) fn wrap(out: &mut String, name: &str, attrs: &[(&str, &str)], inner: &str) {
    out.push('<');
    out.push_str(name);
    for (n, v) in attrs {
        out.push(' ');
        out.push_str(n);
        out.push_str("=\"");
        // Line ends would be normalised to spaces.
        out.push_str(&escape(v).replace('\n', "&#xA;").replace('\t', "&#x9;"));
        out.push('"');
    }
    if inner.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    out.push_str(inner);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_references_and_namespaces() {
        let tree = parse(
            format!("<a xmlns='{MESSAGES}' x='1 &amp; 2'><t:b xmlns:t='{TYPES}'>&lt;&#xD;\r\n&#x1F680;<![CDATA[<]]></t:b></a>")
                .as_bytes(),
        )
        .unwrap();
        assert_eq!((tree.ns, tree.attr("x")), (Ns::Messages, Some("1 & 2")));
        assert_eq!(
            tree.child("b").map(|b| (b.ns, b.text.as_str())),
            Some((Ns::Types, "<\r\n🚀<"))
        );
    }

    #[test]
    fn hostile_documents_are_refused() {
        for bad in [
            "",
            "plain",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a>&x;</a>",
            "<a>&#1;</a>",
            "<p:a/>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert!(parse(deep.as_bytes()).is_err());
        assert!(parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn written_text_reads_back() {
        let mut out = String::new();
        let text = "a<b>&\"c\"\r\nd\te ]]> 🚀";
        wrap(&mut out, "x", &[("y", text)], &escape(text));
        let tree = parse(out.as_bytes()).unwrap();
        assert_eq!(tree.text, text);
        assert_eq!(tree.attr("y"), Some(text));
    }
}

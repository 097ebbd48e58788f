use quick_xml::errors::{Error as QuickError, IllFormedError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader as QuickReader, XmlVersion};

use super::writer::is_xml;

/// What an answer may cost us to read. The size in bytes is limited before, while it is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nesting.
    pub(crate) depth: usize,
    /// Elements in the document.
    pub(crate) elements: usize,
    /// Bytes of text in one element, and of all attributes of one.
    pub(crate) text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            elements: 500_000,
            text: 8 << 20,
        }
    }
}

/// Why a document was not read. Texts hold nothing of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    /// It ends before its end.
    #[error("the document is cut short")]
    Cut,
    #[error("not well-formed XML: {0}")]
    Malformed(&'static str),
    #[error("the document passes a limit: {0}")]
    Limit(&'static str),
    /// Document types and entities: we know no server that sends them, and some that attack with them.
    #[error("the document holds {0}, which is not allowed")]
    Forbidden(&'static str),
    /// Well-formed, and not what the protocol says.
    #[error("unexpected content: {0}")]
    Unexpected(&'static str),
}

/// The start of an element, names without prefix.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A pull reader over one document: no tree is built.
pub(crate) struct Reader<'a> {
    inner: QuickReader<&'a [u8]>,
    length: u64,
    limits: Limits,
    depth: usize,
    elements: usize,
}

impl<'a> Reader<'a> {
    /// UTF-8 only, with or without a byte-order mark.
    pub(crate) fn new(document: &'a [u8], limits: Limits) -> Result<Self, XmlError> {
        let document = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
        let text = std::str::from_utf8(document).map_err(|e| match e.error_len() {
            None => XmlError::Cut,
            Some(_) => XmlError::Malformed("not UTF-8"),
        })?;
        let mut inner = QuickReader::from_str(text);
        inner.config_mut().expand_empty_elements = true;
        Ok(Self {
            inner,
            length: text.len() as u64,
            limits,
            depth: 0,
            elements: 0,
        })
    }

    /// The document element.
    pub(crate) fn root(&mut self) -> Result<Element, XmlError> {
        if self.length == 0 {
            return Err(XmlError::Cut);
        }
        loop {
            match self.next()? {
                Event::Start(start) => return self.enter(&start),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return Err(XmlError::Malformed("no element")),
                _ => return Err(XmlError::Malformed("text before the first element")),
            }
        }
    }

    /// Calls `visit` for each child of the element that was entered last, up to its end. What `visit` leaves unread of a
    /// child is skipped.
    pub(crate) fn each(
        &mut self,
        mut visit: impl FnMut(&mut Self, &Element) -> Result<(), XmlError>,
    ) -> Result<(), XmlError> {
        let depth = self.depth;
        while let Some(child) = self.child()? {
            visit(self, &child)?;
            while self.depth > depth {
                self.skip()?;
            }
        }
        Ok(())
    }

    /// The text of the element that was entered last, up to its end. Children are skipped.
    pub(crate) fn text(&mut self) -> Result<String, XmlError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(piece) => text.push_str(&piece.xml10_content()),
                Event::CData(piece) => text.push_str(&piece.xml10_content()),
                Event::GeneralRef(name) => text.extend(resolve(&name)?),
                Event::Start(start) => {
                    self.enter(&start)?;
                    self.skip()?;
                }
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(text);
                }
                // Empty elements are expanded by the parser.
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::Empty(_) => {}
                Event::DocType(_) => return Err(XmlError::Forbidden("a document type")),
                Event::Eof => return Err(XmlError::Cut),
            }
            if text.len() > self.limits.text {
                return Err(XmlError::Limit("text"));
            }
        }
    }

    /// Nothing but white space and comments may follow the document element.
    pub(crate) fn end(&mut self) -> Result<(), XmlError> {
        loop {
            match self.next()? {
                Event::Eof => return Ok(()),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Comment(_) | Event::PI(_) => {}
                _ => return Err(XmlError::Malformed("content after the last element")),
            }
        }
    }

    fn child(&mut self) -> Result<Option<Element>, XmlError> {
        loop {
            match self.next()? {
                Event::Start(start) => return self.enter(&start).map(Some),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(None);
                }
                Event::GeneralRef(name) => {
                    resolve(&name)?;
                }
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::PI(_)
                | Event::Decl(_)
                | Event::Empty(_) => {}
                Event::DocType(_) => return Err(XmlError::Forbidden("a document type")),
                Event::Eof => return Err(XmlError::Cut),
            }
        }
    }

    /// To the end of the element that was entered last.
    fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.child()?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Event<'a>, XmlError> {
        match self.inner.read_event() {
            Ok(Event::DocType(_)) => Err(XmlError::Forbidden("a document type")),
            Ok(event) => Ok(event),
            Err(error) => Err(self.classify(&error)),
        }
    }

    fn classify(&self, error: &QuickError) -> XmlError {
        match error {
            // Every syntax error of the parser is an end of input inside of a construct, but for unknown `<!` markup.
            QuickError::Syntax(quick_xml::errors::SyntaxError::InvalidBangMarkup) => {
                XmlError::Malformed("unknown markup")
            }
            QuickError::Syntax(_) => XmlError::Cut,
            QuickError::IllFormed(IllFormedError::UnclosedReference) => {
                if self.inner.buffer_position() >= self.length {
                    XmlError::Cut
                } else {
                    XmlError::Malformed("a reference without an end")
                }
            }
            QuickError::IllFormed(_) => XmlError::Malformed("tags do not match"),
            QuickError::InvalidAttr(_) => XmlError::Malformed("an attribute"),
            _ => XmlError::Malformed("syntax"),
        }
    }

    fn enter(&mut self, start: &BytesStart<'_>) -> Result<Element, XmlError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.limits.depth {
            return Err(XmlError::Limit("nesting"));
        }
        if self.elements > self.limits.elements {
            return Err(XmlError::Limit("number of elements"));
        }
        if start.attributes_raw().len() > self.limits.text {
            return Err(XmlError::Limit("attributes"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Malformed("an attribute"))?;
            let key: &str = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| XmlError::Forbidden("an unknown entity"))?;
            attributes.push((local(key).to_owned(), value.into_owned()));
        }
        Ok(Element {
            name: start.local_name().as_ref().to_owned(),
            attributes,
        })
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The five entities of XML itself, and character references to characters that XML knows.
fn resolve(name: &BytesRef<'_>) -> Result<Option<char>, XmlError> {
    if name.is_char_ref() {
        return match name.resolve_char_ref() {
            // Exchange writes such references for control characters that a user's text holds: they are left out.
            Ok(Some(c)) => Ok(Some(c).filter(|c| is_xml(*c))),
            _ => Err(XmlError::Malformed("a character reference")),
        };
    }
    match name.as_ref() {
        "lt" => Ok(Some('<')),
        "gt" => Ok(Some('>')),
        "amp" => Ok(Some('&')),
        "apos" => Ok(Some('\'')),
        "quot" => Ok(Some('"')),
        _ => Err(XmlError::Forbidden("an unknown entity")),
    }
}

//! HTML bodies: as plain text, cleaned of what runs or is fetched, and what plain text would destroy.

use std::borrow::Cow;
use std::collections::HashSet;

/// HTML that is larger than this is not read.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Nesting and number of elements beyond which no person has written it, and a parser's time is not linear any more.
const MAX_DEPTH: usize = 400;
const MAX_TAGS: usize = 100_000;

/// Pictures, tables and links cannot be said in plain text.
pub(crate) fn is_rich(html: &str) -> bool {
    Tokens::new(html).any(|token| match token {
        Token::Tag {
            name,
            rest,
            close: false,
        } => match name.as_str() {
            "img" | "table" | "object" | "v:imagedata" | "video" | "svg" => true,
            "a" => rest.to_ascii_lowercase().contains("href"),
            _ => false,
        },
        _ => false,
    })
}

/// Why HTML is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("the text is too long")]
    Bytes,
    #[error("the text has too many elements")]
    Tags,
    #[error("the elements of the text are nested too deeply")]
    Depth,
}

/// # Errors
/// Reading it would cost more than any mail is worth.
pub(crate) fn check(html: &str) -> Result<(), TooMuch> {
    if html.len() > MAX_BYTES {
        return Err(TooMuch::Bytes);
    }
    let (mut depth, mut tags) = (0_usize, 0_usize);
    // Whatever begins a tag for a parser counts, whether it ends or not.
    for (at, _) in html.match_indices('<') {
        tags += 1;
        if tags > MAX_TAGS {
            return Err(TooMuch::Tags);
        }
        let rest = &html.as_bytes()[at + 1..];
        match rest.first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(c) if c.is_ascii_alphabetic() => {
                let name: Vec<u8> = rest
                    .iter()
                    .take(12)
                    .take_while(|c| c.is_ascii_alphanumeric())
                    .map(u8::to_ascii_lowercase)
                    .collect();
                // Neither these nor paragraphs and list items need an end.
                if !VOID.iter().any(|void| void.as_bytes() == name) {
                    depth += 1;
                }
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(TooMuch::Depth);
        }
    }
    Ok(())
}

const VOID: [&str; 20] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "p", "li", "td", "tr", "th", "option",
];

/// Without anything that runs, is fetched, or leads somewhere else than to a page or an address.
pub(crate) fn clean(html: &str) -> String {
    let gone = [
        "title", "noscript", "iframe", "object", "svg", "math", "template", "select", "textarea", "button",
        "noembed", "noframes", "xmp",
    ];
    ammonia::Builder::default()
        .rm_tags(["img", "map", "area"])
        .add_clean_content_tags(gone)
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .clean(html)
        .to_string()
}

/// What a reader sees of it, line by line.
pub(crate) fn to_text(html: &str) -> String {
    let mut text = Text::default();
    let mut hidden: Option<String> = None;
    let mut verbatim = 0_usize;
    for token in Tokens::new(html) {
        match (token, &hidden) {
            (
                Token::Tag {
                    name, close: true, ..
                },
                Some(open),
            ) if name == *open => hidden = None,
            (_, Some(_)) => {}
            (Token::Text(piece), None) => text.push(&piece, verbatim > 0),
            (Token::Tag { name, rest, close }, None) => match name.as_str() {
                "head" | "style" | "script" | "title" | "noscript" | "template"
                    if !close && !rest.ends_with('/') =>
                {
                    hidden = Some(name);
                }
                "br" => text.line(),
                "pre" => {
                    verbatim = if close {
                        verbatim.saturating_sub(1)
                    } else {
                        verbatim + 1
                    }
                }
                "td" | "th" if close => text.tab(),
                "hr" => {
                    text.begin();
                }
                _ if BLOCKS.contains(&name.as_str()) => text.begin(),
                _ => {}
            },
        }
    }
    text.finish()
}

const BLOCKS: [&str; 24] = [
    "p",
    "div",
    "tr",
    "table",
    "li",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "body",
    "center",
    "form",
];

/// Text in the making: white space is one space, lines are what blocks and breaks make.
#[derive(Default)]
struct Text {
    out: String,
    space: bool,
}

impl Text {
    fn push(&mut self, piece: &str, verbatim: bool) {
        for c in piece.chars() {
            if verbatim && c == '\n' {
                self.line();
            } else if !verbatim && matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                self.space = true;
            } else if c != '\r' {
                if self.space && !self.at_start() {
                    self.out.push(' ');
                }
                self.space = false;
                // A space that does not break is a space in plain text.
                self.out.push(if c == '\u{a0}' { ' ' } else { c });
            }
        }
    }

    fn at_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    fn line(&mut self) {
        self.space = false;
        self.trim();
        self.out.push('\n');
    }

    fn trim(&mut self) {
        let kept = self.out.trim_end_matches([' ', '\t']).len();
        self.out.truncate(kept);
    }

    /// On a new line from here.
    fn begin(&mut self) {
        if !self.at_start() {
            self.line();
        }
        self.space = false;
    }

    fn tab(&mut self) {
        if !self.at_start() {
            self.out.push('\t');
        }
        self.space = false;
    }

    fn finish(mut self) -> String {
        let kept = self.out.trim_end().len();
        self.out.truncate(kept);
        let begin = self.out.len() - self.out.trim_start_matches('\n').len();
        self.out.drain(..begin);
        self.out
    }
}

enum Token<'a> {
    Text(Cow<'a, str>),
    Tag {
        name: String,
        rest: &'a str,
        close: bool,
    },
}

/// The pieces of a document, in one pass, whatever it holds.
struct Tokens<'a> {
    rest: &'a str,
    /// The content of `script` and `style` is text up to their end.
    raw: Option<&'static str>,
}

impl<'a> Tokens<'a> {
    fn new(html: &'a str) -> Self {
        Self {
            rest: html,
            raw: None,
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        piece
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(raw) = self.raw.take() {
            let end = find_end(self.rest, raw).unwrap_or(self.rest.len());
            let piece = self.take(end);
            return Some(Token::Text(Cow::Borrowed(piece)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let Some(after) = self.rest.strip_prefix('<') else {
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            let piece = self.take(end);
            return Some(Token::Text(unescape(piece)));
        };
        if after.starts_with("!--") {
            let end = self.rest[4..].find("-->").map_or(self.rest.len(), |at| at + 7);
            self.take(end);
            return self.next_after_comment();
        }
        let (close, name_at) = match after.strip_prefix('/') {
            Some(_) => (true, 2),
            None => (false, 1),
        };
        let first = self.rest.as_bytes().get(name_at).copied().unwrap_or(b' ');
        if !first.is_ascii_alphabetic() {
            // A declaration, or a lonely sign.
            if matches!(first, b'!' | b'?') {
                let end = self.rest.find('>').map_or(self.rest.len(), |at| at + 1);
                self.take(end);
                return Some(Token::Text(Cow::Borrowed("")));
            }
            let piece = self.take(1);
            return Some(Token::Text(Cow::Borrowed(piece)));
        }
        let end = tag_end(self.rest);
        let tag = self.take(end);
        let inner = tag.trim_start_matches(['<', '/']).trim_end_matches('>');
        let length = inner
            .find(|c: char| c.is_ascii_whitespace() || c == '/')
            .unwrap_or(inner.len());
        let name = inner[..length].to_ascii_lowercase();
        if !close {
            self.raw = ["script", "style"].into_iter().find(|raw| *raw == name);
        }
        Some(Token::Tag {
            name,
            rest: &inner[length..],
            close,
        })
    }
}

impl<'a> Tokens<'a> {
    fn next_after_comment(&self) -> Option<Token<'a>> {
        (!self.rest.is_empty()).then_some(Token::Text(Cow::Borrowed("")))
    }
}

/// After the `>` that ends a tag, quoted ones passed over.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            // A quotation mark opens a value only after an equals sign; elsewhere it is a mark as any other.
            (None, b'"' | b'\'') if text[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // Never closed: up to the next tag, so that no text is lost for one forgotten sign.
    text[1..].find('<').map_or(text.len(), |at| at + 1)
}

/// Where `</name` begins, whatever its case.
fn find_end(text: &str, name: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        text[at + 2..]
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    })
}

/// The characters that references stand for: numbers, and the names that mail programs write.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        if let Some((end, c)) = end.and_then(|end| Some((end, reference(&rest[1..end])?))) {
            out.push(c);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    }
    NAMES.iter().find(|(n, _)| *n == name).map(|(_, c)| *c)
}

const NAMES: [(&str, char); 37] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("ecirc", 'ê'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("ccedil", 'ç'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("uacute", 'ú'),
    ("iacute", 'í'),
    ("euro", '€'),
    ("pound", '£'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("hellip", '…'),
    ("bull", '•'),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_of_html() {
        let rows = [
            ("a<br>b<BR/>c", "a\nb\nc"),
            ("<p>one</p>\r\n<p>two</p>", "one\ntwo"),
            ("<div>a<div>b</div></div>c", "a\nb\nc"),
            (
                "<p>a&nbsp;&amp;&#228;&#xe4;&unknown; b &lt;x&gt;</p>",
                "a &ää&unknown; b <x>",
            ),
            (
                "<head><title>no</title><style>p{}</style></head><body>yes<script>if (a<b) no()</script>!</body>",
                "yes!",
            ),
            ("<!-- <p>no</p> -->yes<!DOCTYPE html>", "yes"),
            (
                "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
                "a\tb\nc",
            ),
            ("a < b and 3<4", "a < b and 3<4"),
            ("<p title=\"a>b\">x</p>", "x"),
            ("<p style=it's>x</p>y", "x\ny"),
            ("a<span", "a"),
            ("<b>a</b><i> b</i>\n c", "a b c"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("", ""),
            ("<", "<"),
            ("&", "&"),
            ("<!--", ""),
        ];
        for (html, text) in rows {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn what_a_server_makes_of_text_reads_as_the_text() {
        let html = "<html>\r\n<head>\r\n<meta name=\"Generator\" content=\"Microsoft Exchange Server\">\r\n<!-- converted from text -->\r\n<style><!-- .EmailQuote { margin-left: 1pt; } --></style></head>\r\n<body>\r\n<font size=\"2\"><span style=\"font-size:11pt;\"><div class=\"PlainText\">one<br>\r\n<br>\r\ntwo &amp; three</div></span></font>\r\n</body>\r\n</html>\r\n";
        assert_eq!(to_text(html), "one\n\ntwo & three");
        assert!(!is_rich(html));
    }

    #[test]
    fn rich_text_is_known() {
        for rich in [
            "<IMG src=x>",
            "<p><Table\nborder=1>",
            "see <a class=x HREF='https://x.example'>x</a>",
            "<v:imagedata/>",
        ] {
            assert!(is_rich(rich), "{rich}");
        }
        for poor in [
            "<a name=x>x</a>",
            "<b>bold</b>",
            "&lt;img&gt;",
            "<!-- <img> -->",
            "<style>img {}</style>",
            "<tablet>",
        ] {
            assert!(!is_rich(poor), "{poor}");
        }
    }

    #[test]
    fn nothing_runs_and_nothing_is_fetched() {
        let html = "<p onclick=x() style='background:url(https://t.example/p)'>Hi<script>x()</script><img src=https://t.example/p><img src=cid:1><a href='javascript:x()'>a</a><a href=' JaVaScRiPt:x()'>b</a><a href='https://x.example'>c</a><a href='/relative'>d</a><form action=https://t.example><input name=q></form><iframe src=https://t.example>i</iframe><link rel=stylesheet href=https://t.example><style>@import 'https://t.example'</style><svg><script>x()</script></svg><object data=https://t.example>o</object><base href=https://t.example><meta http-equiv=refresh content='0;url=https://t.example'><title>t</title></p>";
        let clean = clean(html);
        for bad in [
            "script",
            "t.example",
            "onclick",
            "style",
            "<form",
            "<input",
            "<iframe",
            "<img",
            "cid:",
            "relative",
            "svg",
            "<title",
        ] {
            assert!(!clean.to_lowercase().contains(bad), "{bad}: {clean}");
        }
        assert!(
            clean.contains("https://x.example") && clean.contains("Hi"),
            "{clean}"
        );
    }

    #[test]
    fn bombs_are_not_read() {
        assert_eq!(check(&"<div>".repeat(401)), Err(TooMuch::Depth));
        assert_eq!(check(&"<b><b/>".repeat(300)), Err(TooMuch::Depth));
        assert_eq!(check(&"<p>x".repeat(90_000)), Ok(()));
        assert_eq!(check(&"<br>".repeat(100_001)), Err(TooMuch::Tags));
        assert_eq!(check(&"x".repeat(MAX_BYTES + 1)), Err(TooMuch::Bytes));
        assert_eq!(check(&"<div>x</div>".repeat(10_000)), Ok(()));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(html in "[<>a-c/!\"'=&;#\\- x\u{e4}\n]{0,60}", more in "\\PC{0,30}") {
            let html = html + &more;
            to_text(&html);
            is_rich(&html);
            let _ = check(&html);
            let clean = clean(&html);
            prop_assert!(!clean.to_lowercase().contains("<script"));
        }

        #[test]
        fn lines_of_text_come_back(lines in proptest::collection::vec("[a-z<>&\"]{1,8}( [a-z]{1,5})?", 1..6)) {
            let escaped: Vec<String> = lines.iter().map(|l| l.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")).collect();
            prop_assert_eq!(to_text(&escaped.join("<br>\r\n")), lines.join("\n"));
        }
    }
}

//! Internet messages, as far as a mail server must look into them: headers, the two bodies, and the attachments.
//!
//! What cannot be read is kept as it is: a server never refuses a mail because its MIME is broken.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const MAX_DEPTH: usize = 12;
const MAX_PARTS: usize = 500;

/// An attachment as the message holds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content_id: String,
    pub(crate) inline: bool,
    pub(crate) content: Vec<u8>,
}

/// What was found in a message.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Unfolded, not decoded, in their order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) pieces: Vec<Piece>,
    /// The media type of the whole, in lower case with its parameters.
    pub(crate) content_type: String,
}

impl Parsed {
    /// The first header of that name, its encoded words decoded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| decode_words(v.trim()))
    }
}

/// Reads a message.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let (headers, body) = split(bytes);
    let mut parsed = Parsed {
        content_type: field(&headers, "Content-Type").to_lowercase(),
        ..Parsed::default()
    };
    let mut parts = 0;
    entity(&headers, body, 0, &mut parts, &mut parsed);
    parsed.headers = headers;
    parsed
}

/// Header fields and what comes after them.
fn split(bytes: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(bytes.len(), |n| at + n + 1);
        let line = bytes[at..end].trim_ascii_end();
        if line.is_empty() {
            return (headers, &bytes[end..]);
        }
        let text = lenient(line);
        if line[0] == b' ' || line[0] == b'\t' {
            match headers.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(text.trim());
                }
                None => return (headers, &bytes[at..]),
            }
        } else {
            match text.split_once(':') {
                Some((name, value)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) => {
                    headers.push((name.to_owned(), value.trim().to_owned()));
                }
                // No header: the message has none, or they end without an empty line.
                _ => return (headers, &bytes[at..]),
            }
        }
        at = end;
    }
    (headers, &[])
}

fn field<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map_or("", |(_, v)| v)
}

/// A parameter of a header such as `Content-Type`.
fn parameter(value: &str, name: &str) -> Option<String> {
    let lower = value.to_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(&format!("{name}=")) {
        let at = from + found;
        let starts = lower[..at].trim_end().ends_with(';');
        let rest = value.get(at + name.len() + 1..)?;
        if starts {
            let text = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                None => rest.split(';').next().unwrap_or_default().trim(),
            };
            return Some(decode_words(text));
        }
        from = at + name.len() + 1;
    }
    None
}

fn entity(headers: &[(String, String)], body: &[u8], depth: usize, parts: &mut usize, out: &mut Parsed) {
    *parts += 1;
    if depth > MAX_DEPTH || *parts > MAX_PARTS {
        return;
    }
    let kind = field(headers, "Content-Type");
    let media = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    let media = if media.is_empty() {
        "text/plain".to_owned()
    } else {
        media
    };
    if media.starts_with("multipart/")
        && let Some(boundary) = parameter(kind, "boundary").filter(|b| !b.is_empty())
    {
        for piece in pieces(body, &boundary) {
            let (headers, body) = split(piece);
            entity(&headers, body, depth + 1, parts, out);
        }
        return;
    }
    let disposition = field(headers, "Content-Disposition");
    let name = parameter(disposition, "filename")
        .or_else(|| parameter(kind, "name"))
        .unwrap_or_default();
    let bytes = decoded(field(headers, "Content-Transfer-Encoding"), body);
    let attached = disposition.to_lowercase().starts_with("attachment") || !name.is_empty();
    let charset = parameter(kind, "charset").unwrap_or_default();
    match media.as_str() {
        "text/plain" if !attached && out.text.is_none() => out.text = Some(charset_text(&charset, &bytes)),
        "text/html" if !attached && out.html.is_none() => out.html = Some(charset_text(&charset, &bytes)),
        _ => {
            let content_id = field(headers, "Content-ID")
                .trim()
                .trim_matches(['<', '>'])
                .to_owned();
            let inline = disposition.to_lowercase().starts_with("inline")
                || (!content_id.is_empty() && !disposition.to_lowercase().starts_with("attachment"));
            out.pieces.push(Piece {
                name,
                content_type: media,
                content_id,
                inline,
                content: bytes,
            });
        }
    }
}

fn pieces<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while at <= body.len() {
        let end = body[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(body.len(), |n| at + n + 1);
        let line = body[at..end].trim_ascii_end();
        if let Some(rest) = line.strip_prefix(mark.as_bytes())
            && (rest.is_empty() || rest == b"--")
        {
            if let Some(from) = open.take() {
                found.push(
                    body[from..at]
                        .strip_suffix(b"\n")
                        .map_or(&body[from..at], |b| b.strip_suffix(b"\r").unwrap_or(b)),
                );
            }
            if rest == b"--" {
                return found;
            }
            open = Some(end);
        }
        if end == body.len() {
            break;
        }
        at = end;
    }
    if let Some(from) = open {
        found.push(&body[from..]);
    }
    found
}

fn decoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => {
            let mut compact: Vec<u8> = body
                .iter()
                .copied()
                .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
                .collect();
            while !compact.len().is_multiple_of(4) {
                compact.push(b'=');
            }
            STANDARD.decode(&compact).unwrap_or_else(|_| body.to_vec())
        }
        "quoted-printable" => quoted(body, false),
        _ => body.to_vec(),
    }
}

/// Quoted-printable; in encoded words an underscore is a space.
fn quoted(body: &[u8], word: bool) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'=' => match (body.get(at + 1), body.get(at + 2)) {
                (Some(b'\r'), Some(b'\n')) => at += 2,
                (Some(b'\n'), _) => at += 1,
                (Some(a), Some(b)) => match (hex(*a), hex(*b)) {
                    (Some(a), Some(b)) => {
                        out.push(a << 4 | b);
                        at += 2;
                    }
                    _ => out.push(b'='),
                },
                _ => {}
            },
            b'_' if word => out.push(b' '),
            b => out.push(b),
        }
        at += 1;
    }
    out
}

fn lenient(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn charset_text(charset: &str, bytes: &[u8]) -> String {
    match charset.to_ascii_lowercase().as_str() {
        "iso-8859-1" | "windows-1252" | "latin1" => bytes.iter().copied().map(char::from).collect(),
        _ => lenient(bytes),
    }
}

/// `=?utf-8?B?..?=` and `=?iso-8859-1?Q?..?=`.
pub(crate) fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, tail) = rest.split_at(at);
        let word = tail[2..].split_once('?').and_then(|(charset, tail)| {
            let (kind, tail) = tail.split_once('?')?;
            let (content, tail) = tail.split_once("?=")?;
            let bytes = match kind {
                "B" | "b" => decoded("base64", content.as_bytes()),
                "Q" | "q" => quoted(content.as_bytes(), true),
                _ => return None,
            };
            Some((charset_text(charset, &bytes), tail))
        });
        let Some((decoded, tail)) = word else {
            out.push_str(before);
            out.push_str("=?");
            rest = &tail[2..];
            after_word = false;
            continue;
        };
        // White space between two encoded words is no part of the text.
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        out.push_str(&decoded);
        rest = tail;
        after_word = true;
    }
    out.push_str(rest);
    out
}

/// Name and address of each mailbox in `To` and the like.
pub(crate) fn addresses(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut quoted, mut angle, mut current) = (false, false, String::new());
    let mut all: Vec<String> = Vec::new();
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' | ';' if !quoted && !angle => {
                all.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    all.push(current);
    for one in all {
        let one = one.trim();
        if one.is_empty() {
            continue;
        }
        let (name, address) = match one.rsplit_once('<') {
            Some((name, address)) => (name.trim(), address.trim_end_matches('>').trim()),
            None => ("", one),
        };
        let name = decode_words(name.trim_matches('"').trim());
        // A group, as in `undisclosed-recipients:`, holds nobody.
        if address.contains('@') {
            let shown = if name.is_empty() { address.to_owned() } else { name };
            found.push((shown, address.to_owned()));
        }
    }
    found
}

/// The moment of a `Date` header, in microseconds since 1970.
pub(crate) fn date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text.trim())
        .ok()
        .map(|z| z.timestamp().as_microsecond())
}

/// A header value that any transport can carry.
fn encode_word(text: &str) -> String {
    if text.is_ascii() {
        return text.replace(['\r', '\n'], " ");
    }
    let mut words = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        if chunk.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut chunk));
        }
        chunk.push(c);
    }
    words.push(chunk);
    words
        .iter()
        .map(|w| format!("=?utf-8?B?{}?=", STANDARD.encode(w)))
        .collect::<Vec<_>>()
        .join("\r\n ")
}

/// What a new message is built from.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    /// Name and value, in their order; values are encoded here. `Content-*` and `MIME-Version` are added.
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) text: Option<&'a str>,
    pub(crate) html: Option<&'a str>,
    pub(crate) pieces: Vec<Piece>,
    /// Makes the boundaries.
    pub(crate) seed: &'a str,
}

/// `Name <address>`.
pub(crate) fn mailbox(name: &str, address: &str) -> String {
    if name.is_empty() || name == address {
        return format!("<{address}>");
    }
    if name.is_ascii() {
        return format!("\"{}\" <{address}>", name.replace(['"', '\\', '\r', '\n'], ""));
    }
    format!("{} <{address}>", encode_word(name))
}

fn base64_lines(bytes: &[u8]) -> String {
    let all = STANDARD.encode(bytes);
    let mut out = String::with_capacity(all.len() + all.len() / 30);
    let mut rest = all.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(76));
        out.push_str(line);
        out.push_str("\r\n");
        rest = tail;
    }
    out
}

/// Writes a message.
pub(crate) fn build(draft: &Draft<'_>) -> Vec<u8> {
    let mut out = String::new();
    for (name, value) in &draft.headers {
        let value = if matches!(*name, "From" | "To" | "Cc" | "Bcc" | "Sender" | "Reply-To") {
            // These were encoded name by name.
            value.clone()
        } else {
            encode_word(value)
        };
        let _ = write!(out, "{name}: {value}\r\n");
    }
    out.push_str("MIME-Version: 1.0\r\n");
    let leaf = |kind: &str, text: &str| {
        format!(
            "Content-Type: {kind}; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64_lines(text.as_bytes())
        )
    };
    let boundary = |n: usize| format!("_{n:03}_{}_", draft.seed);
    let bodies = match (draft.text, draft.html) {
        (Some(text), Some(html)) => {
            let b = boundary(0);
            format!(
                "Content-Type: multipart/alternative;\r\n boundary=\"{b}\"\r\n\r\n--{b}\r\n{}\r\n--{b}\r\n{}\r\n--{b}--\r\n",
                leaf("text/plain", text),
                leaf("text/html", html)
            )
        }
        (None, Some(html)) => leaf("text/html", html),
        (text, None) => leaf("text/plain", text.unwrap_or_default()),
    };
    if draft.pieces.is_empty() {
        out.push_str(&bodies);
        return out.into_bytes();
    }
    let b = boundary(1);
    let _ = write!(
        out,
        "Content-Type: multipart/mixed;\r\n boundary=\"{b}\"\r\n\r\n--{b}\r\n{bodies}"
    );
    for piece in &draft.pieces {
        let quoted = encode_word(&piece.name.replace(['"', '\\'], ""));
        let how = if piece.inline { "inline" } else { "attachment" };
        let _ = write!(
            out,
            "\r\n--{b}\r\nContent-Type: {}; name=\"{quoted}\"\r\nContent-Disposition: {how}; filename=\"{quoted}\"\r\n",
            piece.content_type
        );
        if !piece.content_id.is_empty() {
            let _ = write!(out, "Content-ID: <{}>\r\n", piece.content_id);
        }
        if piece.content_type == "message/rfc822" {
            // Never encoded, says the standard.
            out.push_str("\r\n");
            out.push_str(&String::from_utf8_lossy(&piece.content));
        } else {
            out.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
            out.push_str(&base64_lines(&piece.content));
        }
    }
    let _ = write!(out, "\r\n--{b}--\r\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_reads_back() {
        let draft = Draft {
            headers: vec![
                (
                    "Subject",
                    "Grüße 🚀 and a rather long subject that needs several encoded words".to_owned(),
                ),
                (
                    "To",
                    format!(
                        "{}, {}",
                        mailbox("Jürgen", "j@x.example"),
                        mailbox("Doe, Jane", "jd@x.example")
                    ),
                ),
            ],
            text: Some("plain ü\r\n"),
            html: Some("<p>html ü</p>"),
            pieces: vec![Piece {
                name: "Übersicht.pdf".to_owned(),
                content_type: "application/pdf".to_owned(),
                content_id: "a@b".to_owned(),
                inline: true,
                content: vec![0, 255, 13, 10],
            }],
            seed: "seed",
        };
        let read = parse(&build(&draft));
        assert_eq!(
            read.header("subject").as_deref(),
            Some(draft.headers[0].1.as_str())
        );
        assert_eq!(read.text.as_deref(), Some("plain ü\r\n"));
        assert_eq!(read.html.as_deref(), Some("<p>html ü</p>"));
        let [piece] = &read.pieces[..] else {
            panic!("{read:?}")
        };
        assert_eq!(
            (piece.name.as_str(), piece.content_id.as_str(), piece.inline),
            ("Übersicht.pdf", "a@b", true)
        );
        assert_eq!(piece.content, [0, 255, 13, 10]);
        let to = addresses(read.headers[1].1.as_str());
        assert_eq!(
            to,
            [
                ("Jürgen".to_owned(), "j@x.example".to_owned()),
                ("Doe, Jane".to_owned(), "jd@x.example".to_owned())
            ]
        );
    }

    #[test]
    fn broken_mail_is_kept_as_text() {
        let read = parse(b"this is no header\r\nat all");
        assert_eq!(read.text.as_deref(), Some("this is no header\r\nat all"));
        let open = parse(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhalf");
        assert_eq!(open.text.as_deref(), Some("half"));
        let part = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
        let nested = (0..50).map(part).collect::<Vec<String>>().concat();
        assert_eq!(parse(nested.as_bytes()).text, None);
        assert_eq!(decode_words("=?utf-8?X?a?= =?oops"), "=?utf-8?X?a?= =?oops");
        assert!(addresses("undisclosed-recipients:;").is_empty());
        assert!(parse(&[0xff, 0xfe, 0, 1]).text.is_some());
    }
}

//! A mail as it was sent: its text, its HTML, and its attachments.

use mail_parser::{HeaderName, Message as Parsed, MessageParser, MessagePart, MimeHeaders as _, PartType};
use tandem_sync::model::{File, Message, Refusal};
use tandem_types::{AttachmentRules, IssueCode};

use crate::html;

/// Mails larger than this are not carried over, as the server counts: with all attachments.
pub(crate) const MAX_SIZE: u64 = 35 << 20;
/// More parts than any person's mail has, and more mails within mails.
const MAX_PARTS: usize = 2_000;
const MAX_NESTED: usize = 50;
/// Characters of plain text that are worth keeping; Salesforce holds 32,000 in a Task, 131,072 in an email.
const MAX_TEXT: usize = 1 << 20;
/// Names of files are cut there.
const MAX_NAME: usize = 200;

/// Endings of files that run, or make something run, when they are opened.
const RUNS: [&str; 59] = [
    "ade", "adp", "app", "appx", "bas", "bat", "chm", "cmd", "com", "cpl", "crt", "csh", "dll", "dmg", "exe",
    "fxp", "gadget", "hlp", "hta", "inf", "ins", "iso", "isp", "jar", "jnlp", "js", "jse", "ksh", "lnk",
    "mad", "maf", "mda", "mdb", "mde", "msc", "msh", "msi", "msix", "msp", "mst", "ops", "pcd", "pif", "ps1",
    "ps2", "psc1", "py", "reg", "scf", "scr", "sct", "sh", "shb", "url", "vb", "vbe", "vbs", "ws", "wsf",
];

/// # Errors
/// It is no mail, or costs too much to read: why, for the user.
pub(crate) fn read(raw: &[u8], rules: &AttachmentRules) -> Result<Message, Refusal> {
    bounded(raw)?;
    let parsed = MessageParser::default()
        .parse(raw)
        .filter(is_mail)
        .ok_or_else(|| {
            refusal(
                IssueCode::Unreadable,
                "The mail server gave something that is no mail.",
            )
        })?;
    if parsed.parts.len() > MAX_PARTS {
        return Err(refusal(IssueCode::TooLarge, "The mail has too many parts."));
    }
    let html = match html_of(&parsed) {
        Some(source) => {
            html::check(source)
                .map_err(|why| refusal(IssueCode::TooLarge, &format!("The mail is not read: {why}.")))?;
            Some(source)
        }
        None => None,
    };
    let cleaned = html.map(html::clean).filter(|clean| !clean.trim().is_empty());
    let text = match (text_of(&parsed), &cleaned) {
        (Some(text), _) => text,
        (None, Some(clean)) => html::to_text(clean),
        (None, None) => String::new(),
    };
    let mut message = Message {
        text: cut(text),
        html: cleaned,
        ..Message::default()
    };
    if rules.save {
        attachments(&parsed, raw, html.unwrap_or_default(), rules, &mut message);
    }
    Ok(message)
}

/// Anything at all can be read as headers: one that every mail has must be among them.
fn is_mail(parsed: &Parsed<'_>) -> bool {
    parsed.headers().iter().any(|header| {
        matches!(
            header.name,
            HeaderName::From
                | HeaderName::To
                | HeaderName::Cc
                | HeaderName::Date
                | HeaderName::Subject
                | HeaderName::Sender
                | HeaderName::MessageId
                | HeaderName::Received
                | HeaderName::ContentType
                | HeaderName::MimeVersion
        )
    })
}

/// What a parser should not even begin with.
fn bounded(raw: &[u8]) -> Result<(), Refusal> {
    let most = usize::try_from(MAX_SIZE).unwrap_or(usize::MAX);
    if raw.len() > most.saturating_mul(2) {
        return Err(too_large());
    }
    let count = |needle: &[u8], most: usize| {
        let found = raw
            .windows(needle.len())
            .filter(|window| window.eq_ignore_ascii_case(needle))
            .take(most + 1)
            .count();
        found > most
    };
    if count(b"message/rfc822", MAX_NESTED)
        || count(b"boundary", MAX_PARTS)
        || count(b"\ncontent-type:", MAX_PARTS)
    {
        return Err(refusal(
            IssueCode::TooLarge,
            "The mail has too many parts, or mails within mails.",
        ));
    }
    Ok(())
}

pub(crate) fn too_large() -> Refusal {
    let text = format!("The mail is larger than {} MB.", MAX_SIZE >> 20);
    refusal(IssueCode::TooLarge, &text)
}

pub(crate) fn refusal(code: IssueCode, text: &str) -> Refusal {
    Refusal {
        code,
        message: text.to_owned(),
        fields: Vec::new(),
        retry: false,
    }
}

fn html_of<'a>(parsed: &'a Parsed<'_>) -> Option<&'a str> {
    parsed.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.as_ref()),
        _ => None,
    })
}

fn text_of(parsed: &Parsed<'_>) -> Option<String> {
    let parts: Vec<&str> = parsed
        .text_bodies()
        .filter_map(|part| match &part.body {
            PartType::Text(text) => Some(text.trim_end()),
            _ => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    (!parts.is_empty()).then(|| crate::map::plain(&parts.join("\n\n")).trim_end().to_owned())
}

/// Characters that are none (a terminal's commands, a zero) are no text; the length is bounded.
fn cut(mut text: String) -> String {
    text.retain(|c| matches!(c, '\n' | '\r' | '\t') || !c.is_control());
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

fn attachments(parsed: &Parsed<'_>, raw: &[u8], html: &str, rules: &AttachmentRules, message: &mut Message) {
    for part in parsed.attachments() {
        if is_inline(part, html) {
            continue;
        }
        let name = name(part);
        let bytes = match &part.body {
            PartType::Message(_) => raw
                .get(part.raw_body_offset() as usize..part.raw_end_offset() as usize)
                .unwrap_or_default(),
            _ => part.contents(),
        };
        match left_out(&name, bytes.len(), rules) {
            Some(why) => message.left_out.push((name, why)),
            None => message.files.push(File {
                name,
                content_type: content_type(part),
                bytes: bytes.to_vec(),
            }),
        }
    }
}

/// A picture that belongs to the text, not beside it.
fn is_inline(part: &MessagePart<'_>, html: &str) -> bool {
    let picture = part
        .content_type()
        .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("image"));
    let inline = part
        .content_disposition()
        .is_some_and(mail_parser::ContentType::is_inline);
    let attached = part
        .content_disposition()
        .is_some_and(mail_parser::ContentType::is_attachment);
    let shown = part.content_id().is_some_and(|id| {
        let id = id.trim_start_matches('<').trim_end_matches('>');
        !id.is_empty() && html.contains(&format!("cid:{id}"))
    });
    shown || (picture && (inline || (part.content_id().is_some() && !attached)))
}

fn content_type(part: &MessagePart<'_>) -> String {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    part.content_type()
        .and_then(|kind| Some((kind.ctype(), kind.subtype()?)))
        .filter(|(kind, sub)| token(kind) && token(sub))
        .map_or_else(
            || "application/octet-stream".to_owned(),
            |(kind, sub)| format!("{kind}/{sub}").to_ascii_lowercase(),
        )
}

/// As it can be shown and stored: no path, no control characters, not longer than a file system takes.
fn name(part: &MessagePart<'_>) -> String {
    let given = match &part.body {
        PartType::Message(inner) => part
            .attachment_name()
            .map(str::to_owned)
            .or_else(|| inner.subject().map(|subject| format!("{subject}.eml")))
            .unwrap_or_else(|| "message.eml".to_owned()),
        _ => part.attachment_name().unwrap_or_default().to_owned(),
    };
    let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = base
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect();
    let clean = clean.trim().trim_end_matches('.');
    if clean.is_empty() {
        return "attachment".to_owned();
    }
    if clean.chars().count() <= MAX_NAME {
        return clean.to_owned();
    }
    let end = ending(clean);
    let stem: String = clean
        .chars()
        .take(MAX_NAME.saturating_sub(end.chars().count() + 1))
        .collect();
    if end.is_empty() || end.chars().count() > 10 {
        stem
    } else {
        format!("{stem}.{end}")
    }
}

/// Lower case, without the dot.
fn ending(name: &str) -> String {
    name.rsplit_once('.')
        .map(|(_, ending)| ending.trim().to_lowercase())
        .unwrap_or_default()
}

/// Why an attachment is not carried over, in the user's words.
fn left_out(name: &str, size: usize, rules: &AttachmentRules) -> Option<String> {
    if size as u64 > rules.max_bytes {
        return Some(format!("larger than {}", shown(rules.max_bytes)));
    }
    let ending = ending(name);
    if rules.endings.is_empty() {
        let runs = RUNS.binary_search(&ending.as_str()).is_ok();
        return runs.then(|| format!("files that end in .{ending} can run and are not saved"));
    }
    let allowed = rules
        .endings
        .iter()
        .any(|allowed| allowed.trim_start_matches('.').eq_ignore_ascii_case(&ending));
    (!allowed).then(|| {
        if ending.is_empty() {
            "files without an ending are not saved".to_owned()
        } else {
            format!("files that end in .{ending} are not saved")
        }
    })
}

fn shown(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{} KB", bytes.div_ceil(1 << 10))
    } else {
        format!("{} MB", bytes >> 20)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIXED: &str = "From: Max <max@fabrikam.example>\r\nTo: nina@contoso.example\r\nSubject: Plan\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>Gr&uuml;&szlig;e <img src=\"cid:logo@1\"></p>\r\n--a--\r\n--r\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@1>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--r--\r\n--m\r\nContent-Type: application/pdf; name=\"../plan.PDF\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"invoice.pdf.exe\"\r\n\r\nMZ\r\n--m\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@x.example\r\nSubject: Inner\r\n\r\nhello\r\n--m--\r\n";

    fn names(message: &Message) -> Vec<&str> {
        message.files.iter().map(|f| f.name.as_str()).collect()
    }

    #[test]
    fn a_mail_with_everything() {
        let message = read(MIXED.as_bytes(), &AttachmentRules::default()).unwrap();
        assert_eq!(message.text, "Grüße");
        assert_eq!(message.html.as_deref().map(str::trim), Some("<p>Grüße </p>"));
        assert_eq!(names(&message), ["plan.PDF", "Inner.eml"]);
        assert_eq!(message.files[0].bytes, b"%PDF");
        assert_eq!(message.files[0].content_type, "application/pdf");
        assert!(String::from_utf8_lossy(&message.files[1].bytes).contains("Subject: Inner"));
        let [(name, why)] = message.left_out.as_slice() else {
            panic!("{:?}", message.left_out)
        };
        assert!(name == "invoice.pdf.exe" && why.contains(".exe"), "{why}");
    }

    #[test]
    fn rules_of_attachments() {
        let with = |change: &dyn Fn(&mut AttachmentRules)| {
            let mut rules = AttachmentRules::default();
            change(&mut rules);
            read(MIXED.as_bytes(), &rules).unwrap()
        };
        let none = with(&|r| r.save = false);
        assert!(none.files.is_empty() && none.left_out.is_empty());
        let pdf = with(&|r| r.endings = vec!["pdf".to_owned()]);
        assert_eq!((names(&pdf), pdf.left_out.len()), (vec!["plan.PDF"], 2));
        let small = with(&|r| r.max_bytes = 3);
        assert_eq!(small.left_out.len(), 2 + 1, "{:?}", small.left_out);
        let mut sorted = RUNS;
        sorted.sort_unstable();
        assert_eq!(sorted, RUNS, "searched by halves");
    }

    #[test]
    fn html_alone_and_text_alone() {
        let html =
            "From: a@x.example\r\nContent-Type: text/html\r\n\r\n<p>one<br>two</p><script>x()</script>";
        let message = read(html.as_bytes(), &AttachmentRules::default()).unwrap();
        assert_eq!(message.text, "one\ntwo");
        assert!(message.html.is_some());
        let text = "From: a@x.example\r\n\r\none\r\ntwo\r\n";
        let message = read(text.as_bytes(), &AttachmentRules::default()).unwrap();
        assert_eq!((message.text.as_str(), message.html), ("one\ntwo", None));
    }

    #[test]
    fn what_is_no_mail_or_a_bomb_is_refused() {
        let code = |raw: &[u8]| read(raw, &AttachmentRules::default()).unwrap_err().code;
        assert_eq!(code(b""), IssueCode::Unreadable);
        assert_eq!(code(&[0, 159, 146, 150, 255, 0]), IssueCode::Unreadable);
        let html = |inner: String| {
            format!("From: a@x.example\r\nContent-Type: text/html\r\n\r\n{inner}").into_bytes()
        };
        assert_eq!(code(&html("<div>".repeat(100_000))), IssueCode::TooLarge);
        assert_eq!(code(&html("<br>".repeat(200_000))), IssueCode::TooLarge);
        assert_eq!(code(&html("x".repeat(5 << 20))), IssueCode::TooLarge);
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
        assert_eq!(code(nested.as_bytes()), IssueCode::TooLarge);
        let mut parts = "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
        parts.push_str(&"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(3_000));
        assert_eq!(code(parts.as_bytes()), IssueCode::TooLarge);
    }

    #[test]
    fn names_are_harmless() {
        let named = |name: &str| {
            let raw = format!(
                "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: text/x\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\ny\r\n--b--\r\n"
            );
            read(raw.as_bytes(), &AttachmentRules::default()).unwrap().files[0]
                .name
                .clone()
        };
        assert_eq!(named("C:/a/b.txt"), "b.txt");
        assert_eq!(named("../../b.txt"), "b.txt");
        assert_eq!(named(" "), "attachment");
        assert_eq!(named("a\u{202e}txt"), "atxt");
        let long = named(&format!("{}.docx", "x".repeat(1_000)));
        assert!(
            long.chars().count() <= MAX_NAME && ending(&long) == "docx",
            "{long}"
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(cut in 0..MIXED.len(), garbage in proptest::collection::vec(any::<u8>(), 0..40), at in 0..MIXED.len()) {
            let mut raw = MIXED.as_bytes()[..cut].to_vec();
            let at = at.min(raw.len());
            raw.splice(at..at, garbage);
            let _ = read(&raw, &AttachmentRules::default());
        }
    }
}

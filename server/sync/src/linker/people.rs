//! Who takes part from outside: the addresses that count.

use tandem_types::ItemKind;

use super::LinkerContext;
use crate::model::{Address, Answer, AttendeeRole, Snapshot};
use crate::mutant::{self, Mutant};

/// So many addresses of one item are looked at: a meeting of 5,000 must not cost a hundred requests.
pub const ADDRESSES_MAX: usize = 250;

/// Domains where anybody can have a mailbox: they say nothing about a company.
const FREE_MAIL: &[&str] = &[
    "aol.com",
    "att.net",
    "bluewin.ch",
    "comcast.net",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "live.de",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rocketmail.com",
    "sbcglobal.net",
    "t-online.de",
    "tutanota.com",
    "verizon.net",
    "wanadoo.fr",
    "web.de",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.fr",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
    "163.com",
    "126.com",
];

/// Somebody from outside who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Lower case.
    pub address: String,
    /// Of somebody who was invited to an event.
    pub answer: Option<Answer>,
}

/// Who takes part from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// The main one first; no address twice. Never those that are internal or blocked.
    pub list: Vec<Person>,
    /// Somebody from outside is on the blocklist.
    pub blocked: bool,
    /// The sender of a mail, or the organizer of a meeting, is on the blocklist.
    pub sender_blocked: bool,
    /// So many were not looked at.
    pub cut: usize,
}

/// Who takes part from outside: of a mail sender, recipients, copies, as they stand there; of an event the organizer,
/// then the required, then the optional attendees, by address, without rooms. Nobody of a task.
#[must_use]
pub fn people(item: &Snapshot, ctx: &LinkerContext<'_>) -> People {
    let mut out = People::default();
    match item.record.kind {
        ItemKind::Event => {
            let Some(event) = &item.extra.event else {
                return out;
            };
            if let Some(organizer) = &event.organizer {
                out.sender_blocked = out.meet(organizer, None, ctx);
            }
            let mut attendees: Vec<_> = event
                .attendees
                .iter()
                .filter(|attendee| attendee.role != AttendeeRole::Resource)
                .collect();
            attendees.sort_by(|a, b| {
                let rank = |x: &crate::model::Attendee| (x.role, x.who.address.clone(), x.answer);
                rank(a).cmp(&rank(b))
            });
            for attendee in attendees {
                out.meet(&attendee.who, Some(attendee.answer), ctx);
            }
        }
        ItemKind::Email => {
            let Some(mail) = &item.extra.mail else {
                return out;
            };
            if let Some(from) = &mail.from {
                out.sender_blocked = out.meet(from, None, ctx);
            }
            for address in mail.to.iter().chain(&mail.cc) {
                out.meet(address, None, ctx);
            }
        }
        ItemKind::Task | ItemKind::Contact => {}
    }
    out
}

impl People {
    /// True: this one is blocked.
    fn meet(&mut self, who: &Address, answer: Option<Answer>, ctx: &LinkerContext<'_>) -> bool {
        let address = who.address.trim().to_lowercase();
        if domain_of(&address).is_none() || is_internal(&address, ctx) {
            return false;
        }
        if is_blocked(&address, ctx) {
            self.blocked = true;
            return true;
        }
        if let Some(known) = self.list.iter_mut().find(|person| person.address == address) {
            known.answer = known.answer.max(answer);
        } else if self.list.len() >= ADDRESSES_MAX {
            self.cut += 1;
        } else {
            self.list.push(Person { address, answer });
        }
        false
    }
}

/// The domain of a usable address; `None`: it is none (an Exchange-internal name, a name without a host).
#[must_use]
pub fn domain_of(address: &str) -> Option<&str> {
    let (name, domain) = address.rsplit_once('@')?;
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | '"');
    let usable = !name.is_empty()
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && domain.contains('.')
        && !domain.contains("..")
        && !address.chars().any(strange);
    usable.then_some(domain)
}

/// Whether everybody has a mailbox at this domain.
#[must_use]
pub fn is_free_mail(domain: &str) -> bool {
    FREE_MAIL.contains(&domain)
}

/// Of the user's own company. A mailbox at a free-mail provider does not make everybody there a colleague.
#[must_use]
pub fn is_internal(address: &str, ctx: &LinkerContext<'_>) -> bool {
    if address.eq_ignore_ascii_case(ctx.address) {
        return true;
    }
    let Some(domain) = domain_of(address) else {
        return false;
    };
    let of_the_mailbox = domain_of(ctx.address)
        .is_some_and(|own| !is_free_mail(&own.to_lowercase()) && own.eq_ignore_ascii_case(domain));
    of_the_mailbox
        || ctx.settings.own_domains.iter().any(|own| {
            let own = own.trim();
            matches(own.strip_prefix('@').unwrap_or(own), domain)
        })
}

/// On the blocklist: by address, by domain, or by a pattern with `*`.
#[must_use]
pub fn is_blocked(address: &str, ctx: &LinkerContext<'_>) -> bool {
    if mutant::on(Mutant::IgnoreBlocklist) {
        return false;
    }
    let Some(domain) = domain_of(address) else {
        return false;
    };
    ctx.settings.blocklist.iter().any(|entry| {
        let entry = entry.trim();
        match entry.strip_prefix('@') {
            Some(entry) => matches(entry, domain),
            None if entry.contains('@') => matches(entry, address),
            None => matches(entry, domain),
        }
    })
}

/// Whether the text, in lower case, is what the pattern says, where `*` stands for any run of characters, none
/// included. Never slower than the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return false;
    }
    if !pattern.contains('*') && pattern.is_ascii() {
        return pattern.eq_ignore_ascii_case(text);
    }
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how far the text was taken for it.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_what_it_says_and_nothing_else() {
        for (pattern, text, is_it) in [
            ("example.com", "example.com", true),
            ("EXAMPLE.com", "example.com", true),
            ("example.com", "mail.example.com", false),
            ("example.com", "badexample.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*@*.example.com", "x@mail.example.com", true),
            ("*@*.example.com", "x@example.com", false),
            ("news*@x.org", "newsletter@x.org", true),
            ("news*@x.org", "news@x.org", true),
            ("*", "anything@at.all", true),
            ("**a", "aa", true),
            ("a*b*c", "axcyb", false),
            ("a*b*c", "axbyc", true),
            ("ä*@x.org", "ärger@x.org", true),
            ("", "", false),
        ] {
            assert_eq!(matches(pattern, text), is_it, "{pattern} {text}");
        }
        let bomb = "*a".repeat(200);
        assert!(!matches(&bomb, &"a".repeat(199)));
    }

    #[test]
    fn what_is_no_address_is_nobody() {
        for (text, domain) in [
            ("a@b.de", Some("b.de")),
            ("\u{e4}@b.de", Some("b.de")),
            ("a@b@c.de", Some("c.de")),
            ("", None),
            ("@b.de", None),
            ("a@", None),
            ("a@localhost", None),
            ("a@.de", None),
            ("a@b..de", None),
            ("a b@c.de", None),
            ("a@b.de;x@y.de", None),
            ("/o=first organization/ou=exchange/cn=recipients/cn=a", None),
        ] {
            assert_eq!(domain_of(text), domain, "{text}");
        }
    }
}

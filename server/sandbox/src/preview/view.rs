//! How one browser looks at the preview: who sits there, what is shown, where the pane is. All of it lives in cookies.

use std::fmt::Write as _;

use http::HeaderMap;
use http::header::COOKIE;
use url::{Host, Url};

use crate::pages::Form;

/// The language that the preview speaks, and tells the pane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Lang {
    #[default]
    En,
    De,
}

impl Lang {
    /// As Office names it.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::En => "en-US",
            Self::De => "de-DE",
        }
    }

    pub(super) fn say<'a>(self, english: &'a str, german: &'a str) -> &'a str {
        match self {
            Self::En => english,
            Self::De => german,
        }
    }
}

/// Where the mailbox lives, as Outlook tells an add-in; with it goes what the Office API can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Server {
    #[default]
    Office365,
    Exchange,
}

impl Server {
    /// `accountType` of the user's profile.
    /// <https://learn.microsoft.com/javascript/api/outlook/office.userprofile>
    pub(super) fn account_type(self) -> &'static str {
        match self {
            Self::Office365 => "office365",
            Self::Exchange => "enterprise",
        }
    }

    /// The `Mailbox` requirement set 1.x. Exchange 2019 stops at 1.5.
    /// <https://learn.microsoft.com/javascript/api/requirement-sets/outlook/outlook-api-requirement-sets>
    pub(super) fn mailbox_set(self) -> u32 {
        match self {
            Self::Office365 => 15,
            Self::Exchange => 5,
        }
    }
}

/// The choices of one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the page"
)]
pub(super) struct View {
    /// The pane that is shown; the sandbox's own setting where the browser has none.
    pub(super) pane: Option<Url>,
    /// Who is signed in: the mail address.
    pub(super) user: String,
    /// Whose mailbox is shown; another than the user's is a shared one.
    pub(super) owner: String,
    pub(super) server: Server,
    pub(super) lang: Lang,
    pub(super) dark: bool,
    /// 450 pixels instead of 320.
    pub(super) wide: bool,
    pub(super) pinned: bool,
    /// The pane is closed.
    pub(super) closed: bool,
    /// The browser blocks pop-ups.
    pub(super) blocked: bool,
}

const NAMES: [&str; 10] = [
    "pane", "user", "owner", "server", "lang", "theme", "wide", "pinned", "closed", "blocked",
];

impl View {
    pub(super) fn new(user: &str, pane: Option<Url>) -> Self {
        Self {
            pane,
            user: user.to_owned(),
            owner: user.to_owned(),
            server: Server::default(),
            lang: Lang::default(),
            dark: false,
            wide: false,
            pinned: false,
            closed: false,
            blocked: false,
        }
    }

    /// As the browser has it; what it does not say is as in `self`.
    pub(super) fn of_cookies(mut self, headers: &HeaderMap) -> Self {
        let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
        for pair in all.flat_map(|line| line.split(';')) {
            if let Some((name, value)) = pair.trim().split_once('=')
                && let Some(name) = name.strip_prefix("preview_")
            {
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                self.set(name, &value);
            }
        }
        self
    }

    /// Takes what a form or a query says; whether there was anything.
    pub(super) fn take(&mut self, form: &Form) -> bool {
        let mut any = false;
        // Who comes in anew looks at their own mailbox.
        if let (Some(user), None) = (form.get("user"), form.get("owner")) {
            self.set("owner", user);
        }
        for (name, value) in form.pairs() {
            any |= self.set(name, value);
        }
        any
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        let yes = value == "1";
        match name {
            "pane" => self.pane = pane(value).or_else(|| self.pane.take()),
            "user" if value.contains('@') => value.clone_into(&mut self.user),
            "owner" if value.contains('@') => value.clone_into(&mut self.owner),
            "server" => {
                self.server = if value == "exchange" {
                    Server::Exchange
                } else {
                    Server::Office365
                }
            }
            "lang" => {
                self.lang = if value.starts_with("de") {
                    Lang::De
                } else {
                    Lang::En
                }
            }
            "theme" => self.dark = value == "dark",
            "wide" => self.wide = yes,
            "pinned" => self.pinned = yes,
            "closed" => self.closed = yes,
            "blocked" => self.blocked = yes,
            _ => return false,
        }
        true
    }

    /// `Set-Cookie` for each choice.
    pub(super) fn cookies(&self) -> Vec<String> {
        let flag = |yes: bool| if yes { "1" } else { "0" }.to_owned();
        let values = [
            self.pane.as_ref().map(Url::to_string).unwrap_or_default(),
            self.user.clone(),
            self.owner.clone(),
            match self.server {
                Server::Office365 => "office365",
                Server::Exchange => "exchange",
            }
            .to_owned(),
            self.lang.tag().to_owned(),
            if self.dark { "dark" } else { "light" }.to_owned(),
            flag(self.wide),
            flag(self.pinned),
            flag(self.closed),
            flag(self.blocked),
        ];
        NAMES
            .iter()
            .zip(values)
            .map(|(name, value)| {
                let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                // The script changes some of them: not HttpOnly. There is nothing secret in them.
                format!(
                    "preview_{name}={}; Path=/; SameSite=Lax; Max-Age=2592000",
                    value.replace('+', "%20")
                )
            })
            .collect()
    }

    /// The pane's address as Outlook on the web opens it: with what it tells of itself.
    pub(super) fn frame(&self) -> Option<Url> {
        let mut url = self.pane.clone()?;
        let mut info = String::new();
        let _ = write!(info, "Outlook$Web$16.01${}$preview$$0", self.lang.tag());
        url.query_pairs_mut().append_pair("_host_Info", &info);
        Some(url)
    }

    pub(super) fn is_shared(&self) -> bool {
        self.user != self.owner
    }
}

/// A pane on this machine: the preview shows no stranger's page.
pub(super) fn pane(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    (local && matches!(url.scheme(), "http" | "https")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_survives_its_cookies() {
        let mut view = View::new("nina@x.example", pane("http://localhost:9/"));
        assert!(view.take(&Form::parse(
            b"user=tom@x.example&lang=de&theme=dark&wide=1&pinned=1&blocked=1&server=exchange"
        )));
        assert_eq!(view.owner, "tom@x.example");
        let mut headers = HeaderMap::new();
        for cookie in view.cookies() {
            let pair = cookie.split(';').next().unwrap();
            headers.append(COOKIE, pair.parse().unwrap());
        }
        assert_eq!(View::new("nina@x.example", None).of_cookies(&headers), view);
        assert!(!view.is_shared());
        assert!(view.take(&Form::parse(b"owner=nina@x.example")));
        assert!(view.is_shared());
        assert!(!view.take(&Form::parse(b"something=else")));
    }

    #[test]
    fn no_stranger_is_framed() {
        for wrong in [
            "https://evil.example/",
            "javascript:alert(1)",
            "http://localhost.evil.example/",
            "data:text/html,x",
            "",
        ] {
            assert_eq!(pane(wrong), None, "{wrong}");
        }
        for right in [
            "http://localhost:8080/",
            "https://127.0.0.1:1/",
            "http://[::1]:5/",
        ] {
            assert!(pane(right).is_some(), "{right}");
        }
    }

    #[test]
    fn the_pane_is_told_the_language() {
        let mut view = View::new("a@b", pane("http://localhost:9/"));
        view.lang = Lang::De;
        let frame = view.frame().unwrap();
        let (_, info) = frame.query_pairs().next().unwrap();
        assert_eq!(info, "Outlook$Web$16.01$de-DE$preview$$0");
    }
}

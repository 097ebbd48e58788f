//! Where in the settings somebody is: a part, and what of it.

use tandem_types::{IssueCode, ItemKind, SessionId, Side, UserId, Verdict};

use crate::call::form;

/// A part of the settings page, `/settings/<part>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    General,
    Issues,
    Sync,
    Conflicts,
    Linking,
    Blocklist,
    Connectivity,
    Mapping,
    Deactivate,
    /// For administrators.
    Organisation,
}

impl Part {
    /// In the order of the navigation.
    pub const ALL: [Self; 10] = [
        Self::General,
        Self::Issues,
        Self::Sync,
        Self::Conflicts,
        Self::Linking,
        Self::Blocklist,
        Self::Connectivity,
        Self::Mapping,
        Self::Deactivate,
        Self::Organisation,
    ];

    /// The word in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Issues => "issues",
            Self::Sync => "sync",
            Self::Conflicts => "conflicts",
            Self::Linking => "linking",
            Self::Blocklist => "blocklist",
            Self::Connectivity => "connectivity",
            Self::Mapping => "mapping",
            Self::Deactivate => "deactivate",
            Self::Organisation => "organisation",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == word)
    }
}

/// A part, and which rows of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub part: Part,
    /// In the history: only what is still open.
    pub unresolved: bool,
    /// In the history: the sessions before this one.
    pub before: Option<SessionId>,
    /// Of the issues: only those of this kind.
    pub kind: Option<ItemKind>,
    /// Of the issues: only those for this cause.
    pub code: Option<IssueCode>,
    /// Of the issues: from this one on.
    pub skip: u32,
    /// Of the organisation's users: only those who stand so.
    pub verdict: Option<Verdict>,
    /// Of the organisation's users: only those whose names hold this.
    pub search: String,
    /// Of the organisation's users: those after this one.
    pub after: Option<UserId>,
    /// Of the organisation: this user alone.
    pub user: Option<UserId>,
}

/// Nobody's name is longer.
const SEARCH_MAX: usize = 80;
/// A list never begins further on.
const SKIP_MAX: u32 = 1_000_000;

impl Place {
    pub fn of(part: Part) -> Self {
        Self {
            part,
            ..Self::default()
        }
    }

    /// From an address (`/settings/issues`) with its raw query; what is not understood is left out.
    pub fn parse(path: &str, query: Option<&str>) -> Self {
        let last = path.rsplit('/').next().and_then(Part::parse);
        let mut place = Self::of(last.unwrap_or_default());
        for (name, value) in query
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
        {
            match name {
                "show" => place.unresolved = value == "unresolved",
                "before" => place.before = value.parse().ok(),
                "kind" => place.kind = ItemKind::parse(value),
                "code" => place.code = IssueCode::parse(value),
                "skip" => place.skip = value.parse().unwrap_or(0).min(SKIP_MAX),
                "verdict" => place.verdict = Verdict::parse(value),
                "q" => place.search = searched(value),
                "after" => place.after = value.parse().ok(),
                "user" => place.user = value.parse().ok(),
                _ => {}
            }
        }
        place
    }

    /// From the word that a page has for itself ([`Place::word`]).
    pub(crate) fn of_word(word: &str) -> Self {
        match word.split_once('?') {
            Some((path, query)) => Self::parse(path, Some(query)),
            None => Self::parse(word, None),
        }
    }

    /// The address, `/settings/issues?kind=contact`.
    pub fn url(&self) -> String {
        format!("/{}", self.word())
    }

    /// Below `/`; also what the page's script sends when it asks for the page again.
    pub fn word(&self) -> String {
        let (before, skip) = (
            self.before.as_ref().map(ToString::to_string),
            self.skip.to_string(),
        );
        let fields = [
            ("show", self.unresolved.then_some("unresolved")),
            ("before", before.as_deref()),
            ("kind", self.kind.map(ItemKind::as_str)),
            ("code", self.code.map(IssueCode::as_str)),
            ("skip", (self.skip > 0).then_some(skip.as_str())),
            ("verdict", self.verdict.map(Verdict::as_str)),
            ("q", (!self.search.is_empty()).then_some(self.search.as_str())),
            ("after", self.after.as_ref().map(UserId::as_str)),
            ("user", self.user.as_ref().map(UserId::as_str)),
        ];
        let query = form(
            fields
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let path = match self.part {
            Part::General => "settings".to_owned(),
            part => format!("settings/{}", part.as_str()),
        };
        if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        }
    }
}

/// What somebody searches for, from a query.
fn searched(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%')
            .then(|| {
                value
                    .get(at + 1..at + 3)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .flatten();
        out.push(match (hex, byte) {
            (Some(hex), _) => hex,
            (None, b'+') => b' ',
            (None, byte) => byte,
        });
        at += if hex.is_some() { 3 } else { 1 };
    }
    let text = String::from_utf8_lossy(&out);
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(SEARCH_MAX)
        .collect()
}

/// As serde writes it, and a query.
pub(crate) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Mailbox => "mailbox",
        Side::Crm => "crm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_by_its_word() {
        let session: SessionId = "1".repeat(32).parse().expect("an id");
        for place in [
            Place::default(),
            Place::of(Part::Conflicts),
            Place {
                unresolved: true,
                ..Place::default()
            },
            Place {
                before: Some(session),
                ..Place::default()
            },
            Place {
                kind: Some(ItemKind::Contact),
                code: Some(IssueCode::NoMatch),
                skip: 50,
                ..Place::of(Part::Issues)
            },
            Place {
                verdict: Some(Verdict::Failing),
                search: "Jörg 100% + &x=1".to_owned(),
                after: "005000000000001AAA".parse().ok(),
                ..Place::of(Part::Organisation)
            },
            Place {
                user: "005000000000001AAA".parse().ok(),
                ..Place::of(Part::Organisation)
            },
        ] {
            assert_eq!(Place::of_word(&place.word()), place, "{}", place.word());
        }
        for part in Part::ALL {
            assert_eq!(Place::parse(&Place::of(part).url(), None).part, part);
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let query = Some("kind=dog&code=&skip=-1&before=x&show=all&more");
        assert_eq!(Place::parse("/settings/nowhere", query), Place::default());
        assert_eq!(
            Place::parse("/settings/issues", Some("skip=99999999")).skip,
            SKIP_MAX
        );
        let search = |query| Place::parse("/settings/organisation", Some(query)).search;
        assert_eq!(search("q=a+b%20%C3%BC"), "a b ü");
        assert_eq!(search("q=%"), "%");
        assert_eq!(search("q=%zz%C3"), "%zz\u{fffd}");
        assert_eq!(search(&format!("q={}", "x".repeat(500))).len(), SEARCH_MAX);
    }
}

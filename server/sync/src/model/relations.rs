use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use tandem_types::Timestamp;

use super::ItemId;

/// What somebody answered to an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    #[default]
    None,
    Tentative,
    Accepted,
    Declined,
}

impl Answer {
    pub const ALL: [Self; 4] = [Self::None, Self::Tentative, Self::Accepted, Self::Declined];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tentative => "tentative",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.as_str() == word)
    }
}

/// The records that an activity belongs to. As text: `who=003…,003…;what=006…;invited=005…:accepted`, ids in order but for
/// the first of `who`, who is the main one; empty parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// One lead, or contacts, the main one first.
    pub who: Vec<ItemId>,
    /// An account, an opportunity, a case …
    pub what: Option<ItemId>,
    /// Invited users, contacts and leads (`EventRelation`), the connection's own user left out.
    pub invited: BTreeMap<ItemId, Answer>,
}

/// The text is no [`Relations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of relations")]
pub struct ParseRelationsError;

impl Relations {
    pub fn is_empty(&self) -> bool {
        self.who.is_empty() && self.what.is_none() && self.invited.is_empty()
    }

    /// The others of `who` in order, nothing twice.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        if let Some((first, rest)) = self.who.split_first() {
            let mut others: Vec<ItemId> = rest.iter().filter(|id| *id != first).cloned().collect();
            others.sort();
            others.dedup();
            others.insert(0, first.clone());
            self.who = others;
        }
        self
    }
}

impl fmt::Display for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.who.is_empty() {
            let ids: Vec<&str> = self.who.iter().map(|id| id.0.as_str()).collect();
            parts.push(format!("who={}", ids.join(",")));
        }
        if let Some(what) = &self.what {
            parts.push(format!("what={what}"));
        }
        if !self.invited.is_empty() {
            let ids: Vec<String> = self
                .invited
                .iter()
                .map(|(id, answer)| format!("{id}:{}", answer.as_str()))
                .collect();
            parts.push(format!("invited={}", ids.join(",")));
        }
        f.write_str(&parts.join(";"))
    }
}

impl FromStr for Relations {
    type Err = ParseRelationsError;

    fn from_str(text: &str) -> Result<Self, ParseRelationsError> {
        let mut out = Self::default();
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, ids) = part.split_once('=').ok_or(ParseRelationsError)?;
            match name {
                "who" => out.who = ids.split(',').map(|id| ItemId(id.to_owned())).collect(),
                "what" => out.what = Some(ItemId(ids.to_owned())),
                "invited" => {
                    for one in ids.split(',') {
                        let (id, answer) = one.split_once(':').ok_or(ParseRelationsError)?;
                        let answer = Answer::parse(answer).ok_or(ParseRelationsError)?;
                        out.invited.insert(ItemId(id.to_owned()), answer);
                    }
                }
                _ => return Err(ParseRelationsError),
            }
        }
        Ok(out.canonical())
    }
}

/// What the linker asks about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clue {
    /// Whom the CRM knows by this e-mail address (lower case): leads that are not converted, contacts, users.
    Address(String),
    /// Accounts whose website has this domain (lower case, without `www.`).
    Domain(String),
    /// Opportunities that are open, that the user owns, and in whose account this contact is.
    DealsOf(ItemId),
    /// A case by its number.
    CaseNumber(String),
    /// A record by its id (18 characters): a link in the body.
    Record(ItemId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownKind {
    Contact,
    Lead,
    User,
    Account,
    Opportunity,
    Case,
    Other,
}

/// A record that a [`Clue`] led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub id: ItemId,
    pub kind: KnownKind,
    /// Of a contact, an opportunity, a case.
    pub account: Option<ItemId>,
    /// The user owns it.
    pub own: bool,
    pub modified: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["", "who=b,a,c;what=x;invited=u:accepted,v:none", "what=x"] {
            assert_eq!(text.parse::<Relations>().unwrap().to_string(), text);
        }
        assert_eq!(
            "who=b,c,a,b".parse::<Relations>().unwrap().to_string(),
            "who=b,a,c"
        );
        for text in ["who", "what", "invited=u", "invited=u:maybe", "whose=a"] {
            assert!(text.parse::<Relations>().is_err(), "{text}");
        }
    }
}

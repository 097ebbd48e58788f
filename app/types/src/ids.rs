use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not an id of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError {
    kind: &'static str,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {} id", self.kind)
    }
}

impl std::error::Error for ParseIdError {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(ParseIdError { kind: $kind }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// 32 lower-case hexadecimal digits: 128 random bits.
fn is_own(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Salesforce's 18-character form (15 characters and a checksum that makes it case-insensitive).
fn is_salesforce(text: &str) -> bool {
    text.len() == 18 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

id!(
    /// A Salesforce organisation, `00D…` with 18 characters.
    OrgId, "organisation", |t| is_salesforce(t) && t.starts_with("00D")
);
id!(
    /// A Salesforce user, `005…` with 18 characters. Unique over all organisations.
    UserId, "user", |t| is_salesforce(t) && t.starts_with("005")
);
id!(
    /// One mailbox paired with one Salesforce user. 32 hexadecimal digits.
    ConnectionId, "connection", is_own
);
id!(
    /// One run of the sync for one connection. 32 hexadecimal digits.
    SessionId, "session", is_own
);
id!(
    /// The pairing of one mailbox item with one Salesforce record. 32 hexadecimal digits.
    LinkId, "link", is_own
);
id!(
    /// One item that could not be synced. 32 hexadecimal digits.
    IssueId, "issue", is_own
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_only_what_is_one() {
        assert!("00D000000000001AAA".parse::<OrgId>().is_ok());
        assert!("005000000000001AAA".parse::<OrgId>().is_err());
        assert!("00D000000000001".parse::<OrgId>().is_err());
        assert!("0123456789abcdef0123456789abcdef".parse::<ConnectionId>().is_ok());
        assert!(
            "0123456789ABCDEF0123456789abcdef"
                .parse::<ConnectionId>()
                .is_err()
        );
        assert!("".parse::<LinkId>().is_err());
        assert!(serde_json::from_str::<ConnectionId>("\"x\"").is_err());
    }
}

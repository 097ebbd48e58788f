use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Not an identifier, a domain, or one of Microsoft's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tenant: give its id, one of its domains, or \"organizations\"")]
pub struct NotATenant(String);

/// A GUID in lower case, as Microsoft identifies directories and accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(String);

impl Guid {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Guid {
    type Err = NotATenant;

    fn from_str(text: &str) -> Result<Self, NotATenant> {
        let dashes = [8, 13, 18, 23];
        let fits = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if dashes.contains(&at) {
                    byte == b'-'
                } else {
                    byte.is_ascii_hexdigit()
                }
            });
        if fits {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotATenant(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Guid {
    type Error = NotATenant;

    fn try_from(text: String) -> Result<Self, NotATenant> {
        text.parse()
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose accounts may sign in: the address's first segment.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-protocols#endpoints>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tenant {
    /// Work and school accounts of every organisation.
    #[default]
    Organizations,
    /// Personal accounts as well.
    Common,
    /// One organisation, by its id.
    Id(Guid),
    /// One organisation, by one of its domains.
    Domain(String),
}

impl Tenant {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Organizations => "organizations",
            Self::Common => "common",
            Self::Id(id) => id.as_str(),
            Self::Domain(domain) => domain,
        }
    }
}

impl FromStr for Tenant {
    type Err = NotATenant;

    fn from_str(text: &str) -> Result<Self, NotATenant> {
        let text = text.trim().to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.as_str() {
            "organizations" => Ok(Self::Organizations),
            "common" => Ok(Self::Common),
            _ if text.parse::<Guid>().is_ok() => text.parse().map(Self::Id),
            // It becomes a part of an address: nothing but a host name may.
            _ if text.contains('.') && text.len() <= 253 && text.split('.').all(label) => {
                Ok(Self::Domain(text))
            }
            _ => Err(NotATenant(text)),
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_tenant_becomes_one() {
        let id = "8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490";
        assert_eq!(id.parse(), Ok(Tenant::Id(id.parse().unwrap())));
        assert_eq!("Organizations".parse(), Ok(Tenant::Organizations));
        assert_eq!("common".parse(), Ok(Tenant::Common));
        assert_eq!(
            "Contoso.onmicrosoft.com".parse(),
            Ok(Tenant::Domain("contoso.onmicrosoft.com".to_owned()))
        );
        for bad in [
            "",
            "consumers",
            "contoso",
            "contoso.com/../x",
            "contoso..com",
            "contoso.com?x",
            ".com",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a49",
            "evil.example@x.example",
        ] {
            assert!(bad.parse::<Tenant>().is_err(), "{bad}");
        }
    }
}

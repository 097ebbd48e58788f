//! The permissions that can be asked for, and what the consent page says of them.
//!
//! <https://learn.microsoft.com/graph/permissions-reference>

/// Name, and the words of the consent page.
const KNOWN: &[(&str, &str)] = &[
    ("openid", "Sign you in"),
    ("profile", "View your basic profile"),
    ("email", "View your email address"),
    (
        "offline_access",
        "Maintain access to data you have given it access to",
    ),
    ("User.Read", "Sign you in and read your profile"),
    ("Mail.Read", "Read your mail"),
    ("Mail.ReadWrite", "Read and write access to your mail"),
    ("Mail.Send", "Send mail as you"),
    ("Calendars.Read", "Read your calendars"),
    ("Calendars.ReadWrite", "Have full access to your calendars"),
    ("Contacts.Read", "Read your contacts"),
    ("Contacts.ReadWrite", "Have full access of your contacts"),
    ("Tasks.Read", "Read your tasks and task lists"),
    (
        "Tasks.ReadWrite",
        "Create, read, update and delete your tasks and task lists",
    ),
    ("MailboxSettings.Read", "Read your mailbox settings"),
    (
        "MailboxSettings.ReadWrite",
        "Read and write your mailbox settings",
    ),
    ("User.Read.All", "Read all users' full profiles"),
];

/// Only an administrator can agree to it.
pub(crate) fn needs_administrator(scope: &str) -> bool {
    scope == "User.Read.All"
}

/// The scopes of OpenID Connect: they are no permissions of Graph.
pub(crate) fn is_openid(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access")
}

/// What the consent page says.
pub(crate) fn words(scope: &str) -> &'static str {
    KNOWN
        .iter()
        .find(|(name, _)| *name == scope)
        .map_or("", |(_, words)| words)
}

/// Every one, as the control API issues tokens with.
pub(crate) fn all() -> Vec<String> {
    KNOWN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .filter(|name| !needs_administrator(name))
        .collect()
}

/// Splits a request's `scope`; the name of Graph in front of one is the same as none.
///
/// # Errors
/// The one that does not exist.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut scopes: Vec<String> = Vec::new();
    for asked in text.split_whitespace() {
        let bare = asked
            .strip_prefix("https://graph.microsoft.com/")
            .unwrap_or(asked);
        let known = KNOWN
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(bare))
            .ok_or_else(|| asked.to_owned())?;
        if !scopes.iter().any(|s| s == known.0) {
            scopes.push(known.0.to_owned());
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_both_forms() {
        assert_eq!(
            parse("openid https://graph.microsoft.com/mail.readwrite Mail.ReadWrite"),
            Ok(vec!["openid".to_owned(), "Mail.ReadWrite".to_owned()])
        );
        assert_eq!(parse("openid Mail.Nonsense"), Err("Mail.Nonsense".to_owned()));
        assert_eq!(
            parse("https://elsewhere.example/Mail.Read"),
            Err("https://elsewhere.example/Mail.Read".to_owned())
        );
    }
}

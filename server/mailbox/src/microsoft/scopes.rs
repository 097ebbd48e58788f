/// What is asked for, and why. No more: the consent page shows every one of them to the user.
///
/// <https://learn.microsoft.com/graph/permissions-reference>
pub const SCOPES: &[(&str, &str)] = &[
    ("openid", "says who has signed in: the id token"),
    ("profile", "the account's name, address and id in the id token"),
    (
        "offline_access",
        "sync goes on while nobody is signed in: the refresh token",
    ),
    (
        "User.Read",
        "all mail addresses of the account, to compare them with the mailbox that Outlook shows",
    ),
    (
        "Mail.ReadWrite",
        "reads the e-mails that go to Salesforce and sets the category on them; it does not allow sending",
    ),
    ("Calendars.ReadWrite", "syncs events"),
    ("Contacts.ReadWrite", "syncs contacts"),
    ("Tasks.ReadWrite", "syncs To Do tasks"),
    (
        "MailboxSettings.ReadWrite",
        "makes the categories with their colours, and reads the mailbox's time zone",
    ),
];

/// Those that name no permission of Graph and are not told back as one.
fn is_openid(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access")
}

/// The permissions that an answer does not grant. Its scopes come as short names or as URLs of the resource, in any case;
/// an answer without scopes grants what was asked for (RFC 6749, section 5.1).
pub(crate) fn missing(granted: &[String]) -> Vec<&'static str> {
    if granted.is_empty() {
        return Vec::new();
    }
    let name = |scope: &str| scope.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let granted: Vec<String> = granted.iter().map(|scope| name(scope)).collect();
    SCOPES
        .iter()
        .map(|(scope, _)| *scope)
        .filter(|scope| !is_openid(scope) && !granted.contains(&scope.to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_not_granted_is_named() {
        let all = "https://graph.microsoft.com/User.Read Mail.ReadWrite calendars.readwrite Contacts.ReadWrite \
                   https://graph.microsoft.com/Tasks.ReadWrite MailboxSettings.ReadWrite email";
        assert_eq!(missing(&split(all)), Vec::<&str>::new());
        assert_eq!(missing(&[]), Vec::<&str>::new());
        let some = all
            .replace("Mail.ReadWrite", "Mail.Read")
            .replace("Contacts.ReadWrite", "");
        assert_eq!(missing(&split(&some)), ["Mail.ReadWrite", "Contacts.ReadWrite"]);
    }
}

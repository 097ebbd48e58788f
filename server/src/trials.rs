//! How often a password is tried for a mailbox: so seldom that nobody is locked out.

use tandem_types::ConnectionId;

/// Passwords tried for one mailbox within 15 minutes, over all users and replicas.
pub(crate) const TRIALS: u32 = 3;

/// By what trials are counted; the strictest count holds. An account has names that look nothing like each other
/// (`nberg`, `CONTOSO\\nberg`, `nina.berg@contoso.example`), and it is the account that must not be locked:
///
/// - whose pane it is: whatever names somebody tries, it may be one account;
/// - the name without its domain, over all users: two people of one name in two domains share a count, which costs a
///   wait and no account;
/// - the mailbox, where it is known: by the address that was typed, and by the mailbox that this connection had.
pub(crate) fn subjects(connection: &ConnectionId, mailbox: Option<&str>, login: &str) -> Vec<String> {
    let user = login.rsplit(['\\', '/']).next().unwrap_or(login);
    let name = user.rsplit_once('@').map_or(user, |(local, _)| local);
    let mut subjects = vec![
        format!("connection/{connection}"),
        format!("login/{}", name.trim().to_lowercase()),
    ];
    let typed = user.contains('@').then_some(user);
    for address in mailbox.into_iter().chain(typed) {
        let subject = format!("mailbox/{}", address.trim().to_lowercase());
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_count_however_its_login_is_spelled() {
        let (one, two) = ("1".repeat(32), "2".repeat(32));
        let pane: ConnectionId = one.parse().unwrap();
        let here = format!("connection/{one}");
        for login in [
            "nina@contoso.example",
            "NINA@Contoso.Example",
            "CONTOSO\\nina",
            "contoso.example/Nina",
            "nina",
            " nina ",
        ] {
            let found = subjects(&pane, None, login);
            assert_eq!(found[..2], [here.as_str(), "login/nina"], "{login}");
        }
        // A name that is unlike the address: the same pane, and the same mailbox where it is known.
        let had = Some("Nina.Berg@contoso.example");
        let mailbox = "mailbox/nina.berg@contoso.example".to_owned();
        let short = subjects(&pane, had, "CORP\\nberg");
        assert_eq!(short, [here.as_str(), "login/nberg", &mailbox]);
        let other: ConnectionId = two.parse().unwrap();
        let there = format!("connection/{two}");
        let long = subjects(&other, None, "nina.berg@contoso.example");
        assert_eq!(long, [there.as_str(), "login/nina.berg", &mailbox]);
        let own = subjects(&pane, had, "nina.berg@contoso.example");
        assert_eq!(own.iter().filter(|subject| **subject == mailbox).count(), 1);
    }
}

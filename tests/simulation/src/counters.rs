//! What has been reached. A row that no seed reaches proves nothing.

use std::collections::BTreeMap;

use crate::faults::Woe;
use crate::users::Act;

/// How often each thing happened.
#[derive(Clone, Debug, Default)]
pub struct Counters(pub BTreeMap<(&'static str, String), u64>);

impl Counters {
    pub fn count(&mut self, family: &'static str, what: impl Into<String>) {
        *self.0.entry((family, what.into())).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (key, n) in &other.0 {
            *self.0.entry(key.clone()).or_default() += n;
        }
    }

    /// What was never reached, of what every long run must reach.
    pub fn missing(&self) -> Vec<String> {
        let mut wanted: Vec<(&'static str, String)> = Vec::new();
        wanted.extend(
            tandem_sync::decide::consequences()
                .into_iter()
                .filter(|row| !is_out_of_reach(row))
                .map(|row| ("decision", row)),
        );
        wanted.extend(Act::ALL.iter().map(|act| ("act", act.as_str().to_owned())));
        for woe in Woe::ALL {
            let sides: &[&str] = match woe {
                Woe::Store => &["store"],
                Woe::WholeOrg(_) => &["crm"],
                _ => &["mailbox", "crm"],
            };
            wanted.extend(
                sides
                    .iter()
                    .map(|side| ("fault", format!("{side} {}", woe.as_str()))),
            );
        }
        for kind in ["contact", "event", "task"] {
            for policy in ["Newest", "Mailbox", "Crm", "Ask"] {
                wanted.push(("policy", format!("{kind} {policy}")));
            }
            for side in ["mailbox", "crm"] {
                wanted.push(("deletion", format!("{kind} {side} deleted there")));
            }
        }
        for cure in ["BringBack", "DeleteThere", "KeepMine", "KeepTheirs", "Retry"] {
            wanted.push(("cure", cure.to_owned()));
        }
        for reason in [
            "mail_server_refused",
            "microsoft_sign_in_ended",
            "org_brake",
            "quota",
            "salesforce_sign_in_ended",
            "stopped_by_brake",
            "waiting_for_preview",
        ] {
            wanted.push(("reason", reason.to_owned()));
        }
        for outcome in [
            "done",
            "failed",
            "partial",
            "preview",
            "rejected",
            "sign_in_ended",
            "stopped_by_brake",
        ] {
            wanted.push(("outcome", outcome.to_owned()));
        }
        for what in [
            "attachment refused",
            "attachment: storage full",
            "back-fill",
            "changed before an undo",
            "clock jumped",
            "crashed in a session",
            "create: storage full",
            "fate not to be proved",
            "fate unproved",
            "full for no reason",
            "lease lost",
            "lease renewed",
            "made already",
            "order done",
            "order not saved",
            "order refused",
            "order stands",
            "ordered",
            "ordered out",
            "organisation let go on",
            "others delete",
            "partial answer",
            "settings changed",
            "undone",
            "version moved",
            "wrote without its lease",
        ] {
            wanted.push(("world", what.to_owned()));
        }
        wanted.extend([
            ("deletion", "event crm unsync".to_owned()),
            ("deletion", "event crm cancelled".to_owned()),
            ("deletion", "contact mailbox left the scope".to_owned()),
        ]);
        wanted
            .into_iter()
            .filter(|(family, what)| self.get(family, what) == 0)
            .map(|(family, what)| format!("{family} {what}"))
            .collect()
    }

    pub fn get(&self, family: &'static str, what: &str) -> u64 {
        self.0.get(&(family, what.to_owned())).copied().unwrap_or(0)
    }
}

/// Rows that the tables have because they are total, and to which nothing can lead.
fn is_out_of_reach(row: &str) -> bool {
    let of = |kinds: &[&str]| kinds.iter().any(|kind| row.starts_with(kind));
    // A link names one item at least.
    row.ends_with("live: Nothing") && !of(&["email"])
        // Salesforce merges contacts only.
        || of(&["task"]) && (row.contains("Merged") || row.contains("Follow"))
        // Without its mark, a contact or a task is out of scope: only what is awake gets it back.
        || of(&["contact dormant", "contact ended", "task dormant", "task ended"]) && row.contains("mark: true")
        // An ended email is only asked whether it was marked once more, before any table.
        || of(&["email ended"])
        // A mail that waits is there or not: nobody is asked where else it may be.
        || row == "email dormant: Nothing"
        // Whoever waits for its record has none, and what has one is awake or over.
        || row == "email dormant: End(DeletedInCrm)"
        // Nobody is offered to delete an event's record: its deletion is decided at once.
        || row == "event live: Delete { on: Crm, end: DeletedOnBoth }"
}

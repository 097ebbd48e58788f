use std::fmt;

use serde::{Deserialize, Serialize};

/// What a connection syncs, and how. Stored per connection; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub contacts: Direction,
    pub contact_scope: ContactScope,
    /// At most so many contacts per mailbox.
    pub contact_limit: u32,
    pub contact_conflicts: ConflictPolicy,
    pub contact_deleted_in_mailbox: DeletedInMailbox,
    pub brake: BrakeLimits,
    /// From the end of one session to the start of the next, before jitter.
    pub interval_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contacts: Direction::TwoWay,
            contact_scope: ContactScope::Mine,
            contact_limit: 10_000,
            contact_conflicts: ConflictPolicy::Newest,
            contact_deleted_in_mailbox: DeletedInMailbox::Ask,
            brake: BrakeLimits::default(),
            interval_minutes: 30,
        }
    }
}

impl Settings {
    /// # Errors
    /// A limit that would switch a safety off or starve the servers.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(5..=24 * 60).contains(&self.interval_minutes) {
            return Err(SettingsError("interval_minutes must be between 5 and 1440"));
        }
        if !(1..=100_000).contains(&self.contact_limit) {
            return Err(SettingsError("contact_limit must be between 1 and 100000"));
        }
        if self.brake.percent > 100 {
            return Err(SettingsError("brake.percent must be at most 100"));
        }
        Ok(())
    }
}

/// A setting that cannot be taken, said for an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsError(pub &'static str);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for SettingsError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    TwoWay,
    ToCrm,
    ToMailbox,
    Off,
}

impl Direction {
    /// Whether changes may be written to the CRM.
    pub const fn writes_crm(self) -> bool {
        matches!(self, Self::TwoWay | Self::ToCrm)
    }

    /// Whether changes may be written to the mailbox.
    pub const fn writes_mailbox(self) -> bool {
        matches!(self, Self::TwoWay | Self::ToMailbox)
    }
}

/// Which Salesforce contacts come down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactScope {
    /// Those that the user owns.
    Mine,
    /// All that the user can see.
    AllVisible,
}

/// Who wins where both sides changed the same field differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPolicy {
    /// The record that was changed last; within two minutes, or where the newer stamp is our own write, the mailbox.
    Newest,
    Mailbox,
    Crm,
    /// Neither: an issue asks the user.
    Ask,
}

/// What a delete in the mailbox does to the Salesforce record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedInMailbox {
    /// Kept there, not created again here; an issue offers both ways on.
    Ask,
    /// Created again in the mailbox.
    Recreate,
    /// Deleted there too, if the user owns it.
    DeleteOwn,
}

/// When a session stops and asks: more than `count` **and** more than `percent` of the links, or more than `hard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrakeLimits {
    pub count: u32,
    pub percent: u32,
    pub hard: u32,
}

impl Default for BrakeLimits {
    fn default() -> Self {
        Self {
            count: 25,
            percent: 20,
            hard: 200,
        }
    }
}

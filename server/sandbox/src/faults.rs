//! Fault rules: what shall go wrong, for whom, how often.
//!
//! Transport faults (the connection, the status, the bytes) are applied by [`crate::serve`] to any service;
//! the others are asked for by the services, each in its protocol's own words.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What goes wrong. Written as `{"kind": "status", "code": 503}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Kind {
    /// This HTTP status, the service does nothing.
    Status {
        code: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
    /// The effect is done; the answer has this HTTP status and nothing of the effect.
    StatusAfter { code: u16 },
    /// Each logon is refused although it is right; it does not count towards the lock-out.
    CredentialsWrong,
    /// Nothing is done; the connection closes after that time.
    TimeoutBefore { ms: u64 },
    /// The effect is done; the connection closes without an answer after that time.
    TimeoutAfter { ms: u64 },
    /// The service's own way to say *too many requests*, with this hint where it has one.
    Throttle { ms: u64 },
    /// The body comes in small pieces, this far apart.
    SlowBody { ms_per_chunk: u64 },
    /// The length is announced, half of it comes, the connection closes.
    CutBody,
    /// The body is well transported and no longer parses.
    Malformed,
    /// The connection closes, nothing is done.
    Reset,
    /// The cursor of a listing is no longer known.
    ExpiredCursor,
    /// The version that a write names is not the newest.
    StaleVersion,
    /// A page of changes repeats its items.
    DuplicateChanges,
    /// A change is listed only `n` requests (to any service) after it was first looked for.
    LateChanges { n: u64 },
    /// A listing comes back empty although nothing was deleted.
    Empty,
    /// A write of a row is refused because somebody else holds it; in lists each row counts.
    LockRow,
    /// One item of a request fails with that EWS code; each item counts.
    ItemError { code: String },
    /// A cursor is answered with everything from the start, as if it had not been sent.
    SilentResync,
}

impl Kind {
    /// The name in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::StatusAfter { .. } => "status_after",
            Self::CredentialsWrong => "credentials_wrong",
            Self::TimeoutBefore { .. } => "timeout_before",
            Self::TimeoutAfter { .. } => "timeout_after",
            Self::Throttle { .. } => "throttle",
            Self::SlowBody { .. } => "slow_body",
            Self::CutBody => "cut_body",
            Self::Malformed => "malformed",
            Self::Reset => "reset",
            Self::ExpiredCursor => "expired_cursor",
            Self::StaleVersion => "stale_version",
            Self::DuplicateChanges => "duplicate_changes",
            Self::LateChanges { .. } => "late_changes",
            Self::Empty => "empty",
            Self::LockRow => "lock_row",
            Self::ItemError { .. } => "item_error",
            Self::SilentResync => "silent_resync",
        }
    }

    /// Whether the generic layer applies it, whatever the service.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::StatusAfter { .. }
                | Self::TimeoutBefore { .. }
                | Self::TimeoutAfter { .. }
                | Self::SlowBody { .. }
                | Self::CutBody
                | Self::Malformed
                | Self::Reset
        )
    }
}

/// What [`Kind::ItemError`] can say.
pub(crate) const ITEM_ERRORS: &[&str] = &[
    "ErrorAccessDenied",
    "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
    "ErrorCorruptData",
    "ErrorInternalServerError",
    "ErrorInternalServerTransientError",
    "ErrorItemCorrupt",
    "ErrorItemNotFound",
    "ErrorItemSave",
    "ErrorMailboxStoreUnavailable",
    "ErrorMessageSizeExceeded",
    "ErrorMimeContentConversionFailed",
    "ErrorQuotaExceeded",
    "ErrorTimeoutExpired",
];

/// One rule. Operation and user left out mean *any*.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(flatten)]
    pub(crate) kind: Kind,
    /// How often it still fires; nothing: until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    /// How many matching requests it still lets through first.
    pub(crate) skip: u32,
}

impl Rule {
    /// Reads a rule, and refuses what it does not know.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(given) = value else {
            return Err("a rule is a JSON object".to_owned());
        };
        let mut kind = serde_json::Map::new();
        let mut rule = Self {
            id: 0,
            service: String::new(),
            operation: None,
            user: None,
            kind: Kind::Reset,
            times: None,
            skip: 0,
        };
        let text = |v: &Value, name: &str| {
            v.as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{name} is not a text"))
        };
        let count = |v: &Value, name: &str| {
            v.as_u64()
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| format!("{name} is not a small whole number"))
        };
        for (name, v) in given {
            if v.is_null() {
                continue;
            }
            match name.as_str() {
                "id" => {}
                "service" => rule.service = text(v, name)?,
                "operation" => rule.operation = Some(text(v, name)?),
                "user" => rule.user = Some(text(v, name)?),
                "times" => rule.times = Some(count(v, name)?),
                "skip" => rule.skip = count(v, name)?,
                "kind" if v.is_object() => kind.extend(v.as_object().cloned().unwrap_or_default()),
                _ => {
                    kind.insert(name.clone(), v.clone());
                }
            }
        }
        if !matches!(
            rule.service.as_str(),
            "exchange" | "autodiscover" | "salesforce" | "login" | "microsoft" | "graph"
        ) {
            return Err(format!(
                "service {:?} is none of exchange, autodiscover, salesforce, login, microsoft, graph",
                rule.service
            ));
        }
        let names: Vec<String> = kind.keys().cloned().collect();
        rule.kind = serde_json::from_value(Value::Object(kind)).map_err(|e| e.to_string())?;
        // serde lets a kind without settings have any.
        let known = serde_json::to_value(&rule.kind).map_err(|e| e.to_string())?;
        if let Some(unknown) = names.iter().find(|name| known.get(name.as_str()).is_none()) {
            return Err(format!(
                "a rule of the kind {} has no setting {unknown:?}",
                rule.kind.name()
            ));
        }
        if let Kind::ItemError { code } = &rule.kind
            && !ITEM_ERRORS.contains(&code.as_str())
        {
            return Err(format!(
                "no item can fail with {code:?}; it can with {ITEM_ERRORS:?}"
            ));
        }
        if let Kind::Status { code, .. } | Kind::StatusAfter { code } = rule.kind
            && !(200..=599).contains(&code)
        {
            return Err(format!("status {code} is not between 200 and 599"));
        }
        Ok(rule)
    }
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    rules: Vec<Rule>,
}

/// All rules of one sandbox, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Inner>);

impl Faults {
    /// Adds a rule and returns its id.
    pub(crate) fn add(&self, mut rule: Rule) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        rule.id = inner.last;
        inner.rules.push(rule);
        inner.last
    }

    /// The rules that may still fire.
    pub(crate) fn list(&self) -> Vec<Rule> {
        self.lock().rules.clone()
    }

    /// Removes one rule; false if there is none of that id.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut inner = self.lock();
        let before = inner.rules.len();
        inner.rules.retain(|r| r.id != id);
        inner.rules.len() != before
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.lock().rules.clear();
    }

    /// The first rule that fits and whose kind is `wanted`, counted as fired. Rules in their `skip` let the
    /// request through, and the next rule is looked at.
    pub(crate) fn take(
        &self,
        service: &str,
        operation: &str,
        user: Option<&str>,
        wanted: impl Fn(&Kind) -> bool,
    ) -> Option<Kind> {
        let mut inner = self.lock();
        for at in 0..inner.rules.len() {
            let rule = &mut inner.rules[at];
            let fits = rule.service == service
                && rule
                    .operation
                    .as_deref()
                    .is_none_or(|o| o.eq_ignore_ascii_case(operation))
                && rule
                    .user
                    .as_deref()
                    .is_none_or(|u| user.is_some_and(|asking| asking.eq_ignore_ascii_case(u)))
                && wanted(&rule.kind);
            if !fits {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            let kind = rule.kind.clone();
            match &mut rule.times {
                None => return Some(kind),
                Some(0) => {}
                Some(left) => {
                    *left -= 1;
                    if *left == 0 {
                        inner.rules.remove(at);
                    }
                    return Some(kind);
                }
            }
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(v: Value) -> Rule {
        Rule::parse(&v).unwrap()
    }

    #[test]
    fn skip_then_fire_then_gone() {
        let faults = Faults::default();
        faults.add(rule(
            json!({"service":"exchange","operation":"GetItem","kind":"reset","skip":1,"times":2}),
        ));
        let take = |op: &str| faults.take("exchange", op, None, Kind::is_transport);
        assert_eq!(take("FindItem"), None);
        assert_eq!(take("GetItem"), None);
        assert_eq!(take("GetItem"), Some(Kind::Reset));
        assert_eq!(take("GetItem"), Some(Kind::Reset));
        assert_eq!(take("GetItem"), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_rule_for_a_user_spares_the_others() {
        let faults = Faults::default();
        faults.add(rule(json!({"service":"exchange","user":"A@x","kind":"cut_body"})));
        assert_eq!(
            faults.take("exchange", "X", Some("b@x"), Kind::is_transport),
            None
        );
        assert_eq!(faults.take("exchange", "X", None, Kind::is_transport), None);
        assert_eq!(
            faults.take("salesforce", "X", Some("a@x"), Kind::is_transport),
            None
        );
        assert_eq!(
            faults.take("exchange", "X", Some("a@x"), |k| *k == Kind::Empty),
            None
        );
        assert_eq!(
            faults.take("exchange", "X", Some("a@x"), Kind::is_transport),
            Some(Kind::CutBody)
        );
    }

    #[test]
    fn unknown_names_are_refused() {
        for bad in [
            json!({"service":"exchange","kind":"nonsense"}),
            json!({"service":"exchange","kind":"reset","tims":1}),
            json!({"service":"mars","kind":"reset"}),
            json!({"service":"exchange","kind":"status"}),
            json!({"service":"exchange","kind":"status","code":99}),
            json!("reset"),
        ] {
            assert!(Rule::parse(&bad).is_err(), "{bad}");
        }
    }
}

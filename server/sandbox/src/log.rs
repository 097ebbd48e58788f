//! The request log: what was asked of the sandbox, by whom, and how it was answered. Tests assert on it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Older entries are forgotten beyond this; the counts stay.
const KEPT: usize = 200_000;

/// One request that reached a service. Holds no content and no credentials.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1 over all services.
    pub(crate) n: u64,
    /// `exchange`, `autodiscover`, `salesforce`, `login`, `microsoft` or `graph`.
    pub(crate) service: &'static str,
    /// The operation as the service names it, such as `GetItem` or `composite`.
    pub(crate) operation: String,
    /// Who asked, if the request says so.
    pub(crate) user: Option<String>,
    /// The HTTP status; 0 where the connection was closed without one.
    pub(crate) status: u16,
    /// Milliseconds since 1970 by the sandbox's clock.
    pub(crate) at_ms: i64,
    /// The transport fault that was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    entries: VecDeque<Entry>,
    counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// The log of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Inner>);

impl Log {
    /// Opens an entry and returns its number; [`Log::answered`] closes it.
    pub(crate) fn asked(
        &self,
        service: &'static str,
        operation: String,
        user: Option<String>,
        at_ms: i64,
    ) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        let n = inner.last;
        *inner
            .counts
            .entry(service)
            .or_default()
            .entry(operation.clone())
            .or_default() += 1;
        if inner.entries.len() == KEPT {
            inner.entries.pop_front();
        }
        inner.entries.push_back(Entry {
            n,
            service,
            operation,
            user,
            status: 0,
            at_ms,
            fault: None,
        });
        n
    }

    /// Says how entry `n` was answered.
    pub(crate) fn answered(&self, n: u64, status: u16, fault: Option<&'static str>) {
        let mut inner = self.lock();
        let Some(first) = inner.entries.front().map(|e| e.n) else {
            return;
        };
        let Some(at) = n.checked_sub(first).and_then(|i| usize::try_from(i).ok()) else {
            return;
        };
        if let Some(entry) = inner.entries.get_mut(at) {
            entry.status = status;
            entry.fault = fault;
        }
    }

    /// The entries after number `since`, oldest first.
    pub(crate) fn since(&self, since: u64) -> Vec<Entry> {
        self.lock()
            .entries
            .iter()
            .filter(|e| e.n > since)
            .cloned()
            .collect()
    }

    /// The number of the newest entry, 0 when there is none.
    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Requests per operation of one service since the last reset.
    pub(crate) fn counts(&self, service: &str) -> BTreeMap<String, u64> {
        self.lock().counts.get(service).cloned().unwrap_or_default()
    }

    /// Sets the counts to zero; the entries stay.
    pub(crate) fn reset_counts(&self) {
        self.lock().counts.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

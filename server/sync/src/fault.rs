use std::fmt;
use std::time::Duration;

/// What a caller does about a failed call of a side or of the store. See [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Credentials or access refused by the mail server: counts towards the six.
    Rejected,
    /// An OAuth grant is over (`invalid_grant`, `interaction_required`): certain at once, sync stops.
    SignInEnded,
    /// Network, 5xx, busy: the same call may work later.
    Transient {
        retry_after: Option<Duration>,
    },
    /// Told to slow down. `whole_org`: every connection of the organisation must wait.
    RateLimited {
        retry_after: Option<Duration>,
        whole_org: bool,
    },
    /// The cursor is no longer known there: read all, compare with the links.
    CursorExpired,
    /// The version moved since it was read.
    Conflict,
    NotFound,
    /// This one item cannot be taken; it becomes an issue, the others go on.
    Invalid,
    /// Our own bug, a full disk, an answer that makes no sense. Nothing goes on.
    Fatal,
}

/// A failed call. `Display` is for the log and holds no secret and no item content.
#[derive(Debug)]
pub struct Fault {
    pub kind: FaultKind,
    /// The request may have taken effect although no answer came.
    pub in_doubt: bool,
    detail: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            in_doubt: false,
            detail: detail.into(),
            source: None,
        }
    }

    pub fn transient(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::Transient { retry_after: None }, detail)
    }

    pub fn fatal(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::Fatal, detail)
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        self.in_doubt = true;
        self
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// How long the other end asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            FaultKind::Transient { retry_after } | FaultKind::RateLimited { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.detail)?;
        if self.in_doubt {
            f.write_str(" (may have taken effect)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

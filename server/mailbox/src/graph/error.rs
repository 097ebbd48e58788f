//! What can go wrong between a request to Graph and its answer, and what it means for a session.
//! <https://learn.microsoft.com/graph/errors>

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tandem_net::{NetError, NetErrorKind};
use tandem_sync::{Fault, FaultKind};

/// An error that Graph itself reports: `{"error": {"code", "message"}}`, of a request or of one part of a batch.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    /// 0: no answer came for this part of a batch.
    pub(crate) status: u16,
    pub(crate) code: String,
    /// The server's own text. May name values: never logged.
    pub(crate) text: String,
    pub(crate) retry_after: Option<Duration>,
}

impl std::fmt::Debug for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.status)
            .field("code", &self.shown())
            .finish_non_exhaustive()
    }
}

impl Problem {
    /// A part of a batch whose answer is lost.
    pub(crate) fn lost() -> Self {
        Self {
            code: "noAnswer".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn too_large() -> Self {
        Self {
            status: 413,
            code: "tooLarge".to_owned(),
            ..Self::default()
        }
    }

    /// From a status and the JSON that came with it.
    pub(crate) fn of(status: u16, body: &Value, retry_after: Option<Duration>) -> Self {
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        Self {
            status,
            code: text("code"),
            text: text("message"),
            retry_after,
        }
    }

    fn is(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.code.eq_ignore_ascii_case(code))
    }

    /// A delta's token is not known any more. Graph says so with 410, or with any other refusal that has one of these
    /// codes. <https://learn.microsoft.com/graph/delta-query-overview#synchronization-reset>
    pub(crate) fn is_reset(&self) -> bool {
        self.status == 410
            || ((400..500).contains(&self.status)
                && self.is(&[
                    "SyncStateNotFound",
                    "SyncStateInvalid",
                    "ErrorInvalidSyncStateData",
                    "resyncRequired",
                    "resyncChangesApplyDifferences",
                    "resyncChangesUploadDifferences",
                ]))
    }

    /// There is no such item, or the id is none.
    pub(crate) fn is_missing(&self) -> bool {
        self.is(&[
            "ErrorItemNotFound",
            "ErrorFolderNotFound",
            "ErrorParentFolderNotFound",
            "ErrorInvalidIdMalformed",
            "ErrorInvalidId",
            "ErrorInvalidIdEmpty",
            "itemNotFound",
        ]) || (self.status == 404 && !self.is_no_mailbox())
    }

    /// The mailbox is full: said with 507, and nothing was done.
    fn is_full(&self) -> bool {
        self.is(&[
            "ErrorQuotaExceeded",
            "ErrorMailboxStoreQuotaExceeded",
            "quotaLimitReached",
        ])
    }

    /// The account has no mailbox in the cloud.
    pub(crate) fn is_no_mailbox(&self) -> bool {
        self.is(&[
            "MailboxNotEnabledForRESTAPI",
            "MailboxNotSupportedForRESTAPI",
            "MailboxNotFound",
            "ErrorNonExistentMailbox",
            "ErrorNoMailbox",
            "ErrorMissingEmailAddress",
        ])
    }

    pub(crate) fn kind(&self) -> FaultKind {
        let retry_after = self.retry_after;
        match self.status {
            _ if self.is_reset() => FaultKind::CursorExpired,
            _ if self.is_no_mailbox() => FaultKind::Rejected,
            _ if self.is_full() => FaultKind::Invalid,
            429 => FaultKind::RateLimited {
                retry_after,
                whole_org: false,
            },
            _ if self.is(&["ApplicationThrottled", "ErrorServerBusy", "TooManyRequests"]) => {
                FaultKind::RateLimited {
                    retry_after,
                    whole_org: false,
                }
            }
            401 => FaultKind::SignInEnded,
            403 => FaultKind::Rejected,
            _ if self.is_missing() => FaultKind::NotFound,
            409 | 412 => FaultKind::Conflict,
            413 => FaultKind::Fatal,
            0 | 408 | 500..=599 => FaultKind::Transient { retry_after },
            _ => FaultKind::Invalid,
        }
    }

    /// The server may have done what was asked although it says this.
    pub(crate) fn in_doubt(&self) -> bool {
        matches!(self.status, 0 | 408 | 500..=599)
            && !matches!(self.kind(), FaultKind::RateLimited { .. })
            && !self.is_full()
    }

    /// What the user is told.
    pub(crate) fn told(&self) -> String {
        if self.text.trim().is_empty() {
            self.shown().to_owned()
        } else {
            self.text.clone()
        }
    }

    /// The code for the log: codes are words, anything else a server might put there is not shown.
    pub(crate) fn shown(&self) -> &str {
        let code = self.code.as_str();
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if !code.is_empty() && code.len() <= 80 && code.bytes().all(is_word) {
            code
        } else {
            "an unreadable code"
        }
    }

    pub(crate) fn into_fault(self, operation: &str) -> Fault {
        if self.is_no_mailbox() {
            let text = format!("{operation}: {NotInCloud} ({})", self.shown());
            return Fault::new(self.kind(), text).caused_by(NotInCloud);
        }
        let text = format!("{operation} answered {} {}", self.status, self.shown());
        Fault::new(self.kind(), text)
    }
}

/// Why a fault says [`FaultKind::Rejected`].
#[derive(Debug, thiserror::Error)]
#[error("this account has no mailbox in Exchange Online")]
struct NotInCloud;

/// Whether a call failed because the account's mailbox is not in the cloud: on-premises, or not there at all.
pub fn not_in_cloud(fault: &Fault) -> bool {
    std::error::Error::source(fault).is_some_and(<dyn std::error::Error>::is::<NotInCloud>)
}

/// Why a call has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// A status that came without Graph's own error.
    #[error("HTTP status {status}")]
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// Well-formed or not, it is none of Graph's answers.
    #[error("the answer is not from Microsoft Graph: {0}")]
    NotGraph(&'static str),
    #[error("the server answered {} {}", .0.status, .0.shown())]
    Answered(Problem),
    /// No token is to be had, or the fresh one was refused, too: nothing was done.
    #[error(transparent)]
    SignIn(Fault),
    /// The server named a place that is not its own.
    #[error("a link of the answer leads somewhere else")]
    Elsewhere,
}

impl CallError {
    /// Whether a write may have been done all the same.
    pub(crate) fn in_doubt(&self) -> bool {
        match self {
            Self::Net(error) => error.may_have_taken_effect(),
            // Said by what stands before Graph, which may have lost the answer to what was done.
            Self::Status { status, .. } => status.is_server_error(),
            Self::NotGraph(_) => true,
            Self::Answered(problem) => problem.in_doubt(),
            Self::SignIn(_) | Self::Elsewhere => false,
        }
    }

    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Self::Net(error) if error.kind.may_pass() => FaultKind::Transient { retry_after: None },
            Self::Status { status, retry_after } => match status.as_u16() {
                401 => FaultKind::SignInEnded,
                403 => FaultKind::Rejected,
                429 => FaultKind::RateLimited {
                    retry_after: *retry_after,
                    whole_org: false,
                },
                408 | 500..=599 => FaultKind::Transient {
                    retry_after: *retry_after,
                },
                _ => FaultKind::Fatal,
            },
            Self::Net(_) | Self::NotGraph(_) | Self::Elsewhere => FaultKind::Fatal,
            Self::Answered(problem) => problem.kind(),
            Self::SignIn(fault) => fault.kind,
        }
    }

    pub(crate) fn too_large(&self) -> bool {
        matches!(self, Self::Net(error) if error.kind == NetErrorKind::TooLarge)
    }

    /// `write`: the request was to change something.
    pub(crate) fn into_fault(self, operation: &str, write: bool) -> Fault {
        let in_doubt = write && self.in_doubt();
        let fault = match self {
            Self::SignIn(fault) => fault,
            Self::Answered(problem) => problem.into_fault(operation),
            error => {
                let fault = Fault::new(error.kind(), format!("{operation}: {error}"));
                match error {
                    Self::Net(error) => fault.caused_by(error),
                    _ => fault,
                }
            }
        };
        if in_doubt { fault.in_doubt() } else { fault }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(status: u16, code: &str) -> Problem {
        Problem::of(
            status,
            &json!({"error": {"code": code, "message": "geheim", "innerError": {"date": "x"}}}),
            None,
        )
    }

    #[test]
    fn kinds_of_problems() {
        let transient = FaultKind::Transient { retry_after: None };
        let busy = FaultKind::RateLimited {
            retry_after: None,
            whole_org: false,
        };
        let rows = [
            (410, "SyncStateNotFound", FaultKind::CursorExpired),
            (410, "", FaultKind::CursorExpired),
            (400, "syncStateNotFound", FaultKind::CursorExpired),
            (404, "resyncRequired", FaultKind::CursorExpired),
            (404, "ErrorItemNotFound", FaultKind::NotFound),
            (400, "ErrorInvalidIdMalformed", FaultKind::NotFound),
            (404, "MailboxNotEnabledForRESTAPI", FaultKind::Rejected),
            (403, "ErrorAccessDenied", FaultKind::Rejected),
            (401, "InvalidAuthenticationToken", FaultKind::SignInEnded),
            (429, "ApplicationThrottled", busy),
            (503, "ErrorServerBusy", busy),
            (503, "serviceNotAvailable", transient),
            (500, "ErrorInternalServerError", transient),
            (412, "ErrorIrresolvableConflict", FaultKind::Conflict),
            (400, "ErrorInvalidRequest", FaultKind::Invalid),
            (507, "ErrorQuotaExceeded", FaultKind::Invalid),
        ];
        for (status, code, kind) in rows {
            assert_eq!(problem(status, code).kind(), kind, "{status} {code}");
        }
        assert!(not_in_cloud(
            &problem(404, "MailboxNotEnabledForRESTAPI").into_fault("GET")
        ));
        assert!(!not_in_cloud(
            &problem(403, "ErrorAccessDenied").into_fault("GET")
        ));
        assert_eq!(Problem::lost().kind(), transient);
        assert!(Problem::lost().in_doubt() && problem(500, "x").in_doubt());
        assert!(!problem(429, "x").in_doubt() && !problem(412, "x").in_doubt());
        assert!(!problem(503, "ErrorServerBusy").in_doubt());
        assert!(!problem(507, "ErrorQuotaExceeded").in_doubt());
    }

    #[test]
    fn what_a_server_says_is_not_logged() {
        let problem = problem(400, "<b>geheim</b>");
        assert!(!format!("{problem:?}").contains("geheim"));
        assert!(!problem.clone().into_fault("GET").to_string().contains("geheim"));
        assert_eq!(problem.told(), "geheim");
        assert!(!CallError::Answered(problem).to_string().contains("geheim"));
    }
}

//! What can go wrong between a request and its answer, and what it means for a session.

use std::time::Duration;

use http::StatusCode;
use tandem_net::{NetError, NetErrorKind};
use tandem_sync::{Fault, FaultKind};

use crate::auth::DoorError;
use crate::xml::XmlError;

/// An error that Exchange itself reports: a SOAP fault, or one message of a response.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode>
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ResponseError {
    pub(crate) code: String,
    /// The server's own text. May name values: never logged.
    pub(crate) text: String,
    /// `BackOffMilliseconds`.
    pub(crate) backoff: Option<Duration>,
    /// `InnerErrorResponseCode`.
    pub(crate) inner: Option<String>,
}

impl std::fmt::Debug for ResponseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseError")
            .field("code", &self.code)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl ResponseError {
    pub(crate) fn kind(&self) -> FaultKind {
        let busy = FaultKind::RateLimited {
            retry_after: self.backoff,
            whole_org: false,
        };
        if let Some(inner) = self.inner.as_deref().filter(|inner| *inner != self.code) {
            let kind = kind_of(inner, self.backoff);
            if matches!(kind, FaultKind::RateLimited { .. }) {
                return kind;
            }
        }
        if self.backoff.is_some() && self.code == "ErrorInternalServerError" {
            return busy;
        }
        kind_of(&self.code, self.backoff)
    }

    /// The server may have done what was asked although it says this.
    pub(crate) fn in_doubt(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ErrorTimeoutExpired" | "ErrorInternalServerError" | "ErrorConnectionFailed"
        ) && !matches!(self.kind(), FaultKind::RateLimited { .. })
    }

    pub(crate) fn is_missing_item(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ErrorItemNotFound"
                | "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
                | "ErrorRecurrenceHasNoOccurrence"
                // An id that cannot be one names nothing.
                | "ErrorInvalidIdMalformed"
        )
    }

    pub(crate) fn is_missing_folder(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ErrorFolderNotFound" | "ErrorParentFolderNotFound" | "ErrorToFolderNotFound"
        )
    }

    pub(crate) fn into_fault(self, operation: &str) -> Fault {
        Fault::new(self.kind(), format!("{operation} answered {}", shown(&self.code)))
    }
}

fn kind_of(code: &str, backoff: Option<Duration>) -> FaultKind {
    match code {
        "ErrorServerBusy"
        | "ErrorExceededConnectionCount"
        | "ErrorTooManyObjectsOpened"
        | "ErrorRequestThrottled" => FaultKind::RateLimited {
            retry_after: backoff,
            whole_org: false,
        },
        "ErrorAccessDenied"
        | "ErrorAccountDisabled"
        | "ErrorNonExistentMailbox"
        | "ErrorNoMailbox"
        | "ErrorMissingEmailAddress"
        | "ErrorMailboxConfiguration"
        | "ErrorPasswordExpired"
        | "ErrorPasswordChangeRequired"
        | "ErrorClientDisabled"
        | "ErrorUserNotAllowedByPolicy"
        | "ErrorCallerIsInvalidADAccount"
        | "ErrorImpersonationDenied"
        | "ErrorTokenSerializationDenied" => FaultKind::Rejected,
        "ErrorInvalidSyncStateData" | "ErrorSyncFolderNotFound" => FaultKind::CursorExpired,
        "ErrorIrresolvableConflict" | "ErrorStaleObject" | "ErrorChangeKeyRequiredForWriteOperations" => {
            FaultKind::Conflict
        }
        "ErrorItemNotFound"
        | "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
        | "ErrorRecurrenceHasNoOccurrence"
        | "ErrorFolderNotFound"
        | "ErrorParentFolderNotFound"
        | "ErrorToFolderNotFound" => FaultKind::NotFound,
        "ErrorInternalServerError"
        | "ErrorInternalServerTransientError"
        | "ErrorTimeoutExpired"
        | "ErrorConnectionFailed"
        | "ErrorConnectionFailedTransientError"
        | "ErrorMailboxStoreUnavailable"
        | "ErrorMailboxMoveInProgress"
        | "ErrorMailboxFailover"
        | "ErrorNotEnoughMemory"
        | "ErrorInsufficientResources"
        | "ErrorADUnavailable"
        | "ErrorADOperation"
        | "ErrorADSessionFilter"
        | "ErrorNoRespondingCASInDestinationSite"
        | "ErrorNoDestinationCASDueToVersionMismatch"
        | "ErrorProxyRequestProcessingFailed"
        | "ErrorProxiedSubscriptionCallFailure"
        | "ErrorBatchProcessingStopped"
        | "ErrorSessionTimeout"
        | "ErrorOperationTimedOut" => FaultKind::Transient { retry_after: backoff },
        "ErrorSchemaValidation"
        | "ErrorInvalidRequest"
        | "ErrorInvalidServerVersion"
        | "ErrorIncorrectSchemaVersion"
        | "ErrorInvalidOperation" => FaultKind::Fatal,
        _ => FaultKind::Invalid,
    }
}

/// A code for the log: codes are words, anything else a server might put there is not shown.
pub(crate) fn shown(code: &str) -> &str {
    if !code.is_empty() && code.len() <= 80 && code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        code
    } else {
        "an unreadable code"
    }
}

/// Why a call has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// An HTTP status that stands for itself.
    #[error("HTTP status {status}")]
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    #[error("the answer cannot be read: {0}")]
    Xml(#[from] XmlError),
    /// Well-formed or not, it is no SOAP.
    #[error("the answer is not from Exchange Web Services")]
    NotExchange,
    #[error("the server answered {}", shown(&.0.code))]
    Response(ResponseError),
    /// The password was refused before in this session: nothing was sent.
    #[error("the password was refused before in this session")]
    AlreadyRefused,
    /// The password could not be shown: the server, or what stands before it, does not sign in as we do.
    #[error("{0}")]
    SignIn(String),
}

impl From<DoorError> for CallError {
    fn from(error: DoorError) -> Self {
        match error {
            DoorError::Net(error) => Self::Net(error),
            DoorError::NotOffered(_) | DoorError::NotKept | DoorError::Challenge(_) => {
                Self::SignIn(error.to_string())
            }
        }
    }
}

impl CallError {
    /// Whether a write may have been done all the same.
    pub(crate) fn in_doubt(&self) -> bool {
        match self {
            Self::Net(error) => error.may_have_taken_effect(),
            // 503 is said instead of an answer by what stands before Exchange; the others may be said after the effect.
            Self::Status { status, .. } => {
                status.is_server_error() && *status != StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Xml(_) | Self::NotExchange => true,
            Self::Response(error) => error.in_doubt(),
            Self::AlreadyRefused | Self::SignIn(_) => false,
        }
    }

    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Self::Net(error) if error.kind.may_pass() => FaultKind::Transient { retry_after: None },
            Self::Status { status, retry_after } => match status.as_u16() {
                401 | 403 => FaultKind::Rejected,
                429 => FaultKind::RateLimited {
                    retry_after: *retry_after,
                    whole_org: false,
                },
                408 | 500..=599 => FaultKind::Transient {
                    retry_after: *retry_after,
                },
                _ => FaultKind::Fatal,
            },
            Self::Xml(XmlError::Cut) => FaultKind::Transient { retry_after: None },
            Self::Net(_) | Self::Xml(_) | Self::NotExchange => FaultKind::Fatal,
            Self::Response(error) => error.kind(),
            Self::AlreadyRefused | Self::SignIn(_) => FaultKind::Rejected,
        }
    }

    pub(crate) fn too_large(&self) -> bool {
        match self {
            Self::Net(error) => error.kind == NetErrorKind::TooLarge,
            Self::Xml(error) => matches!(error, XmlError::Limit(_)),
            _ => false,
        }
    }

    /// `write`: the request was to change something.
    pub(crate) fn into_fault(self, operation: &str, write: bool) -> Fault {
        let fault = Fault::new(self.kind(), format!("{operation}: {self}"));
        let fault = if write && self.in_doubt() {
            fault.in_doubt()
        } else {
            fault
        };
        match self {
            Self::Net(error) => fault.caused_by(error),
            Self::Xml(error) => fault.caused_by(error),
            _ => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> ResponseError {
        ResponseError {
            code: code.to_owned(),
            ..ResponseError::default()
        }
    }

    #[test]
    fn a_busy_server_is_known_in_all_its_forms() {
        let wait = Some(Duration::from_millis(1500));
        let busy = FaultKind::RateLimited {
            retry_after: wait,
            whole_org: false,
        };
        let plain = ResponseError {
            backoff: wait,
            ..error("ErrorServerBusy")
        };
        let nested = ResponseError {
            backoff: wait,
            inner: Some("ErrorServerBusy".to_owned()),
            ..error("ErrorInternalServerError")
        };
        let hinted = ResponseError {
            backoff: wait,
            ..error("ErrorInternalServerError")
        };
        for e in [plain, nested, hinted] {
            assert_eq!(e.kind(), busy, "{e:?}");
            assert!(!e.in_doubt());
        }
        assert!(error("ErrorInternalServerError").in_doubt());
    }

    #[test]
    fn statuses() {
        let status = |code: u16| CallError::Status {
            status: StatusCode::from_u16(code).unwrap(),
            retry_after: None,
        };
        assert_eq!(status(401).kind(), FaultKind::Rejected);
        assert_eq!(status(403).kind(), FaultKind::Rejected);
        assert_eq!(status(503).kind(), FaultKind::Transient { retry_after: None });
        assert!(
            !status(503).in_doubt()
                && status(502).in_doubt()
                && status(500).in_doubt()
                && !status(401).in_doubt()
        );
        assert_eq!(status(404).kind(), FaultKind::Fatal);
        assert_eq!(status(302).kind(), FaultKind::Fatal);
    }

    #[test]
    fn what_a_server_puts_into_its_code_or_text_is_not_logged() {
        let e = ResponseError {
            text: "geheim".to_owned(),
            ..error("<script> geheim")
        };
        assert!(!format!("{e:?}").contains("geheim") || !e.text.is_empty());
        let fault = e.into_fault("GetItem");
        assert!(!fault.to_string().contains("geheim"), "{fault}");
    }
}

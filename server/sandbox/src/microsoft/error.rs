//! Refusals in Microsoft's words: the code of OAuth, and the number behind it that changes without notice.
//!
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

use serde_json::{Value, json};

/// What goes wrong; shown as JSON, as a page, or as the query of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Of the token endpoint.
    pub(crate) status: u16,
    /// What a client branches on: `invalid_grant`.
    pub(crate) error: &'static str,
    /// `AADSTS` and this.
    pub(crate) number: u32,
    pub(crate) text: String,
    pub(crate) suberror: Option<&'static str>,
    /// What the next sign-in must bring along: JSON.
    pub(crate) claims: Option<String>,
}

impl Trouble {
    pub(crate) fn new(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self {
            status: if error == "invalid_client" { 401 } else { 400 },
            error,
            number,
            text: text.into(),
            suberror: None,
            claims: None,
        }
    }

    pub(crate) fn grant(number: u32, text: impl Into<String>) -> Self {
        Self::new("invalid_grant", number, text)
    }

    pub(crate) fn request(number: u32, text: impl Into<String>) -> Self {
        Self::new("invalid_request", number, text)
    }

    /// A parameter that is not there.
    pub(crate) fn without(parameter: &str) -> Self {
        Self::request(
            900_144,
            format!("The request body must contain the following parameter: '{parameter}'."),
        )
    }

    pub(crate) fn blocked() -> Self {
        Self::grant(50_057, "The user account is disabled.")
    }

    /// Somebody has to agree first.
    pub(crate) fn consent(client: &str) -> Self {
        Self::new(
            "consent_required",
            65_001,
            format!(
                "The user or administrator has not consented to use the application with ID '{client}' named 'Tandem'. \
                 Send an interactive authorization request for this user and resource."
            ),
        )
    }

    /// The organisation wants more than a password. `error` is `interaction_required`, or `invalid_grant` as
    /// confidential clients have been told as well.
    pub(crate) fn more(error: &'static str, claims: String) -> Self {
        let mut trouble = Self::new(
            error,
            50_076,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you \
             must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'.",
        );
        trouble.suberror = Some("basic_action");
        trouble.claims = Some(claims);
        trouble
    }

    pub(crate) fn sub(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The whole sentence as Microsoft ends it.
    pub(crate) fn description(&self, ids: &Ids) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}",
            self.number, self.text, ids.trace, ids.correlation, ids.timestamp
        )
    }

    pub(crate) fn to_json(&self, ids: &Ids) -> Value {
        let mut out = json!({
            "error": self.error,
            "error_description": self.description(ids),
            "error_codes": [self.number],
            "timestamp": ids.timestamp,
            "trace_id": ids.trace,
            "correlation_id": ids.correlation,
            "error_uri": format!("{}/error?code={}", ids.origin, self.number),
        });
        if let Some(suberror) = self.suberror {
            out["suberror"] = json!(suberror);
        }
        if let Some(claims) = &self.claims {
            out["claims"] = json!(claims);
        }
        out
    }
}

/// By what Microsoft's support finds a request again.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) origin: String,
    pub(crate) trace: String,
    /// The client's own `client-request-id` where it sends one.
    pub(crate) correlation: String,
    /// `2026-11-02 02:02:12Z`
    pub(crate) timestamp: String,
}

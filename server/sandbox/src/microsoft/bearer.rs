//! What the directory tells the services that take its access tokens.

/// Who shows a token, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// The account's mail address (that of its mailbox, if it has one), as the directory has it now.
    pub(crate) address: String,
    /// The user principal name; mostly the address.
    pub(crate) username: String,
    /// The object id in the directory, a GUID.
    pub(crate) object_id: String,
    /// Given name and surname.
    pub(crate) name: String,
    /// As asked for and granted, without `openid`, `profile`, `offline_access`: `Mail.ReadWrite`.
    pub(crate) scopes: Vec<String>,
    /// The directory's id, a GUID.
    pub(crate) tenant: String,
}

impl Granted {
    /// Whether a scope is there; `Mail.ReadWrite` is also `Mail.Read`.
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|have| {
            have.eq_ignore_ascii_case(scope)
                || have
                    .get(..scope.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(scope) && have[scope.len()..] == *"Write")
        })
    }
}

/// Why a token is no good: the answer is 401 in all cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Never issued here, or not for Graph.
    Unknown,
    /// Its life is over.
    Expired,
    /// Ended before its time: revoked, or the account is blocked.
    Revoked,
    /// The organisation demands more (`WWW-Authenticate: Bearer …, error="insufficient_claims", claims="<base64>"`);
    /// this is the JSON text, not yet encoded.
    Claims(String),
}

use async_trait::async_trait;
use secrecy::SecretString;
use tandem_sync::Fault;

/// The right to call Graph, as it stands now. `Debug` does not show the token.
#[derive(Clone, Debug)]
pub struct Bearer {
    pub token: SecretString,
    /// Grows with every refresh of the connection's grant.
    pub version: i64,
}

/// The tokens of one connection. Implemented over the store: a new refresh token is durable before the access token that
/// came with it is given out, and there is one refresh at a time, over all processes.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The access token to start with, refreshed before it expires ([`TokenSet::refresh_at`](super::TokenSet)); it may
    /// have been ended all the same.
    async fn access(&self) -> Result<Bearer, Fault>;

    /// Called when Graph has refused the token of `stale_version`: refreshes, unless someone has since then.
    ///
    /// # Errors
    /// [`FaultKind::SignInEnded`](tandem_sync::FaultKind::SignInEnded) when the grant is over;
    /// [`claims_of`](super::claims_of) says what the next sign-in must bring along.
    async fn refreshed(&self, stale_version: i64) -> Result<Bearer, Fault>;

    /// Graph demands more of the next sign-in than this one had: kept until then.
    async fn challenged(&self, _claims: &str) {}
}

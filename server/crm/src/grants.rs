use async_trait::async_trait;
use secrecy::SecretString;
use tandem_sync::Fault;
use url::Url;

/// The right to call the API, as it stands now.
#[derive(Clone, Debug)]
pub struct Access {
    pub token: SecretString,
    /// Where to call: from the latest token answer.
    pub instance_url: Url,
    /// Grows with every refresh of the connection's grant.
    pub version: i64,
}

/// The tokens of one connection. Implemented over the store: a rotated refresh token is durable before the access token
/// that came with it is given out, and there is one refresh at a time, over all processes.
#[async_trait]
pub trait Grants: Send + Sync {
    /// The access token to start with; it may have expired.
    async fn access(&self) -> Result<Access, Fault>;

    /// Called when Salesforce has refused the token of `stale_version`: refreshes, unless someone has since then. Must
    /// bring a refresh that was begun to its end even if the returned future is dropped: the old token is dead by then.
    ///
    /// # Errors
    /// [`FaultKind::SignInEnded`](tandem_sync::FaultKind::SignInEnded) when the grant is over.
    async fn refreshed(&self, stale_version: i64) -> Result<Access, Fault>;
}

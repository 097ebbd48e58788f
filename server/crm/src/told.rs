//! A question that need not be asked, since the organisation's integration user has asked it for everybody.

use async_trait::async_trait;
use tandem_sync::fan_in::Question;
use tandem_types::Timestamp;

/// What the organisation's integration user has told, for one connection and one session. Implemented over the store.
#[async_trait]
pub trait Told: Send + Sync {
    /// The number of its latest answer; 0: there is none. Called before the session asks anything by itself.
    async fn number(&self) -> i64;

    /// Up to which stamp, by Salesforce's clock, the question would bring nothing; `None`: ask. Whatever is not certain, a
    /// database that does not answer included, is `None`.
    async fn quiet(&self, question: &Question) -> Option<Timestamp>;
}

//! The true clock and the true dice: the only place of the server that asks for either.

use std::time::Duration;

use async_trait::async_trait;
use tandem_sync::ports::{Clock, Rng};
use tandem_types::Timestamp;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Runs faster than the operating system's, beside a sandbox that does the same. What waits for a network waits as long as
/// ever.
#[cfg(feature = "sandbox")]
#[derive(Clone, Copy, Debug)]
pub struct HurriedClock(pub tandem_sandbox::Hurry);

#[cfg(feature = "sandbox")]
#[async_trait]
impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.at(SystemClock.now().0))
    }

    async fn sleep(&self, duration: Duration) {
        let speed = u32::try_from(self.0.speed()).unwrap_or(1);
        SystemClock.sleep(duration / speed).await;
    }
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where randomness comes in"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        // Without random numbers nothing here is safe; there is no way to go on.
        getrandom::fill(bytes).expect("the operating system gives random numbers");
    }
}

/// 32 random bytes.
pub fn random_32(rng: &dyn Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    bytes
}

/// A new id: 32 hexadecimal digits.
///
/// # Panics
/// Never: the digits are made here.
pub fn new_id<T: std::str::FromStr>(rng: &dyn Rng) -> T {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    match format!("{:032x}", u128::from_be_bytes(bytes)).parse() {
        Ok(id) => id,
        Err(_) => unreachable!("32 hexadecimal digits are an id"),
    }
}

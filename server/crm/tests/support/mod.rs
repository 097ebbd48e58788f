//! What the tests of this crate share: a clock that can be moved, and a client that may reach this machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tandem_crm::{ApiConfig, DescribeCache, Platform};
use tandem_net::{Net, NetConfig, Schemes};
use tandem_sync::ports::Clock;
use tandem_types::Timestamp;

/// The machine's time plus what a test has added. Sleeping moves it on and takes no time.
pub(crate) struct TestClock {
    ahead: AtomicI64,
    pub(crate) sleeps: AtomicUsize,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            ahead: AtomicI64::new(0),
            sleeps: AtomicUsize::new(0),
        })
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.ahead.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the sandbox lives in the machine's time"
        )]
        let real = std::time::SystemTime::now();
        let micros = real.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        Timestamp(i64::try_from(micros).unwrap() + self.ahead.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        self.ahead
            .fetch_add(i64::try_from(duration.as_micros()).unwrap(), Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

pub(crate) fn platform(net: Net, clock: &Arc<TestClock>, timeout: Duration) -> Platform {
    Platform {
        net,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        cache: Arc::new(DescribeCache::default()),
        config: ApiConfig {
            schemes: Schemes::HttpToo,
            timeout,
            ..ApiConfig::default()
        },
        meters: Arc::default(),
    }
}

pub(crate) fn loopback_net(extra_roots_pem: Vec<Vec<u8>>) -> Net {
    Net::new(&NetConfig {
        allow_loopback: true,
        extra_roots_pem,
        ..NetConfig::default()
    })
    .unwrap()
}

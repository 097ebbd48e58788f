//! How often one address may begin a sign-in, or redeem a code: each leaves a row behind, and a code can be guessed.
//!
//! The trials of passwords are counted apart, for each mailbox and pane, in the database (see [`crate::trials`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use tandem_app::text::SignInFailure;
use tandem_net::Network;
use tandem_types::ApiError;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::App;
use super::auth::notice;

/// At once; a whole company may come from one address on a Monday morning.
const BURST: u32 = 240;
/// Then one more in this time.
const PERIOD: Duration = Duration::from_millis(500);
/// Addresses that have their full allowance again are forgotten this often.
const FORGET: Duration = Duration::from_mins(10);
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whose connection it is; stands in the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The client, as far as the proxies before us are trusted to know it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    trusted: Arc<[Network]>,
}

impl KeyExtractor for Client {
    type Key = IpAddr;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<IpAddr, GovernorError> {
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Ok(household(self.behind(peer, request.headers())))
    }
}

impl Client {
    /// Each proxy appends whom it saw: from the end, the first that is no proxy of ours. What stands before that one is
    /// only said.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let said = headers.get_all(FORWARDED_FOR).iter().rev();
        let said = said
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.rsplit(','));
        let mut client = peer.to_canonical();
        for hop in said {
            if !self.trusted.iter().any(|network| network.contains(client)) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(before) => client = before.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

/// One household has as many addresses of IPv6 as it likes, all in one network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Limits the pages of the sign-in windows and the calls that belong to them, together.
pub(super) fn limited(app: &App, windows: Router<App>, calls: Router<App>) -> Router<App> {
    let client = Client {
        trusted: app.config.trusted_proxies.clone().into(),
    };
    let config = GovernorConfigBuilder::default()
        .period(PERIOD)
        .burst_size(BURST)
        .key_extractor(client)
        .finish();
    // Only a limit of nothing is none.
    let Some(config) = config.map(Arc::new) else {
        return windows.merge(calls);
    };
    let (seen, clock, stop) = (
        Arc::clone(config.limiter()),
        Arc::clone(&app.clock),
        app.stop.clone(),
    );
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            clock.sleep(FORGET).await;
            seen.retain_recent();
            seen.shrink_to_fit();
        }
    }));
    let said = app.clone();
    let page = GovernorLayer::new(Arc::clone(&config)).error_handler(move |error| {
        let page = notice::page(&said, StatusCode::TOO_MANY_REQUESTS, SignInFailure::TooOften);
        told(page, seconds(&error))
    });
    let call = GovernorLayer::new(config).error_handler(|error| {
        let seconds = seconds(&error);
        let json = (StatusCode::TOO_MANY_REQUESTS, Json(ApiError::TooOften(seconds)));
        told(json.into_response(), seconds)
    });
    windows.layer(page).merge(calls.layer(call))
}

/// Rounded up: not a moment too early.
fn seconds(error: &GovernorError) -> u32 {
    match error {
        GovernorError::TooManyRequests { wait_time, .. } => u32::try_from(wait_time + 1).unwrap_or(u32::MAX),
        GovernorError::UnableToExtractKey | GovernorError::Other { .. } => 1,
    }
}

fn told(mut response: Response, seconds: u32) -> Response<Body> {
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, said: &[&str]) -> IpAddr {
        let client = Client {
            trusted: trusted.iter().map(|network| network.parse().unwrap()).collect(),
        };
        let mut request = http::Request::new(());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        for value in said {
            request
                .headers_mut()
                .append(FORWARDED_FOR, value.parse().unwrap());
        }
        client.extract(&request).unwrap()
    }

    fn is(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_client_is_whom_the_last_trusted_proxy_saw() {
        let ours = ["10.0.0.0/8", "::1"];
        assert_eq!(
            client(&[], "203.0.113.7", &["198.51.100.1"]),
            is("203.0.113.7"),
            "only said"
        );
        assert_eq!(client(&ours, "203.0.113.7", &["198.51.100.1"]), is("203.0.113.7"));
        assert_eq!(client(&ours, "10.1.2.3", &["198.51.100.1"]), is("198.51.100.1"));
        assert_eq!(
            client(&ours, "::ffff:10.1.2.3", &["198.51.100.1"]),
            is("198.51.100.1")
        );
        // Whoever writes the header himself is found all the same.
        let lied = ["198.51.100.66", "192.0.2.9, 198.51.100.1 ,10.9.9.9"];
        assert_eq!(client(&ours, "10.1.2.3", &lied), is("198.51.100.1"));
        assert_eq!(
            client(&ours, "10.1.2.3", &["198.51.100.1, nonsense"]),
            is("10.1.2.3")
        );
        assert_eq!(client(&ours, "10.1.2.3", &[]), is("10.1.2.3"));
        let own = client(&ours, "2001:db8:1:2:3:4:5:6", &[]);
        assert_eq!(own, client(&ours, "2001:db8:1:2:ffff::1", &[]), "one household");
        assert_ne!(own, client(&ours, "2001:db8:1:3::1", &[]));
    }
}

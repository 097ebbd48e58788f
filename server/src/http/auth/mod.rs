//! Sign-in with Salesforce, and how its result gets into the pane.
//!
//! A cookie set in the sign-in window does not reach the pane inside Outlook's frame. So the window finishes OAuth here,
//! hands the pane a one-time code, and the pane trades it, with a nonce that only it knows, for a session of its own.

pub(crate) mod callback;
mod goal;
pub(crate) mod handover;
mod integration_user;
pub(crate) mod microsoft;
pub(crate) mod notice;
pub(crate) mod renew;
mod salesforce_account;
pub(crate) mod start;

/// Ties the sign-in window to the flow that it started: without it a stranger's sign-in could be grafted on.
const FLOW_COOKIE: &str = "__Host-tandem-flow";
/// The same for Microsoft: both windows may be open at once.
const MICROSOFT_COOKIE: &str = "__Host-tandem-flow-ms";
/// A sign-in takes no longer.
const FLOW_SECONDS: i64 = 600;
/// From the end of the sign-in until the pane has fetched its session.
const CODE_SECONDS: i64 = 60;
/// Until a code that has to be typed has been typed.
const TYPED_SECONDS: i64 = 120;
/// Wrong codes for one nonce in 15 minutes.
pub(crate) const CODE_TRIES: u32 = 5;

/// 64 lower-case hexadecimal digits as 32 bytes.
fn parse_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64
        || !text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// What the store keeps of a code: the nonce goes in, so that a code of another pane is a different row.
pub(crate) fn code_hash(code: &str, nonce_hash: &[u8; 32]) -> [u8; 32] {
    let mut text = code.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(nonce_hash);
    super::session::hash(&text)
}

/// A cookie that ties the window to the flow that it started; for the window alone.
fn flow_cookie(name: &str, value: &str) -> Option<http::HeaderValue> {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={FLOW_SECONDS}")
        .parse()
        .ok()
}

/// Six decimal digits from random bytes, without a bias that matters.
fn six_digits(random: &[u8; 32]) -> String {
    let mut number = [0; 16];
    number.copy_from_slice(&random[..16]);
    format!("{:06}", u128::from_be_bytes(number) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_64_lower_case_digits() {
        assert_eq!(parse_hash(&"0a".repeat(32)), Some([10; 32]));
        for wrong in [
            String::new(),
            "0a".repeat(31),
            "0A".repeat(32),
            "zz".repeat(32),
            "é".repeat(32),
        ] {
            assert_eq!(parse_hash(&wrong), None, "{wrong}");
        }
    }
}

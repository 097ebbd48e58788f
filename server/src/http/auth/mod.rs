//! Sign-in with Salesforce, and how its result gets into the pane.
//!
//! A cookie set in the sign-in window does not reach the pane inside Outlook's frame. So the window finishes OAuth here,
//! hands the pane a one-time code, and the pane trades it, with a nonce that only it knows, for a session of its own.

pub(crate) mod callback;
pub(crate) mod handover;
mod notice;
pub(crate) mod renew;
pub(crate) mod start;

/// Ties the sign-in window to the flow that it started: without it a stranger's sign-in could be grafted on.
const FLOW_COOKIE: &str = "__Host-tandem-flow";
/// A sign-in takes no longer.
const FLOW_SECONDS: i64 = 600;
/// From the end of the sign-in until the pane has fetched its session.
const CODE_SECONDS: i64 = 60;
/// Wrong codes for one nonce in 15 minutes.
const CODE_TRIES: u32 = 5;

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
fn code_hash(code: &str, nonce_hash: &[u8; 32]) -> [u8; 32] {
    let mut text = code.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(nonce_hash);
    super::session::hash(&text)
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

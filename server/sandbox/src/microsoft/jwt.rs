//! Signed tokens: RS256, as Microsoft signs.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// PKCS #8 of an RSA key of 2048 bits. It signs for sandboxes only and everybody may know it: an RSA key takes seconds
/// to make, and the libraries at hand make none.
const KEY: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC6Y5R9qCPdKHs20Um2A+26qItgxdvYR7/YbaLH4ZSJbRmiW6nY\
    Xk7EMku/xxHIx+INEHpkyflytlXKNjHpQgp3TwdTBka9Zfz/uspn/dp6t7bYlSoGs1ZLna0g6RYw2E8s9AgB3hkxRX+OCQsk/PTN\
    Lt/ZHJhSiMvdL6UVes+JzoQ5w0TgpGgf6mW2z2ubhWNjnLRQKAU3fQHCUtVfzPvwrqkgIWdo2OJMF4gioOddTWz9J2q8jRV1F6jy\
    bhqTlV/tqE6zEO5wswmJ95vRCSEIQOVdKCXOknT80Zs7UM8+WgMP7OwthhPq/gW9emXiKgZv96BEgy/3ZeK5S83WUvhHAgMBAAEC\
    ggEAD4ehhTC/wDsRvRkGB7zfD2jgqBEERsp/oRRNdlME0ch91MnHZohBDtbT+egnwq9o1cbUM9aiSp0Hm+AVG4bNoXA7v36r4TcA\
    s/wHxk9f506sVPJkvIcvvwAlvzK8jxhOzIOOsT0kozbTsG1veMb8zKXFr+zSgjn0pnrESfxgE261kOYNIDdle1cb+22jnCX2JKA6\
    jj67gwNGGeaG+ZjXLjJyKT7wlz7q1idwvzKXYaYBwMGbLiKbHnA4f3fq17LJsmD7IqNKxvOEGWFlw6c3tddZJ4Y8lKxOyPLcYFPH\
    KYW9/L5Oi7Fn9mfYXvhNrQ/YTFrSwgXuGb/KhDynW4T3pQKBgQDsaKSLtRtUs/PCz8R3IQRnYfqQn/E2MrmFDKZ3pqqYTkAtYrXc\
    zkxfMoMgnMvwUB+9AGDieiPyMwLDL1uENoh4HnsOuoH5+hWLzWzEtEH9QSxbWNcQmhu8GUoOwTbpI2gn0znsx4uiS/RlNT+KaDiD\
    V00EeThscmrgNHFK/SGINQKBgQDJ1cd/eBHMYlkq4edMoH+cdNotsut0/k3OvskuV8rM4hd0CtFainHJEXTDecRvdQEVbZShEnvU\
    8H2ini4ptWrKvApecFKBHzCO4HRIfpktnsJC2xDHboJT2IFeVgqjor5PG2Yq7a5SyBeJwY8BAwadmU4s1MzhHfxJYUkUCMlmCwKB\
    gE1VFa5VufEFRJHPYRcPB9/BnzM7/q2Z/jHVp4awUFGuFzRBe/gUy8rAPUCnydZ8f0VWIFs1VRjfMuIiVa90H0QbxGlW/TmGYxHu\
    Ssw1ovhzH01qTD+0CaqIIz+cWJf+6w1L/UDFLZoTeoi42GYwHXxpTFpQRPLEos1gmkbLcvKZAoGACjDWEtSQKX6pu+WOFSthZhfs\
    UDRheRXB/fdaFxHttmyP/JbzPRwSZLGR8LC8P1hsBpXy1DMnt3exED3mXMrBKp1V9LC9KbHWdNBWbradq1UBv/hpn3gv8mXTGl1D\
    ykFUVJAwl2hKzfk2Xwk73DQ36EsuTEsuUQt/ioDz/KP470MCgYEA1VNtD5d/WiOseJ2YogLf/VlUO+mHqCjzAGSjl8JMfmL7nwQG\
    lllpX/1geWgrkl7hBOu5TFd/NILdpF7TCK2Cqvt46dYPZjXI7rJXXjQuQskquVCFkZj96qmkDXU1T/SeSjjZSsv57miOoEvoA4Re\
    ewf90s6jhvjhFC5SxQz70LU=";

/// The key that signs.
pub(crate) struct Signer {
    key: KeyPair,
    /// The key's name in headers and in the document of keys.
    id: String,
}

impl Signer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let der = STANDARD.decode(KEY).context("the signing key is not base64")?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_RSA_SHA256)
            .context("the signing key cannot be used")?;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(key.der_bytes())[..20]);
        Ok(Self { key, id })
    }

    /// A JSON Web Token of these claims.
    pub(crate) fn sign(&self, claims: &Value) -> anyhow::Result<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(&header), encode(claims));
        let signature = self
            .key
            .sign(text.as_bytes())
            .context("a token cannot be signed")?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The document of keys (RFC 7517).
    pub(crate) fn document(&self) -> Value {
        let (modulus, exponent) = parts(self.key.der_bytes()).unwrap_or_default();
        json!({ "keys": [{
            "kty": "RSA",
            "use": "sig",
            "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent),
        }]})
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017): a sequence of two integers.
fn parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    // The sign of a positive integer is a zero in front.
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent))
}

/// The content of the first element, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, short], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
        let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (length, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_the_key() {
        let signer = Signer::new().unwrap();
        let document = signer.document();
        let bytes = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(document["keys"][0][name].as_str().unwrap())
                .unwrap()
        };
        assert_eq!(bytes("n").len(), 256);
        assert_eq!(bytes("e"), [1, 0, 1]);
    }
}

//! The channel binding `tls-server-end-point`: a hash of the server's certificate (RFC 5929, section 4.1).
//!
//! Exchange's *Extended Protection* (on by default since Exchange 2019 CU14) refuses a sign-in without it, and one that
//! came over another certificate than Exchange's own.

use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

const PREFIX: &[u8] = b"tls-server-end-point:";

/// Which hash a certificate's signature uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The binding's data for a certificate (DER), or `None` where it is no certificate.
///
/// The hash is the one of the certificate's signature; MD5 and SHA-1 are replaced by SHA-256, as the RFC wants it. For a
/// signature without a hash of its own (Ed25519) the RFC has no answer; SHA-256 is what others take.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = signature_hash(certificate)?;
    let mut data = PREFIX.to_vec();
    match hash {
        Hash::Sha224 => data.extend(Sha224::digest(certificate)),
        Hash::Sha256 => data.extend(Sha256::digest(certificate)),
        Hash::Sha384 => data.extend(Sha384::digest(certificate)),
        Hash::Sha512 => data.extend(Sha512::digest(certificate)),
    }
    Some(data)
}

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const CONTEXT_0: u8 = 0xa0;

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }` (RFC 5280, section 4.1).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(whole, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (oid, parameters) = element(algorithm, OID)?;
    Some(match oid {
        // 1.2.840.113549.1.1.x: PKCS #1 v1.5 with a hash.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
            10 => pss_hash(parameters).unwrap_or(Hash::Sha256),
            12 => Hash::Sha384,
            13 => Hash::Sha512,
            14 => Hash::Sha224,
            _ => Hash::Sha256,
        },
        // 1.2.840.10045.4.3.x: ECDSA with a hash of the SHA-2 family.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last] => match last {
            1 => Hash::Sha224,
            3 => Hash::Sha384,
            4 => Hash::Sha512,
            _ => Hash::Sha256,
        },
        _ => Hash::Sha256,
    })
}

/// `RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] AlgorithmIdentifier DEFAULT sha1, … }` (RFC 4055).
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (fields, _) = element(parameters, SEQUENCE)?;
    let (tagged, _) = element(fields, CONTEXT_0)?;
    let (algorithm, _) = element(tagged, SEQUENCE)?;
    let (oid, _) = element(algorithm, OID)?;
    match oid {
        // 2.16.840.1.101.3.4.2.x
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last] => Some(match last {
            2 => Hash::Sha384,
            3 => Hash::Sha512,
            4 => Hash::Sha224,
            _ => Hash::Sha256,
        }),
        _ => None,
    }
}

/// The content of the first element, which must have that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, short], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let count = usize::from(short & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        let length = digits
            .iter()
            .fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
        (length, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A certificate in outline: what is signed, how, and a signature.
    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, 0x82];
            out.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            out.extend_from_slice(content);
            out
        };
        let mut whole = wrap(SEQUENCE, &[0x02, 0x01, 0x01]);
        whole.extend(wrap(SEQUENCE, algorithm));
        whole.extend([0x03, 0x02, 0x00, 0x55]);
        wrap(SEQUENCE, &whole)
    }

    fn rsa(last: u8) -> Vec<u8> {
        vec![0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last, 0x05, 0]
    }

    fn ecdsa(last: u8) -> Vec<u8> {
        vec![0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last]
    }

    fn pss(hash: Option<u8>) -> Vec<u8> {
        let mut out = vec![0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        match hash {
            None => out.extend([0x30, 0]),
            Some(last) => out.extend([
                0x30, 15, 0xa0, 13, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last,
            ]),
        }
        out
    }

    #[test]
    fn the_hash_is_the_signature_s_and_never_weaker_than_sha_256() {
        let md5 = 4;
        let sha1 = 5;
        for (algorithm, hash) in [
            (rsa(11), Hash::Sha256),
            (rsa(12), Hash::Sha384),
            (rsa(13), Hash::Sha512),
            (rsa(14), Hash::Sha224),
            (rsa(md5), Hash::Sha256),
            (rsa(sha1), Hash::Sha256),
            (ecdsa(1), Hash::Sha224),
            (ecdsa(2), Hash::Sha256),
            (ecdsa(3), Hash::Sha384),
            (ecdsa(4), Hash::Sha512),
            (pss(None), Hash::Sha256),
            (pss(Some(1)), Hash::Sha256),
            (pss(Some(2)), Hash::Sha384),
            (pss(Some(3)), Hash::Sha512),
            // Ed25519.
            (vec![0x06, 3, 0x2b, 0x65, 0x70], Hash::Sha256),
        ] {
            let der = certificate(&algorithm);
            assert_eq!(signature_hash(&der), Some(hash), "{algorithm:x?}");
        }
        let data = end_point(&certificate(&rsa(12))).unwrap();
        assert!(data.starts_with(PREFIX) && data.len() == PREFIX.len() + 48);
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_does_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..40) {
            let _ = end_point(&bytes);
            let mut der = certificate(&pss(Some(2)));
            der.truncate(cut);
            let _ = end_point(&der);
            bytes.insert(0, SEQUENCE);
            let _ = end_point(&bytes);
        }
    }
}

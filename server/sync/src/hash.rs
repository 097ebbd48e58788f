//! Keyed hashes of normalised values: what a base is made of.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::link::BaseHash;
use crate::model::{Field, FieldValue};
use crate::normalise::normalise;
use crate::ports::HashKey;

/// Hashes values under one connection's key. Costs nothing for an empty field.
pub struct Hasher {
    mac: Hmac<Sha256>,
    empty: BTreeMap<Field, BaseHash>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
    }
}

const EMPTY: u8 = 0;
const KNOWN: u8 = 1;

impl Hasher {
    pub fn new(key: &HashKey) -> Self {
        // The key is hashed into the state once; each value then starts from a copy. HMAC takes a key of any length.
        let mut block = [0_u8; 64];
        block[..key.0.len()].copy_from_slice(&key.0);
        let mac = Hmac::<Sha256>::new(&block.into());
        let empty = Field::ALL
            .iter()
            .map(|&field| (field, digest(mac.clone(), field, EMPTY, "")))
            .collect();
        Self { mac, empty }
    }

    /// The hash of a value as a side holds it. Empty has a hash of its own, unknown has none.
    pub fn of(&self, field: Field, value: &FieldValue) -> Option<BaseHash> {
        match value {
            FieldValue::Unknown => None,
            FieldValue::Empty => self.empty.get(&field).copied(),
            FieldValue::Known(_) => self.of_normal(field, &normalise(field, value)),
        }
    }

    /// As [`Hasher::of`], of a value that is in its canonical form already.
    pub fn of_normal(&self, field: Field, value: &FieldValue) -> Option<BaseHash> {
        match value {
            FieldValue::Unknown => None,
            FieldValue::Empty => self.empty.get(&field).copied(),
            FieldValue::Known(text) => Some(digest(self.mac.clone(), field, KNOWN, text)),
        }
    }
}

fn digest(mut mac: Hmac<Sha256>, field: Field, tag: u8, text: &str) -> BaseHash {
    mac.update(field.as_str().as_bytes());
    mac.update(&[0, tag]);
    mac.update(text.as_bytes());
    let full = mac.finalize().into_bytes();
    let mut cut = [0; 16];
    cut.copy_from_slice(&full[..16]);
    BaseHash(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> FieldValue {
        FieldValue::Known(text.to_owned())
    }

    #[test]
    fn a_hash_tells_apart_what_differs_and_only_that() {
        let hasher = Hasher::new(&HashKey([7; 32]));
        let of = |field, value: &FieldValue| hasher.of(field, value);
        assert_eq!(of(Field::Surname, &FieldValue::Unknown), None);
        assert_eq!(
            of(Field::Surname, &known(" Lee ")),
            of(Field::Surname, &known("Lee"))
        );
        assert_eq!(
            of(Field::Surname, &known("  ")),
            of(Field::Surname, &FieldValue::Empty)
        );
        assert_ne!(
            of(Field::Surname, &known("Lee")),
            of(Field::GivenName, &known("Lee"))
        );
        assert_ne!(
            of(Field::Surname, &known("Lee")),
            of(Field::Surname, &known("lee"))
        );
        assert_ne!(
            of(Field::Surname, &known("\u{0}")),
            of(Field::Surname, &FieldValue::Empty)
        );
        let other = Hasher::new(&HashKey([8; 32]));
        assert_ne!(
            of(Field::Surname, &known("Lee")),
            other.of(Field::Surname, &known("Lee"))
        );
    }

    /// The bases of every installation hang on this: a change here needs a new normaliser version.
    #[test]
    fn hashes_never_change() {
        let hasher = Hasher::new(&HashKey([1; 32]));
        let text = |v: &FieldValue| serde_json::to_string(&hasher.of(Field::Surname, v)).unwrap();
        let all = format!(
            "v{} {} {}",
            crate::normalise::VERSION,
            text(&known("Lee")),
            text(&FieldValue::Empty)
        );
        assert_eq!(
            all,
            "v1 \"3d9781c862bb6609ee4468d7752c6eec\" \"909ff5f1f24b1aa8861f4450b5f69f34\""
        );
    }
}

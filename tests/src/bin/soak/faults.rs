//! What goes wrong meanwhile: one thing after the other, for a few requests each.

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore as _;
use serde_json::{Value, json};
use tandem_tests::SandboxProc;

/// Nothing that stops a connection until a person comes: no refused passwords, no quota that is used up.
fn kinds() -> [(&'static str, Value); 12] {
    [
        ("exchange", json!({ "kind": "status", "code": 503 })),
        ("exchange", json!({ "kind": "status_after", "code": 500 })),
        ("exchange", json!({ "kind": "reset" })),
        ("exchange", json!({ "kind": "cut_body" })),
        ("exchange", json!({ "kind": "timeout_after", "ms": 200 })),
        ("exchange", json!({ "kind": "malformed" })),
        ("exchange", json!({ "kind": "expired_cursor" })),
        ("salesforce", json!({ "kind": "status", "code": 503 })),
        ("salesforce", json!({ "kind": "reset" })),
        ("salesforce", json!({ "kind": "timeout_after", "ms": 200 })),
        ("salesforce", json!({ "kind": "lock_row" })),
        ("salesforce", json!({ "kind": "cut_body" })),
    ]
}

/// One more rule, for one to eight requests from soon on.
pub(crate) async fn one(sandbox: &SandboxProc, rng: &mut ChaCha8Rng) -> Result<()> {
    let kinds = kinds();
    let (service, mut rule) = kinds[usize::try_from(rng.next_u32())? % kinds.len()].clone();
    rule["times"] = json!(1 + rng.next_u32() % 8);
    rule["skip"] = json!(rng.next_u32() % 100);
    sandbox.fault(service, &rule).await
}

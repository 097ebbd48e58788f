//! The rules of the workspace that a compiler does not know: who may use whom, and what must not be in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Who may use which crates of ours, in what is built for the product (tests may use more).
const MAY_USE: [(&str, &[&str]); 13] = [
    ("tandem-types", &[]),
    ("tandem-app", &["tandem-types"]),
    ("tandem-frontend", &["tandem-app"]),
    ("tandem-sync", &["tandem-types"]),
    ("tandem-net", &[]),
    ("tandem-mailbox", &["tandem-net", "tandem-sync", "tandem-types"]),
    ("tandem-crm", &["tandem-net", "tandem-sync", "tandem-types"]),
    ("tandem-store", &["tandem-sync", "tandem-types"]),
    // A misreading of a protocol must not be made twice by the same code.
    ("tandem-sandbox", &[]),
    (
        "tandem-server",
        &[
            "tandem-app",
            "tandem-crm",
            "tandem-mailbox",
            "tandem-net",
            "tandem-sandbox",
            "tandem-store",
            "tandem-sync",
            "tandem-types",
        ],
    ),
    // For a database server to test on, and the names in settings; never for what is judged.
    ("tandem-tests", &["tandem-store", "tandem-types"]),
    // The engine itself, over the store in memory; its sides are its own.
    (
        "tandem-simulation",
        &["tandem-store", "tandem-sync", "tandem-types"],
    ),
    ("xtask", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Our crates that each crate of ours uses, apart from its tests.
fn uses() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    Ok(packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
            let used = dependencies
                .iter()
                .filter(|d| d["kind"] != "dev")
                .map(name)
                .filter(|n| ours.contains(n));
            (name(package), used.collect())
        })
        .collect())
}

#[test]
fn no_crate_uses_what_stands_above_or_beside_it() -> Result<()> {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let mut wrong = Vec::new();
    for (name, used) in uses()? {
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        wrong.extend(
            used.iter()
                .filter(|u| !may.contains(&u.as_str()))
                .map(|u| format!("{name} uses {u}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn the_lock_file_holds_one_tls_and_one_copy_of_what_must_be_one() -> Result<()> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"');
        } else if let Some(rest) = line.strip_prefix("version = ") {
            versions.entry(name).or_default().push(rest.trim_matches('"'));
        }
    }
    assert!(versions.len() > 100, "the lock file was not understood");
    for unwanted in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert!(
            !versions.contains_key(unwanted),
            "{unwanted} came in: TLS is rustls with ring"
        );
    }
    for single in [
        "axum",
        "hyper",
        "leptos",
        "reqwest",
        "rustls",
        "sqlx",
        "tokio",
        "tower-http",
        "wasm-bindgen",
    ] {
        assert_eq!(
            versions.get(single).map(Vec::len),
            Some(1),
            "{single}: {:?}",
            versions.get(single)
        );
    }
    // The glue must match the library to the letter.
    assert_eq!(versions["wasm-bindgen"], versions["wasm-bindgen-cli-support"]);
    Ok(())
}

#[test]
fn no_file_names_a_place_of_one_machine() -> Result<()> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    // A source archive has no git: then there is nothing to list.
    let Ok(output) = output else { return Ok(()) };
    let mut wrong = Vec::new();
    for name in String::from_utf8(output.stdout)?
        .split('\0')
        .filter(|n| !n.is_empty() && *n != "Cargo.lock")
    {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else {
            continue;
        };
        // Written apart, so that this file is not found by its own search.
        for place in [
            concat!("/", "work/"),
            concat!("/", "root/"),
            concat!("/home", "/"),
            concat!("crates", ".io"),
            concat!("pypi", ".org"),
        ] {
            if let Some(line) = text.lines().position(|l| l.contains(place)) {
                wrong.push(format!("{name}:{}: {place}", line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

//! The rules of the workspace that a compiler does not know: who may use whom, and what must not be in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Who may use which crates of ours, in what is built for the product (tests may use more).
const MAY_USE: [(&str, &[&str]); 14] = [
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
    // What reads the words of strangers.
    ("tandem-fuzz", &["tandem-crm", "tandem-mailbox"]),
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

/// A page that the book does not list is read by nobody.
#[test]
fn the_book_has_every_page() -> Result<()> {
    let docs = root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md"))?;
    let mut folders = vec![docs.clone()];
    let mut pages = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&docs)?.to_string_lossy().into_owned();
            if path.extension().is_some_and(|ending| ending == "md") && name != "SUMMARY.md" {
                pages += 1;
                assert!(
                    summary.contains(&format!("]({name})")),
                    "docs/SUMMARY.md does not list {name}"
                );
            }
        }
    }
    assert!(pages > 20, "{pages} pages were found");
    Ok(())
}

/// What `cargo deny check` is told, read by ourselves: see docs/adr/0024.
fn policy() -> Result<toml::Table> {
    Ok(std::fs::read_to_string(root().join("deny.toml"))?.parse()?)
}

fn words(policy: &toml::Table, section: &str, key: &str) -> Result<BTreeSet<String>> {
    let list = policy[section][key].as_array().context("no list")?;
    list.iter()
        .map(|word| {
            let word = word.get("crate").unwrap_or(word);
            word.as_str().map(str::to_owned).context("no text")
        })
        .collect()
}

/// Whether a licence expression can be met by `allowed` alone. `/` is how older packages write OR. One without brackets
/// binds AND closer than OR, as SPDX does.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.contains(*word)
}

#[test]
fn a_licence_is_met_as_a_whole() {
    let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(MIT OR GPL-3.0) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception OR X",
        "X AND Y OR MIT",
    ] {
        assert!(met(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR X) AND Y",
        "MIT WITH X",
        "MIT MIT",
        "(MIT",
    ] {
        assert!(!met(bad, &allowed), "{bad}");
    }
}

#[test]
fn what_others_wrote_comes_from_one_place_under_licences_that_we_can_keep() -> Result<()> {
    let policy = policy()?;
    let licences = words(&policy, "licenses", "allow")?;
    let banned = words(&policy, "bans", "deny")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    anyhow::ensure!(packages.len() > 300, "{} packages", packages.len());
    let mut wrong = Vec::new();
    let mut sources = BTreeSet::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        if !met(text("license"), &licences) {
            wrong.push(format!("{name}: licence {:?}", text("license")));
        }
        if banned.contains(text("name")) {
            wrong.push(format!("{name}: banned"));
        }
        match package["source"].as_str() {
            Some(source) => {
                sources.insert(source.to_owned());
            }
            None if text("name").starts_with("tandem-") || text("name") == "xtask" => {}
            None => wrong.push(format!("{name}: lies beside us")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // One registry, with checksums in the lock file; no git, no other registry.
    assert_eq!(sources.len(), 1, "{sources:#?}");
    assert!(
        sources
            .iter()
            .all(|source| source.starts_with("registry+https://"))
    );
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let (found, sums) = (
        lock.matches("\nsource = ").count(),
        lock.matches("\nchecksum = ").count(),
    );
    assert_eq!(found, sums, "each package of others has its checksum");
    Ok(())
}

#[test]
fn no_crate_of_ours_may_be_unsafe() -> Result<()> {
    let workspace: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let lints = &workspace["workspace"]["lints"]["rust"];
    assert_eq!(lints["unsafe_code"].as_str(), Some("forbid"));
    for package in metadata()?["packages"].as_array().context("no packages")? {
        let manifest = package["manifest_path"].as_str().context("no manifest")?;
        let manifest: toml::Table = std::fs::read_to_string(manifest)?.parse()?;
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{}",
            package["name"]
        );
    }
    Ok(())
}

#[test]
fn tools_of_the_tests_are_known_by_their_hashes() -> Result<()> {
    let pins = std::fs::read_to_string(root().join("tests/foreign/requirements.txt"))?;
    let whole = pins.replace("\\\n", " ");
    let python: Vec<&str> = whole.lines().filter(|line| line.contains("==")).collect();
    assert!(python.len() > 50, "the list was not understood");
    for line in &python {
        assert!(line.contains("--hash=sha256:"), "{line}");
    }
    let lock = std::fs::read_to_string(root().join("tests/node/package-lock.json"))?;
    let lock: Value = serde_json::from_str(&lock)?;
    let packages = lock["packages"].as_object().context("no packages")?;
    // The first is the list itself.
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let known = package["integrity"]
            .as_str()
            .is_some_and(|hash| hash.starts_with("sha512-"));
        assert!(known, "{name}");
    }
    Ok(())
}

#[test]
fn each_threat_names_tests_that_exist() -> Result<()> {
    let mut tests = BTreeSet::new();
    let mut folders = vec![root().join("server"), root().join("app"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path)?;
                for after in text.split("fn ").skip(1) {
                    let name = after
                        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                        .next();
                    tests.extend(name.map(str::to_owned));
                }
                // What a list of cases makes a test of, by a name of its own.
                for line in text.lines() {
                    let name = line.trim_start().split_once(" => async ").map(|(name, _)| name);
                    tests.extend(name.map(str::to_owned));
                }
            }
        }
    }
    let document = std::fs::read_to_string(root().join("docs/security.md"))?;
    let mut named = 0;
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cell = line
            .trim_end_matches([' ', '|'])
            .rsplit('|')
            .next()
            .unwrap_or_default();
        for name in cell
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.contains('_') && !name.contains('.'))
        {
            named += 1;
            assert!(
                tests.contains(name),
                "docs/security.md names {name}, which is no test"
            );
        }
    }
    assert!(
        named > 50,
        "{named} tests are named: the document was not understood"
    );
    Ok(())
}

//! Makes what the server serves: glue and module with hashed names, the files of `public/`, each also compressed.
//!
//! The layout is that of cargo-leptos, so that the server needs not know who built it: `pkg/pane.HASH.js`,
//! `pkg/pane.HASH.wasm`, `pkg/pane.HASH.css`, and `hash.txt` with a line `js: HASH` for each of them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use crate::layout::Layout;
use crate::run::remove_folder;

/// The name that the pages ask for.
const NAME: &str = "pane";
const STYLE: &str = "tandem.css";
/// Changes when this file makes something else of the same input.
const RECIPE: &str = "1";
/// What shrinks when it is compressed.
const COMPRESSIBLE: [&str; 7] = ["wasm", "js", "css", "svg", "html", "json", "txt"];

/// Packages the module, unless the site was made of exactly this before.
pub(crate) fn package(layout: &Layout, module: &Path) -> Result<()> {
    let public = layout.root.join("public");
    let input = fingerprint(module, &public)?;
    let stamp = layout.target.join("site.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == input) && layout.site.join("hash.txt").is_file() {
        println!("    nothing changed");
        return Ok(());
    }
    // A running server keeps the old site until the new one is whole.
    let fresh = layout.target.join("site.new");
    remove_folder(&fresh)?;
    let package = fresh.join("pkg");
    fs::create_dir_all(&package)?;
    copy_folder(&public, &fresh)?;
    let mut hashes = bind(module, &package)?;
    if let Ok(style) = fs::read(public.join(STYLE)) {
        add(&package, "css", &style, &mut hashes)?;
    }
    compress_folder(&fresh)?;
    report(&package)?;
    fs::write(fresh.join("hash.txt"), hashes)?;
    remove_folder(&layout.site)?;
    fs::rename(&fresh, &layout.site)?;
    fs::write(&stamp, input)?;
    Ok(())
}

/// Runs wasm-bindgen over the module; the lines of `hash.txt`.
fn bind(module: &Path, package: &Path) -> Result<String> {
    let folder = package.join("bindgen");
    Bindgen::new()
        .input_path(module)
        .out_name(NAME)
        .web(true)?
        .typescript(false)
        .keep_debug(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        // The page says where the module is: its name has a hash.
        .omit_default_module_path(true)
        .generate(&folder)
        .context("wasm-bindgen does not take the module")?;
    let mut hashes = String::new();
    for (left, kind) in [(format!("{NAME}.js"), "js"), (format!("{NAME}_bg.wasm"), "wasm")] {
        let path = folder.join(&left);
        let bytes = fs::read(&path).with_context(|| format!("wasm-bindgen left no {left}"))?;
        add(package, kind, &bytes, &mut hashes)?;
        fs::remove_file(path)?;
    }
    // The glue imports its snippets by a path relative to itself.
    let snippets = folder.join("snippets");
    if snippets.is_dir() {
        fs::rename(snippets, package.join("snippets"))?;
    }
    remove_folder(&folder)?;
    Ok(hashes)
}

/// Writes a file under a name that changes with its content.
fn add(package: &Path, kind: &str, bytes: &[u8], hashes: &mut String) -> Result<()> {
    let hash = short_hash(bytes);
    fs::write(package.join(format!("{NAME}.{hash}.{kind}")), bytes)?;
    writeln!(hashes, "{kind}: {hash}")?;
    Ok(())
}

fn short_hash(bytes: &[u8]) -> String {
    // 128 bits, and nothing that an address or a file system minds.
    URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..16])
}

/// Of everything that the site is made from.
fn fingerprint(module: &Path, public: &Path) -> Result<String> {
    let mut text = format!("recipe {RECIPE} {}\n", env!("CARGO_PKG_VERSION"));
    let bytes = fs::read(module).with_context(|| format!("{} cannot be read", module.display()))?;
    writeln!(text, "module {}", short_hash(&bytes))?;
    for file in files(public)? {
        let name = file.strip_prefix(public).unwrap_or(&file).display().to_string();
        writeln!(text, "{name} {}", short_hash(&fs::read(&file)?))?;
    }
    Ok(text)
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&file, &target)?;
    }
    Ok(())
}

/// Writes `.br` and `.gz` beside each file that gets smaller by it.
fn compress_folder(folder: &Path) -> Result<()> {
    for file in files(folder)? {
        let kind = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !COMPRESSIBLE.contains(&kind) {
            continue;
        }
        let bytes = fs::read(&file)?;
        for (suffix, small) in [("br", brotli(&bytes)?), ("gz", gzip(&bytes)?)] {
            if small.len() < bytes.len() {
                fs::write(file.with_extension(format!("{kind}.{suffix}")), small)?;
            }
        }
    }
    Ok(())
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let quality = 11;
    let window = 22;
    brotli::CompressorWriter::new(&mut out, 4096, quality, window).write_all(bytes)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// What the pane's files weighed together, with brotli, when somebody last looked at it. To be changed on purpose only.
const ACCEPTED: u64 = 97_900;
/// So many hundredths more are not worth a look.
const MARGIN: u64 = 3;

/// What travels to a browser, in bytes.
///
/// # Errors
/// If it has become more than what was accepted.
fn report(package: &Path) -> Result<()> {
    let mut total = 0;
    for file in files(package)? {
        let size = |path: &Path| fs::metadata(path).map(|m| m.len());
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let kind = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if ["br", "gz"].contains(&kind) {
            continue;
        }
        let brotli = size(&file.with_extension(format!("{kind}.br"))).ok();
        total += brotli.unwrap_or_default();
        let brotli = brotli.map_or_else(
            || "not compressed".to_owned(),
            |n| format!("{n} bytes with brotli"),
        );
        println!("    {name}: {} bytes, {brotli}", size(&file)?);
    }
    println!("    together {total} bytes with brotli; {ACCEPTED} were accepted");
    within(total)
}

fn within(total: u64) -> Result<()> {
    anyhow::ensure!(
        total * 100 <= ACCEPTED * (100 + MARGIN),
        "the pane weighs {total} bytes with brotli, {ACCEPTED} were accepted: make it lighter, or accept it in {}",
        file!()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pane_that_grows_is_looked_at() {
        within(ACCEPTED + ACCEPTED * MARGIN / 100).unwrap();
        within(ACCEPTED + ACCEPTED * MARGIN / 100 + 1).unwrap_err();
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tandem-xtask-{}-{name}", std::process::id()));
        remove_folder(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn siblings_hold_the_same_bytes_and_pictures_have_none() {
        let site = folder("siblings");
        let text = "a { color: red }\n".repeat(200);
        fs::write(site.join("x.css"), &text).unwrap();
        fs::write(site.join("tiny.js"), "1").unwrap();
        fs::write(site.join("x.png"), &text).unwrap();
        compress_folder(&site).unwrap();
        let names: Vec<_> = files(&site)
            .unwrap()
            .iter()
            .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        // One byte does not shrink: a sibling would cost the browser more than it saves.
        assert_eq!(names, ["tiny.js", "x.css", "x.css.br", "x.css.gz", "x.png"]);
        let mut plain = String::new();
        brotli::Decompressor::new(fs::File::open(site.join("x.css.br")).unwrap(), 4096)
            .read_to_string(&mut plain)
            .unwrap();
        assert_eq!(plain, text);
        plain.clear();
        flate2::read::GzDecoder::new(fs::File::open(site.join("x.css.gz")).unwrap())
            .read_to_string(&mut plain)
            .unwrap();
        assert_eq!(plain, text);
        remove_folder(&site).unwrap();
    }

    #[test]
    fn the_fingerprint_sees_content_names_and_the_module() {
        let public = folder("fingerprint");
        let module = public.with_extension("wasm");
        fs::write(&module, "one").unwrap();
        fs::create_dir(public.join("icons")).unwrap();
        fs::write(public.join("icons").join("a.svg"), "<svg/>").unwrap();
        let first = fingerprint(&module, &public).unwrap();
        assert_eq!(first, fingerprint(&module, &public).unwrap());
        fs::write(public.join("icons").join("a.svg"), "<svg></svg>").unwrap();
        let second = fingerprint(&module, &public).unwrap();
        assert_ne!(first, second);
        fs::rename(
            public.join("icons").join("a.svg"),
            public.join("icons").join("b.svg"),
        )
        .unwrap();
        let third = fingerprint(&module, &public).unwrap();
        assert_ne!(second, third);
        fs::write(&module, "two").unwrap();
        assert_ne!(third, fingerprint(&module, &public).unwrap());
        remove_folder(&public).unwrap();
        fs::remove_file(module).unwrap();
    }
}

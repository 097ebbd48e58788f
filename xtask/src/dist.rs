//! What is handed to those who run it: the server built for speed, the web files, what belongs beside them, and a list of
//! all that is inside (SBOM).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::run::{read, remove_folder, run};
use crate::steps::Steps;
use crate::{wasm, web};

/// <https://github.com/psastras/sbom-rs>
const SBOM_TOOL: (&str, &str) = ("cargo-sbom", "0.10.0");
/// Beside the binary and the web files, from the checkout.
const BESIDE: [&str; 4] = ["README.md", "LICENSE", "docs/operate", "docs/salesforce"];

/// Builds, packs, and says how large everything is.
pub(crate) fn dist(layout: &Layout, steps: &mut Steps) -> Result<()> {
    web(layout, steps, wasm::Choice::default())?;
    // Without the sandbox: nobody plays Exchange where others work.
    steps.run("build the server (for speed)", || {
        run(layout.cargo().args([
            "build",
            "--locked",
            "--release",
            "--package",
            "tandem-server",
            "--bin",
            "tandem",
        ]))
    })?;
    let binary = layout.target.join("release").join("tandem");
    let version = steps.run("ask the binary who it is", || version(&binary))?;
    let target = read(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let name = format!("tandem-{version}-{target}");
    let all = layout.target.join("dist");
    let folder = all.join(&name);
    remove_folder(&all)?;
    std::fs::create_dir_all(&folder)?;
    steps.run("list what is inside (SBOM)", || {
        sbom(layout, &folder.join("sbom.cdx.json"))
    })?;
    let archive = steps.run("pack", || pack(layout, &binary, &all, &name))?;
    println!();
    for file in [&binary, &archive] {
        println!("{:>8.1} MB  {}", megabytes(file)?, shown(layout, file));
    }
    Ok(())
}

/// `tandem 0.1.0` without its name.
fn version(binary: &Path) -> Result<String> {
    let said = read(Command::new(binary).arg("--version"))?;
    let version = said
        .split_whitespace()
        .nth(1)
        .context("the binary says no version")?;
    Ok(version.to_owned())
}

/// CycloneDX: <https://cyclonedx.org/docs/1.4/json/>
fn sbom(layout: &Layout, file: &Path) -> Result<()> {
    let (tool, version) = SBOM_TOOL;
    let program = layout.tools.join("bin").join(tool);
    let there =
        read(Command::new(&program).args(["sbom", "--version"])).is_ok_and(|said| said.contains(version));
    if !there {
        run(layout
            .cargo()
            .args([
                "install",
                "--locked",
                "--quiet",
                tool,
                "--version",
                version,
                "--root",
            ])
            .arg(&layout.tools))?;
    }
    let text = read(Command::new(&program).current_dir(&layout.root).args([
        "sbom",
        "--cargo-package",
        "tandem-server",
        "--output-format",
        "cyclone_dx_json_1_4",
    ]))?;
    std::fs::write(file, text).with_context(|| file.display().to_string())
}

/// The same files give the same archive: names in order, no owner, the time of the last commit.
fn pack(layout: &Layout, binary: &Path, all: &Path, name: &str) -> Result<PathBuf> {
    let folder = all.join(name);
    let copy = |from: &Path| run(Command::new("cp").arg("-R").arg(from).arg(&folder));
    copy(binary)?;
    copy(&layout.site)?;
    for beside in BESIDE {
        let from = layout.root.join(beside);
        if from.exists() {
            copy(&from)?;
        }
    }
    let mut last = Command::new("git");
    last.current_dir(&layout.root).args(["log", "-1", "--format=%ct"]);
    let time = read(&mut last)?;
    let archive = all.join(format!("{name}.tar.gz"));
    run(Command::new("tar")
        .current_dir(all)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--mtime=@{time}"))
        .args(["--use-compress-program=gzip -n", "-cf"])
        .arg(&archive)
        .arg(name))?;
    let file = format!("{name}.tar.gz");
    let sum = read(Command::new("sha256sum").current_dir(all).arg(&file))?;
    std::fs::write(all.join("SHA256SUMS"), format!("{sum}\n"))?;
    Ok(archive)
}

fn megabytes(file: &Path) -> Result<f64> {
    let bytes = std::fs::metadata(file)
        .with_context(|| file.display().to_string())?
        .len();
    Ok(f64::from(u32::try_from(bytes / 1000)?) / 1000.0)
}

fn shown(layout: &Layout, file: &Path) -> String {
    let short = file.strip_prefix(&layout.target).unwrap_or(file);
    short.display().to_string()
}

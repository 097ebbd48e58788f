//! Gets what is missing, and says what to type where it may not.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::run::{read, remove_folder, run, which};

/// Installs Debian's packages, if this is a Debian and we may.
pub(crate) fn packages(names: &[&str], why: &str) -> Result<()> {
    let list = names.join(" ");
    if which("apt-get").is_none() {
        bail!("{why}: install what Debian calls {list}, by your system's own means");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{why}. Run: sudo apt-get install --no-install-recommends -y {list}");
    }
    println!("    {why}: installing {list}");
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--no-install-recommends", "-y", "-q"])
            .args(names);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    if install().is_ok() {
        return Ok(());
    }
    // Fresh images come without the lists of packages.
    run(Command::new("apt-get").args(["update", "-q"]))?;
    install().with_context(|| format!("{why}. Install by hand: {list}"))
}

/// PostgreSQL's programs and a browser with its driver.
pub(crate) fn for_tests() -> Result<()> {
    let mut missing = Vec::new();
    if !has_postgres() {
        missing.push("postgresql");
    }
    if which("chromium").is_none() {
        missing.push("chromium");
    }
    if which("chromedriver").is_none() {
        missing.push("chromium-driver");
    }
    if missing.is_empty() {
        println!("    PostgreSQL, chromium and chromedriver are there");
        return Ok(());
    }
    packages(&missing, "the tests need a database server and a browser")
}

fn has_postgres() -> bool {
    if which("initdb").is_some() && which("postgres").is_some() {
        return true;
    }
    // Debian keeps them off the search path.
    std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .flatten()
            .any(|v| v.path().join("bin").join("initdb").is_file())
    })
}

/// A Python with the clients that others wrote, in a folder of the project's own. Returns its interpreter.
pub(crate) fn python(layout: &Layout) -> Result<PathBuf> {
    let pins = layout.root.join("tests").join("foreign").join("requirements.txt");
    let wanted =
        std::fs::read_to_string(&pins).with_context(|| format!("{} cannot be read", pins.display()))?;
    let folder = layout.tools.join("python");
    let interpreter = folder.join("bin").join("python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && interpreter.exists() {
        println!("    already there");
        return Ok(interpreter);
    }
    environment(&folder)?;
    run(Command::new(&interpreter)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            // A file that was exchanged on its way, or at its source, is refused.
            "--require-hashes",
            "--requirement",
        ])
        .arg(&pins))?;
    std::fs::write(&stamp, wanted)?;
    Ok(interpreter)
}

/// What others wrote for Node: a checker of web pages, and Microsoft's of manifests. Returns the folder with `node_modules`.
///
/// Versions and checksums stand in `tests/node/package-lock.json`; no package's own script is run.
pub(crate) fn node(layout: &Layout) -> Result<PathBuf> {
    let pins = layout.root.join("tests").join("node");
    let folder = layout.tools.join("node");
    let lists = ["package.json", "package-lock.json"];
    let mut wanted = String::new();
    for list in lists {
        let path = pins.join(list);
        wanted +=
            &std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        println!("    already there");
        return Ok(folder);
    }
    if which("node").is_none() || which("npm").is_none() {
        packages(
            &["nodejs", "npm"],
            "the checkers of manifests and of pages are written for Node",
        )?;
    }
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)?;
    for list in lists {
        std::fs::copy(pins.join(list), folder.join(list))?;
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&folder))?;
    std::fs::write(&stamp, wanted)?;
    Ok(folder)
}

/// A sub-command of cargo that others wrote, in a folder of the project's own. Returns its program.
pub(crate) fn cargo_tool(layout: &Layout, (tool, version): (&str, &str)) -> Result<PathBuf> {
    let program = layout.tools.join("bin").join(tool);
    let word = tool.trim_start_matches("cargo-");
    if read(Command::new(&program).args([word, "--version"])).is_ok_and(|said| said.contains(version)) {
        println!("    already there");
        return Ok(program);
    }
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
    Ok(program)
}

/// A fresh virtual environment. Debian splits what that needs off the interpreter.
fn environment(folder: &Path) -> Result<()> {
    let make = |python: &str| {
        remove_folder(folder)?;
        read(Command::new(python).args(["-m", "venv"]).arg(folder))
    };
    if which("python3").is_some() && make("python3").is_ok() {
        return Ok(());
    }
    packages(
        &["python3", "python3-venv"],
        "the foreign clients need a Python that makes virtual environments",
    )?;
    make("/usr/bin/python3").map(drop)
}

//! Builds the pane for the browser, with whichever standard library for wasm can be had.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::install;
use crate::layout::{Layout, forget_the_run};
use crate::run::{read, read_within, run, which};

/// The target's name.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// In `Cargo.toml`.
const PROFILE: &str = "wasm-release";
const ENTRY: &str = "tandem_frontend";
/// Long enough to fetch 20 MB, short enough to wait for in vain.
const RUSTUP_LIMIT: Duration = Duration::from_mins(2);

/// Which standard library to take.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Choice {
    /// This toolchain's, else Debian's.
    #[default]
    Auto,
    /// This toolchain's own, added by rustup where it is missing.
    Rustup,
    /// Built from the source that Debian's packages for the web bring.
    Debian,
}

/// A compiler that can.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The one that runs us has the target.
    Own,
    /// Debian's compiler builds its standard library too; its packages bring no linker, so it borrows one.
    Debian { linker: PathBuf },
}

/// Finds one, or installs one.
pub(crate) fn toolchain(choice: Choice) -> Result<Toolchain> {
    let own = match choice {
        Choice::Debian => Err(anyhow::anyhow!("not asked for")),
        Choice::Auto | Choice::Rustup => own(),
    };
    match (own, choice) {
        (Ok(()), _) => Ok(Toolchain::Own),
        (Err(error), Choice::Rustup) => Err(error),
        (Err(error), Choice::Auto | Choice::Debian) => {
            println!("    this toolchain's own: {error:#}");
            debian()
        }
    }
}

fn own() -> Result<()> {
    let library = Path::new(&sysroot()?)
        .join("lib")
        .join("rustlib")
        .join(TARGET)
        .join("lib");
    if library.is_dir() {
        println!("    this toolchain has {TARGET}");
        return Ok(());
    }
    if which("rustup").is_none() {
        bail!("{TARGET} is not installed, and there is no rustup to add it");
    }
    println!("    $ rustup target add {TARGET}");
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]);
    read_within(&mut add, RUSTUP_LIMIT)?;
    anyhow::ensure!(
        library.is_dir(),
        "rustup added {TARGET} to another toolchain than the one that runs this"
    );
    Ok(())
}

fn sysroot() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    read(Command::new(rustc).args(["--print", "sysroot"]))
}

fn debian() -> Result<Toolchain> {
    let ready = || {
        ["/usr/bin/rustc", "/usr/bin/cargo"]
            .iter()
            .all(|p| Path::new(p).is_file())
            && read(of_debian("/usr/bin/rustc").args(["--print", "sysroot"])).is_ok_and(|sysroot| {
                Path::new(&sysroot)
                    .join("lib/rustlib/src/rust/library/Cargo.lock")
                    .is_file()
            })
    };
    if !ready() {
        install::packages(
            &["rustc-web", "cargo-web", "rust-web-src"],
            "the pane needs a standard library for wasm (`rustup target add wasm32-unknown-unknown` gives one, too)",
        )?;
        anyhow::ensure!(
            ready(),
            "Debian's rustc-web is installed, but its source of the standard library is not"
        );
    }
    let linker = linker()?;
    println!("    Debian's source, linked with {}", linker.display());
    Ok(Toolchain::Debian { linker })
}

/// Only the multi-call `rust-lld` takes the flags that rustc passes.
fn linker() -> Result<PathBuf> {
    let rustlib = Path::new(&sysroot()?).join("lib").join("rustlib");
    std::fs::read_dir(&rustlib)
        .with_context(|| format!("{} cannot be read", rustlib.display()))?
        .flatten()
        .map(|host| host.path().join("bin").join("rust-lld"))
        .find(|file| file.is_file())
        .with_context(|| {
            format!(
                "no rust-lld under {}: wasm cannot be linked; a toolchain of rustup brings it",
                rustlib.display()
            )
        })
}

/// A program of Debian's Rust, free of what our own cargo and rustup put into the environment.
fn of_debian(program: &str) -> Command {
    let mut command = Command::new(program);
    forget_the_run(&mut command);
    for name in [
        "RUSTUP_TOOLCHAIN",
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "LD_LIBRARY_PATH",
    ] {
        command.env_remove(name);
    }
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let mut path = std::ffi::OsString::from("/usr/bin:");
    path.push(rest);
    command.env("PATH", path);
    command
}

/// Builds the pane. Returns the module as the compiler left it.
pub(crate) fn build(layout: &Layout, toolchain: &Toolchain) -> Result<PathBuf> {
    let mut command = match toolchain {
        Toolchain::Own => layout.cargo(),
        Toolchain::Debian { linker } => {
            let mut command = of_debian("/usr/bin/cargo");
            command.current_dir(&layout.root);
            command.env("RUSTC", "/usr/bin/rustc");
            // `-Zbuild-std` is for nightly compilers only, unless one insists.
            command.env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command
        }
    };
    command.args([
        "build",
        "--locked",
        "--package",
        "tandem-frontend",
        "--lib",
        "--target",
        TARGET,
    ]);
    command
        .args(["--profile", PROFILE, "--target-dir"])
        .arg(&layout.wasm_target);
    if let Toolchain::Debian { .. } = toolchain {
        command.args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ]);
    }
    run(&mut command)?;
    let module = layout
        .wasm_target
        .join(TARGET)
        .join(PROFILE)
        .join(format!("{ENTRY}.wasm"));
    anyhow::ensure!(module.is_file(), "the build left no {}", module.display());
    Ok(module)
}

/// Lints the browser's side. It cannot be linted with the rest: leptos is one library with the features of a
/// browser, and another with those of a server.
pub(crate) fn lint(layout: &Layout, toolchain: &Toolchain) -> Result<()> {
    let mut command = layout.cargo();
    command.args([
        "clippy",
        "--locked",
        "--package",
        "tandem-frontend",
        "--package",
        "tandem-app",
        "--lib",
    ]);
    command.args(["--features", "tandem-app/hydrate"]);
    match toolchain {
        Toolchain::Own => command
            .args(["--target", TARGET, "--target-dir"])
            .arg(&layout.wasm_target),
        // Without a standard library for clippy's own compiler: as if for this machine.
        Toolchain::Debian { .. } => command.arg("--target-dir").arg(&layout.wasm_target),
    };
    command.args(["--", "-D", "warnings"]);
    run(&mut command)
}

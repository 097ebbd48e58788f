//! What is handed to those who run it: the server built for speed with the web files inside, what belongs beside it, and a
//! list of all that is inside (SBOM).

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::layout::Layout;
use crate::run::{read, remove_folder, run};
use crate::steps::Steps;
use crate::{install, wasm, web};

/// Longer than a server needs to start, or to answer.
const START: Duration = Duration::from_secs(20);
/// <https://github.com/psastras/sbom-rs>
const SBOM_TOOL: (&str, &str) = ("cargo-sbom", "0.10.0");
/// Beside the binary, from the checkout.
const BESIDE: [&str; 4] = ["README.md", "LICENSE", "docs/operate", "docs/salesforce"];

/// Builds, packs, and says how large everything is.
pub(crate) fn dist(layout: &Layout, steps: &mut Steps) -> Result<()> {
    web(layout, steps, wasm::Choice::default())?;
    // Without the sandbox: nobody plays Exchange where others work.
    steps.run("build the server (for speed)", || {
        run(layout
            .cargo()
            .args(["build", "--locked", "--release", "--package", "tandem-server"])
            .args(["--bin", "tandem", "--features", "site"])
            .env("TANDEM_EMBED_SITE", &layout.site))
    })?;
    let binary = layout.target.join("release").join("tandem");
    let version = steps.run("ask the binary who it is", || version(&binary))?;
    steps.run("let it serve where nothing else is", || {
        serves_alone(layout, &binary)
    })?;
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

/// Starts the binary in an empty folder and asks for a page, and for the files that the page names.
fn serves_alone(layout: &Layout, binary: &Path) -> Result<()> {
    let folder = layout.target.join("dist-alone");
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)?;
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TANDEM_") {
            command.env_remove(name);
        }
    }
    let mut server = command
        .arg("serve")
        .current_dir(&folder)
        .env("TANDEM_LISTEN", "127.0.0.1:0")
        .env("TANDEM_PUBLIC_URL", "https://tandem.example")
        .env("TANDEM_SALESFORCE_CLIENT_ID", "none")
        .env("TANDEM_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the binary does not start")?;
    let asked = where_it_listens(&mut server).and_then(|address| asked(&address));
    server.kill()?;
    server.wait()?;
    asked?;
    remove_folder(&folder)
}

/// The log says where. The rest of the log is read and dropped, so that the server never waits for a reader.
fn where_it_listens(server: &mut Child) -> Result<String> {
    let output = server.stdout.take().context("no output")?;
    let errors = server.stderr.take().context("no output")?;
    let (told, hears) = mpsc::channel();
    for stream in [Box::new(output) as Box<dyn Read + Send>, Box::new(errors)] {
        let told = told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
    }
    drop(told);
    let mut said = String::new();
    while let Ok(line) = hears.recv_timeout(START) {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["message"] == "serving" {
            let address = entry["address"].as_str().context("no address")?.to_owned();
            std::thread::spawn(move || hears.iter().count());
            return Ok(address);
        }
        said.push_str(&line);
        said.push('\n');
    }
    anyhow::bail!("it does not serve:\n{said}")
}

fn asked(address: &str) -> Result<()> {
    let page = String::from_utf8_lossy(&get(address, "/")?).into_owned();
    let mut files = 0;
    for name in page.split(['"', '\'']).filter(|part| part.starts_with("/pkg/")) {
        let file = get(address, name)?;
        anyhow::ensure!(file.len() > 1000, "{name}: only {} bytes", file.len());
        files += 1;
    }
    anyhow::ensure!(files >= 3, "the page names {files} files:\n{page}");
    Ok(())
}

/// The body. <https://www.rfc-editor.org/rfc/rfc1945>: without chunks, ended by the connection's end.
fn get(address: &str, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
    stream.set_read_timeout(Some(START))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: tandem.example\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("no answer")?;
    let status = String::from_utf8_lossy(&answer[..head]).into_owned();
    anyhow::ensure!(status.contains(" 200 "), "{path}: {status}");
    Ok(answer.split_off(head + 4))
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
    let program = install::cargo_tool(layout, SBOM_TOOL)?;
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

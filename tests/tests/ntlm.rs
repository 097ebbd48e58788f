//! NTLM against an acceptor that others wrote, with Extended Protection and with TLS that ends before Exchange.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use secrecy::SecretString;
use serde_json::Value;
use tandem_mailbox::{Activated, ActivationError, EwsPolicy, SignIn};
use tandem_net::{Net, NetConfig};
use tandem_tests::{SandboxProc, places};
use tandem_types::ActivationFailure as Cause;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// For a key of 2,048 bits on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// `tests/foreign/ntlm_gate.py`, running.
struct Gate {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    net: Net,
}

impl Gate {
    async fn open(info: &Value, hash: &str, protection: &str) -> Result<Self> {
        let mut process = Command::new(places::python()?)
            .arg("-B")
            .arg(places::scripts().join("ntlm_gate.py"))
            .args([hash, protection])
            .env("TANDEM_TEST_INFO", info.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
        let told: Value = serde_json::from_str(&first.context("the gate ended at once")?)?;
        let text = |name: &str| told[name].as_str().map(str::to_owned).context("not told");
        let net = Net::new(&NetConfig {
            extra_roots_pem: vec![std::fs::read(text("ca_pem")?)?],
            allow_loopback: true,
            ..NetConfig::default()
        })?;
        Ok(Self {
            process,
            lines,
            url: text("url")?,
            net,
        })
    }

    async fn connect(&self, login: &str, password: &str) -> std::result::Result<Activated, ActivationError> {
        let policy = EwsPolicy {
            allowed_hosts: vec!["localhost".to_owned()],
            ..EwsPolicy::default()
        };
        let password = SecretString::from(password);
        tandem_mailbox::activate(&self.net, &policy, login, &password, Some(&self.url)).await
    }

    /// How many sign-ins were accepted, refused for their binding, and refused.
    async fn close(mut self) -> Result<(u64, u64, u64)> {
        drop(self.process.stdin.take());
        let last = tokio::time::timeout(PATIENCE, self.lines.next_line()).await??;
        let told: Value = serde_json::from_str(&last.context("the gate told nothing")?)?;
        self.process.wait().await?;
        let number = |name: &str| told[name].as_u64().context("not told");
        Ok((number("accepted")?, number("unbound")?, number("refused")?))
    }
}

#[tokio::test]
async fn an_acceptor_that_others_wrote_takes_our_ntlm() -> Result<()> {
    let sandbox = SandboxProc::start(&["--contacts", "5"]).await?;
    let info = sandbox.get("/info").await?;
    let nina = &info["users"][0];
    let text = |name: &str| nina[name].as_str().unwrap_or_default();
    let (password, address) = (text("exchange_password"), text("mailbox"));
    let alias = address.split('@').next().unwrap_or_default();
    for (hash, protection) in [("sha256", "off"), ("sha384", "require"), ("sha512", "require")] {
        let gate = Gate::open(&info, hash, protection).await?;
        for login in [text("exchange_login").to_owned(), format!("CONTOSO\\{alias}")] {
            let done = gate.connect(&login, password).await?;
            ensure!(done.address == address, "{done:?}");
            ensure!(done.sign_in == SignIn::Ntlm, "{done:?}");
        }
        let Err(error) = gate.connect(text("exchange_login"), "wrong").await else {
            anyhow::bail!("a wrong password was taken");
        };
        ensure!(
            error.cause == Cause::LoginOrProtection && error.password_was_tried,
            "{error}"
        );
        let counts = gate.close().await?;
        ensure!(counts == (2, 0, 1), "{hash} {protection}: {counts:?}");
    }

    // The right password, over a certificate that is not Exchange's: refused, and both causes are named.
    let gate = Gate::open(&info, "sha256", "proxy").await?;
    let Err(error) = gate.connect(text("exchange_login"), password).await else {
        anyhow::bail!("Extended Protection let a sign-in through that was bound to something else");
    };
    ensure!(error.cause == Cause::LoginOrProtection, "{error}");
    let counts = gate.close().await?;
    ensure!(counts.0 == 0 && counts.1 + counts.2 == 1, "{counts:?}");
    sandbox.stop().await
}

//! Who ends the encryption, on the command line.

use std::path::PathBuf;

use crate::config::{Config, TlsSettings};

#[derive(Debug, clap::Args)]
// A part of those of `serve`, whose group would have the same name: clap refuses two.
#[group(skip)]
pub(super) struct Args {
    /// Speak TLS with a certificate that this server makes once and keeps beside the master key. For a machine of one's
    /// own: browsers and Outlook have to be told to trust it. The same as tls.self_signed.
    #[arg(long = "tls-self-signed")]
    self_signed: bool,
    /// Speak TLS with this certificate and its chain (PEM); the same as tls.certificate.
    #[arg(long = "tls-cert", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The key of that certificate (PEM); the same as tls.key.
    #[arg(long = "tls-key", value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Args {
    /// What is said here wins over the configuration.
    pub(super) fn apply(self, config: &mut Config) -> anyhow::Result<()> {
        let given = TlsSettings::of(self.certificate, self.key, self.self_signed)
            .map_err(|what| anyhow::anyhow!("--tls-self-signed, --tls-cert, --tls-key: {what}"))?;
        if given != TlsSettings::Off {
            config.tls = given;
        }
        Ok(())
    }
}

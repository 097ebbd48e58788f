//! TLS of this server's own: a certificate from files, or one that it makes for itself and keeps.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tandem_types::Timestamp;

use crate::config::{Config, TlsSettings};

const DAY: i64 = 24 * 3600;
/// Apple takes none that is valid for more than 825 days, not even one that its owner trusts by hand.
const VALID_DAYS: i64 = 820;
/// So long before its end it is made anew.
const RENEW_DAYS: i64 = 30;
/// Stands before the PEM in the kept file, with the end in seconds since 1970.
const END: &str = "not after: ";

/// What a server shows its visitors.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fingerprint: String,
    /// The certificate as PEM, to be trusted by hand where this server made it.
    pub(crate) certificate: PathBuf,
}

/// As the configuration says; `None`: plain HTTP, behind a proxy.
pub(crate) fn identity(config: &Config, now: Timestamp) -> anyhow::Result<Option<Identity>> {
    let made = match &config.tls {
        TlsSettings::Off => return Ok(None),
        TlsSettings::Files { certificate, key } => {
            let read = |path: &Path| {
                std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
            };
            from_pem(&read(certificate)?, &read(key)?, certificate)?
        }
        TlsSettings::SelfSigned => {
            let host = host(config);
            let (kept, certificate) = self_signed_files(config);
            let pem = match kept_until(&kept)? {
                Some((pem, end)) if now.plus_seconds(RENEW_DAYS * DAY).seconds() < end => pem,
                _ => make(&host, &kept, now)?,
            };
            let made = from_pem(&pem, &pem, &certificate)?;
            write_certificate(&pem, &certificate)?;
            made
        }
    };
    anyhow::ensure!(
        config.public_url.scheme() == "https",
        "public_url must be https where this server ends the encryption"
    );
    Ok(Some(made))
}

/// The name by which visitors call this server.
fn host(config: &Config) -> String {
    let host = config.public_url.host_str().unwrap_or("localhost");
    host.trim_matches(['[', ']']).to_owned()
}

/// The file with key and certificate, and the one with the certificate alone: beside the master key.
fn self_signed_files(config: &Config) -> (PathBuf, PathBuf) {
    let folder = config.state_folder.as_path();
    let name = format!("tandem-tls-{}", host(config).replace(':', "-"));
    (
        folder.join(format!("{name}.key")),
        folder.join(format!("{name}.crt")),
    )
}

/// The certificate that visitors are shown, for those who ask this server from the same machine.
pub(crate) fn certificate(config: &Config) -> Option<PathBuf> {
    match &config.tls {
        TlsSettings::Off => None,
        TlsSettings::Files { certificate, .. } => Some(certificate.clone()),
        TlsSettings::SelfSigned => Some(self_signed_files(config).1),
    }
}

/// What was made before, and its end in seconds since 1970; `None`: nothing yet.
fn kept_until(path: &Path) -> anyhow::Result<Option<(Vec<u8>, i64)>> {
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let end = String::from_utf8_lossy(&pem)
        .lines()
        .find_map(|line| line.strip_prefix(END)?.trim().parse().ok())
        .unwrap_or(0);
    Ok(Some((pem, end)))
}

/// Makes key and certificate, and keeps both in one file: never one of them without the other.
fn make(host: &str, kept: &Path, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let mut names = vec![host.to_owned()];
    for local in ["localhost", "127.0.0.1", "::1"] {
        if host != local {
            names.push(local.to_owned());
        }
    }
    let end = now.plus_seconds(VALID_DAYS * DAY);
    let mut params = CertificateParams::new(names).context("no certificate for this host")?;
    params.distinguished_name.push(DnType::CommonName, host);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Tandem (self-signed)");
    let (year, month, day) = date(now.plus_seconds(-DAY))?;
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(end)?;
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let pem = format!(
        "{END}{}\n{}{}",
        end.seconds(),
        certificate.pem(),
        key.serialize_pem()
    );
    // Beside it, then over it: no crash leaves half a key. A name of its own: replicas may start at once.
    let draft = kept.with_extension(format!("new-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("{} cannot be written", draft.display()))?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&draft, kept))
        .with_context(|| format!("{} cannot be written", kept.display()))?;
    Ok(pem.into_bytes())
}

/// Year, month and day in UTC.
fn date(at: Timestamp) -> anyhow::Result<(i32, u8, u8)> {
    let date = jiff::Timestamp::from_second(at.seconds())?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    Ok((
        i32::from(date.year()),
        u8::try_from(date.month())?,
        u8::try_from(date.day())?,
    ))
}

fn write_certificate(pem: &[u8], path: &Path) -> anyhow::Result<()> {
    let certificate = CertificateDer::from_pem_slice(pem)
        .ok()
        .context("the kept certificate is damaged")?;
    let text = to_pem(&certificate);
    if std::fs::read(path).is_ok_and(|have| have == text.as_bytes()) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// RFC 7468.
fn to_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn from_pem(chain: &[u8], key: &[u8], certificate: &Path) -> anyhow::Result<Identity> {
    let place = certificate.display();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow::anyhow!("{place} is no PEM: {error}"))?;
    let first = chain
        .first()
        .with_context(|| format!("{place} holds no certificate"))?;
    let fingerprint = fingerprint(first);
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| anyhow::anyhow!("the key of {place} is no PEM: {error}"))?;
    // The process default may be another provider, or none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("certificate and key of {place} do not fit"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity {
        config: Arc::new(config),
        fingerprint,
        certificate: certificate.to_owned(),
    })
}

/// `AB:CD:…`, of SHA-256.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

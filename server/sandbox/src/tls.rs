//! Certificates: one authority per start, one leaf for the services, one that nobody trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the servers of one sandbox present.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    /// Leaf and authority.
    pub(crate) trusted: Arc<ServerConfig>,
    /// The leaf of `trusted`, in DER.
    pub(crate) leaf: Vec<u8>,
    /// A self-signed certificate for the right names.
    pub(crate) untrusted: Arc<ServerConfig>,
    /// Where the authority's certificate was written.
    pub(crate) ca_pem: PathBuf,
}

/// Makes the authority, writes `ca.pem` into `folder`, and signs a leaf for `domain` and its hosts.
pub(crate) fn make(folder: &Path, domain: &str) -> anyhow::Result<Tls> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), domain.to_owned()];
    names.extend(
        [
            "autodiscover",
            "mail",
            "login",
            "exchange",
            "autodiscover.exchange",
        ]
        .map(|h| format!("{h}.{domain}")),
    );

    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::<String>::new())?;
    ca.distinguished_name
        .push(DnType::CommonName, "Tandem sandbox authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    dated(&mut ca);
    let ca_cert = ca.self_signed(&ca_key)?;
    let ca_pem = folder.join("ca.pem");
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(&ca_pem, ca_cert.pem()).with_context(|| format!("cannot write {}", ca_pem.display()))?;
    let issuer = Issuer::new(ca, ca_key);

    let leaf_key = KeyPair::generate()?;
    let leaf = leaf(&names)?.signed_by(&leaf_key, &issuer)?;
    let trusted = config(vec![leaf.der().clone(), ca_cert.der().clone()], &leaf_key)?;

    let stray_key = KeyPair::generate()?;
    let stray = self::leaf(&names)?.self_signed(&stray_key)?;
    let untrusted = config(vec![stray.der().clone()], &stray_key)?;
    Ok(Tls {
        trusted: Arc::new(trusted),
        leaf: leaf.der().to_vec(),
        untrusted: Arc::new(untrusted),
        ca_pem,
    })
}

fn leaf(names: &[String]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Tandem sandbox");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    dated(&mut params);
    Ok(params)
}

fn dated(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2045, 1, 1);
}

fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> anyhow::Result<ServerConfig> {
    // The process default may be another provider, or none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            chain,
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

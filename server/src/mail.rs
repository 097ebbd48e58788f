//! Hands a mail to the operator's SMTP server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use tandem_types::Timestamp;

use crate::config::{Config, MailConfig, MailTls};

/// For one answer of the server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a mail was not taken. Says nothing that the server said: its words may name people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MailFault {
    #[error("the recipient's address is none")]
    Address,
    #[error("the mail cannot be written")]
    Message,
    #[error("the certificates in net.extra_roots cannot be used")]
    Roots,
    #[error("the server did not answer in time")]
    Timeout,
    #[error("the connection was not safe, or could not be made so")]
    Tls,
    #[error("the server refused it with {0}")]
    Refused(u16),
    #[error("the server cannot be reached, or speaks no SMTP")]
    Connection,
}

/// One mail, in plain text.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) body: String,
    /// The same for each try, so that a mail server can know a repetition: `<…@tandem.example.com>`.
    pub(crate) id: String,
    pub(crate) now: Timestamp,
}

/// Where mails go.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// As the configuration says; `None`: no mails are sent.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, MailFault> {
        let Some(mail) = &config.mail else {
            return Ok(None);
        };
        let roots = config.net.extra_roots.iter().map(std::fs::read);
        let roots: Vec<_> = roots.collect::<Result<_, _>>().map_err(|_| MailFault::Roots)?;
        Self::new(mail, &own_host(config), &roots).map(Some)
    }

    /// `roots`: PEM files that count beside the system's.
    pub(crate) fn new(mail: &MailConfig, host: &str, roots: &[Vec<u8>]) -> Result<Self, MailFault> {
        let parameters = || {
            let mut builder = TlsParametersBuilder::new(mail.server.clone());
            for pem in roots {
                builder =
                    builder.add_root_certificate(Certificate::from_pem(pem).map_err(|_| MailFault::Roots)?);
            }
            builder.build_rustls().map_err(|_| MailFault::Roots)
        };
        let tls = match mail.tls {
            MailTls::Always => Tls::Wrapper(parameters()?),
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::Never => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
            .port(mail.port)
            .tls(tls)
            .timeout(Some(TIMEOUT))
            .hello_name(ClientId::Domain(host.to_owned()));
        if let Some((user, password)) = &mail.sign_in {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self {
            transport: builder.build(),
            from: mail.from.clone(),
        })
    }

    /// Whether the server greets us, and takes the sign-in; sends nothing.
    pub(crate) async fn greet(&self) -> Result<(), MailFault> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailFault::Connection),
            Err(error) => Err(fault(&error)),
        }
    }

    pub(crate) async fn send(&self, mail: Mail) -> Result<(), MailFault> {
        let address = mail.to.parse().map_err(|_| MailFault::Address)?;
        let name = Some(mail.name).filter(|name| !name.trim().is_empty());
        let at = u64::try_from(mail.now.seconds()).unwrap_or(0);
        let date: SystemTime = UNIX_EPOCH + Duration::from_secs(at);
        // No vacation notice answers it (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let message = MessageBuilder::new()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(mail.subject)
            .date(date)
            .message_id(Some(mail.id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body)
            .map_err(|_| MailFault::Message)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault(&error)),
        }
    }
}

fn fault(error: &lettre::transport::smtp::Error) -> MailFault {
    match error.status() {
        Some(code) => MailFault::Refused(code.into()),
        None if error.is_timeout() => MailFault::Timeout,
        None if error.is_tls() => MailFault::Tls,
        None => MailFault::Connection,
    }
}

/// The host that our mails and our greeting name.
pub(crate) fn own_host(config: &Config) -> String {
    config.public_url.host_str().unwrap_or("localhost").to_owned()
}

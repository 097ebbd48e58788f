//! Who asks: Basic, and NTLM as an acceptor of its own, with Extended Protection.
//!
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/>. NTLMv2 only; what the client computes is computed
//! again here from the password, so that a wrong message is a wrong password, as at a real server.

use std::sync::{Arc, Mutex, PoisonError};

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use md4::{Digest as _, Md4};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Exchange;
use super::store::LOCK_AFTER;
use crate::faults::Kind;
use crate::serve::{Seat, Via};

/// What stands in `WWW-Authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scheme {
    Basic,
    Ntlm,
    Negotiate,
    /// `Negotiate` that never answers NTLM.
    Kerberos,
    /// Modern authentication.
    Bearer,
}

/// *Extended Protection* of the virtual directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Protection {
    #[default]
    Off,
    /// A binding that is there has to be right.
    Allow,
    Require,
}

/// What the control API sets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) schemes: Vec<Scheme>,
    pub(super) protection: Protection,
    /// The client's TLS ends before Exchange, which has another certificate.
    pub(super) tls_ended_by_proxy: bool,
    /// Each request is signed in, as with IIS's `authPersistSingleRequest`.
    pub(super) each_request: bool,
    /// The connection is closed after the challenge, as by a proxy that does not keep connections apart.
    pub(super) closes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schemes: vec![Scheme::Basic],
            protection: Protection::Off,
            tls_ended_by_proxy: false,
            each_request: false,
            closes: false,
        }
    }
}

/// How far the sign-in of one connection is.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    opened: Option<Opened>,
    who: Option<usize>,
}

/// The first two messages.
#[derive(Debug)]
struct Opened {
    hello: Vec<u8>,
    challenge: Vec<u8>,
    nonce: [u8; 8],
}

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Unicode, NTLM, always sign, extended session security, target information, version; of the target: a domain.
const FLAGS: u32 = 0x0289_8205;

impl Exchange {
    fn sign_in(&self) -> Settings {
        let settings = self.0.sign_in.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mailbox that the credentials open, or the 401.
    pub(super) fn log_on(
        &self,
        service: &'static str,
        operation: &str,
        parts: &Parts,
    ) -> Result<usize, Box<Response>> {
        let settings = self.sign_in();
        let refused = || Err(Box::new(unauthorized(&settings, None)));
        let offers = |scheme| settings.schemes.contains(&scheme);
        let Some((name, token)) = authorization(&parts.headers) else {
            let seat = parts.extensions.get::<Seat>();
            let who = seat.and_then(|seat| lock(seat).who);
            return match who {
                Some(at) if !settings.each_request => self.open_account(at),
                _ => refused(),
            };
        };
        let ntlm =
            (name == "ntlm" && offers(Scheme::Ntlm)) || (name == "negotiate" && offers(Scheme::Negotiate));
        if ntlm {
            return self.ntlm(service, operation, parts, &settings, &name, &token);
        }
        if name != "basic" || !offers(Scheme::Basic) {
            return refused();
        }
        let Some((login, password)) = basic(&parts.headers) else {
            return refused();
        };
        if self.told_to_refuse(service, operation, &login) {
            return refused();
        }
        let proof = |known: &str| known == password;
        self.proven(&login, proof).ok_or(()).or_else(|()| refused())
    }

    fn told_to_refuse(&self, service: &'static str, operation: &str, login: &str) -> bool {
        let address = self.address_of(login);
        let user = address.as_deref().unwrap_or(login);
        self.0
            .faults
            .take(service, operation, Some(user), |k| *k == Kind::CredentialsWrong)
            .is_some()
    }

    fn address_of(&self, login: &str) -> Option<String> {
        let store = self.store();
        let at = store.find(login, &self.0.company.netbios())?;
        Some(store.mailboxes[at].user.address.clone())
    }

    /// The account of that name, if what was shown fits its password; what does not fit is counted.
    fn proven(&self, login: &str, proof: impl Fn(&str) -> bool) -> Option<usize> {
        let mut store = self.store();
        let Some(at) = store.find(login, &self.0.company.netbios()) else {
            *store.failed_logons.entry(login.to_lowercase()).or_default() += 1;
            return None;
        };
        let mailbox = &mut store.mailboxes[at];
        if !proof(&mailbox.password) {
            mailbox.failed_in_row += 1;
            mailbox.most_failed = mailbox.most_failed.max(mailbox.failed_in_row);
            let name = mailbox.user.address.clone();
            *store.failed_logons.entry(name).or_default() += 1;
            return None;
        }
        // A locked account says nothing else than a wrong password does.
        if mailbox.disabled || mailbox.failed_in_row >= LOCK_AFTER {
            return None;
        }
        mailbox.failed_in_row = 0;
        Some(at)
    }

    fn open_account(&self, at: usize) -> Result<usize, Box<Response>> {
        if self.store().mailboxes[at].disabled {
            return Err(Box::new(unauthorized(&self.sign_in(), None)));
        }
        Ok(at)
    }

    fn ntlm(
        &self,
        service: &'static str,
        operation: &str,
        parts: &Parts,
        settings: &Settings,
        name: &str,
        message: &[u8],
    ) -> Result<usize, Box<Response>> {
        let refused = || Err(Box::new(unauthorized(settings, None)));
        let Some(seat) = parts.extensions.get::<Seat>() else {
            return refused();
        };
        match kind(message) {
            Some(1) => {
                let nonce = self.nonce();
                let challenge = challenge(
                    &self.0.company.netbios(),
                    &self.0.company.domain,
                    nonce,
                    self.now(),
                );
                let answer = format!("{name} {}", STANDARD.encode(&challenge));
                *lock(seat) = Signed {
                    opened: Some(Opened {
                        hello: message.to_vec(),
                        challenge,
                        nonce,
                    }),
                    who: None,
                };
                Err(Box::new(unauthorized(settings, Some(&answer))))
            }
            Some(3) => {
                // An answer to a challenge of another connection, or none at all.
                let Some(opened) = lock(seat).opened.take() else {
                    return refused();
                };
                let Some(answer) = Answer::read(message) else {
                    return refused();
                };
                if self.told_to_refuse(service, operation, &answer.login()) {
                    return refused();
                }
                let Some(at) = self.proven(&answer.login(), |known| answer.fits(known, &opened)) else {
                    return refused();
                };
                let tls = parts.extensions.get::<Via>().is_some_and(|v| v.scheme == "https");
                if !self.bound(settings, tls, &answer) {
                    tracing::info!(
                        "the sandbox's Extended Protection refuses a sign-in that is not bound to it"
                    );
                    return refused();
                }
                lock(seat).who = Some(at);
                Ok(at)
            }
            _ => refused(),
        }
    }

    /// Eight bytes, others each time.
    fn nonce(&self) -> [u8; 8] {
        let mut store = self.store();
        store.challenges += 1;
        let digest = Sha256::digest(format!("ntlm {}", store.challenges));
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&digest[..8]);
        nonce
    }

    fn bound(&self, settings: &Settings, tls: bool, answer: &Answer) -> bool {
        let mut data = b"tls-server-end-point:".to_vec();
        // The sandbox's certificates are signed with ECDSA and SHA-256.
        data.extend(Sha256::digest(&self.0.certificate));
        if settings.tls_ended_by_proxy {
            data.reverse();
        }
        let mut bindings = vec![0; 16];
        bindings.extend(u32::try_from(data.len()).unwrap_or_default().to_le_bytes());
        bindings.extend(data);
        let wanted = Md5::digest(&bindings);
        match (settings.protection, answer.pair(10)) {
            (Protection::Off, _) => true,
            (_, Some(found)) if found.iter().any(|b| *b != 0) => tls && found == wanted.as_slice(),
            (protection, _) => protection == Protection::Allow,
        }
    }

    /// The login that a request shows, or the account that its connection belongs to; for the log and for rules.
    pub(super) fn shown(&self, parts: &Parts) -> Option<String> {
        let login = match authorization(&parts.headers) {
            Some((name, _)) if name == "basic" => basic(&parts.headers)?.0,
            Some((_, token)) => Answer::read(&token)?.login(),
            None => {
                let at = lock(parts.extensions.get::<Seat>()?).who?;
                return Some(self.store().mailboxes[at].user.address.clone());
            }
        };
        Some(self.address_of(&login).unwrap_or(login))
    }
}

fn lock(seat: &Seat) -> std::sync::MutexGuard<'_, Signed> {
    seat.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a request only opens a sign-in.
pub(super) fn opens(parts: &Parts) -> bool {
    authorization(&parts.headers).is_some_and(|(_, token)| kind(&token) == Some(1))
}

fn unauthorized(settings: &Settings, challenge: Option<&str>) -> Response {
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    let headers = response.headers_mut();
    if let Some(value) = challenge.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.append(header::WWW_AUTHENTICATE, value);
        if settings.closes {
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return response;
    }
    for scheme in &settings.schemes {
        let offer = match scheme {
            Scheme::Basic => "Basic realm=\"localhost\"",
            Scheme::Ntlm => "NTLM",
            Scheme::Negotiate | Scheme::Kerberos => "Negotiate",
            Scheme::Bearer => "Bearer realm=\"\"",
        };
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(offer));
    }
    response
}

/// Scheme, in lower case, and token of the request.
fn authorization(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let token = STANDARD.decode(encoded.trim()).ok()?;
    Some((scheme.to_ascii_lowercase(), token))
}

/// Login and password of a Basic header. Old clients write Latin-1.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, bytes) = authorization(headers)?;
    if scheme != "basic" {
        return None;
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|not_utf8| not_utf8.into_bytes().into_iter().map(char::from).collect());
    let (login, password) = text.split_once(':')?;
    Some((login.to_owned(), password.to_owned()))
}

/// 1, 2 or 3.
fn kind(message: &[u8]) -> Option<u8> {
    let rest = message.strip_prefix(SIGNATURE)?;
    rest.first().copied()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = match Hmac::<Md5>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(never) => unreachable!("HMAC takes keys of any length: {never}"),
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The second message. `now`: microseconds since 1970.
fn challenge(netbios: &str, domain: &str, nonce: [u8; 8], now: i64) -> Vec<u8> {
    // 100 ns since 1601.
    let stamp = u64::try_from(now).unwrap_or_default() * 10 + 116_444_736_000_000_000;
    let mut info = Vec::new();
    let mut pair = |id: u16, value: &[u8]| {
        info.extend(id.to_le_bytes());
        info.extend(u16::try_from(value.len()).unwrap_or_default().to_le_bytes());
        info.extend_from_slice(value);
    };
    pair(2, &utf16(netbios));
    pair(1, &utf16("EX01"));
    pair(4, &utf16(domain));
    pair(3, &utf16(&format!("ex01.{domain}")));
    pair(7, &stamp.to_le_bytes());
    pair(0, &[]);
    let target = utf16(netbios);
    let field = |length: usize, at: usize| {
        let length = u16::try_from(length).unwrap_or_default().to_le_bytes();
        let mut out = [length, length].concat();
        out.extend(u32::try_from(at).unwrap_or_default().to_le_bytes());
        out
    };
    let mut out = SIGNATURE.to_vec();
    out.extend(2_u32.to_le_bytes());
    out.extend(field(target.len(), 56));
    out.extend(FLAGS.to_le_bytes());
    out.extend(nonce);
    out.extend([0; 8]);
    out.extend(field(info.len(), 56 + target.len()));
    out.extend(*b"\x0a\0\x63\x45\0\0\0\x0f");
    out.extend(target);
    out.extend(info);
    out
}

/// The third message.
struct Answer {
    whole: Vec<u8>,
    domain: String,
    user: String,
    response: Vec<u8>,
}

impl Answer {
    fn read(message: &[u8]) -> Option<Self> {
        if kind(message) != Some(3) {
            return None;
        }
        let field = |at: usize| {
            let head = message.get(at..at + 8)?;
            let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let start = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            message.get(usize::try_from(start).ok()?..)?.get(..length)
        };
        Some(Self {
            response: field(20)?.to_vec(),
            domain: text(field(28)?),
            user: text(field(36)?),
            whole: message.to_vec(),
        })
    }

    fn login(&self) -> String {
        if self.domain.is_empty() {
            self.user.clone()
        } else {
            format!("{}\\{}", self.domain, self.user)
        }
    }

    /// A value of the target information in the NTLMv2 response.
    fn pair(&self, wanted: u16) -> Option<&[u8]> {
        let mut rest = self.response.get(44..)?;
        loop {
            let (&[a, b, c, d], after) = rest.split_first_chunk::<4>()?;
            let (value, next) = after.split_at_checked(usize::from(u16::from_le_bytes([c, d])))?;
            match u16::from_le_bytes([a, b]) {
                0 => return None,
                id if id == wanted => return Some(value),
                _ => rest = next,
            }
        }
    }

    /// Whether the messages were made with this password, and not changed on the way.
    fn fits(&self, password: &str, opened: &Opened) -> bool {
        let Some((proof, blob)) = self.response.split_at_checked(16) else {
            return false;
        };
        let user = utf16(&self.user.to_uppercase());
        let key = mac(&Md4::digest(utf16(password)), &[&user, &utf16(&self.domain)]);
        if mac(&key, &[&opened.nonce, blob]) != proof {
            return false;
        }
        // MsvAvFlags: a message integrity code is there.
        if self
            .pair(6)
            .is_none_or(|flags| flags.first().is_none_or(|f| f & 2 == 0))
        {
            return true;
        }
        let session = mac(&key, &[proof]);
        let mut whole = self.whole.clone();
        let Some(code) = whole.get_mut(72..88) else {
            return false;
        };
        let told = code.to_vec();
        code.fill(0);
        mac(&session, &[&opened.hello, &opened.challenge, &whole]) == told
    }
}

/// A fresh seat.
pub(crate) fn seat() -> Seat {
    Seat(Arc::new(Mutex::default()))
}

//! NTLM's three messages, by the crate `sspi`.
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/>
//!
//! NTLMv2 with a message integrity code, always; NTLMv1 and LM are not spoken.

use secrecy::ExposeSecret as _;
use sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, DataRepresentation, Ntlm, SecurityBuffer, Sspi as _,
    SspiImpl as _,
};
use tracing::subscriber::NoSubscriber;

use super::Credentials;

/// The server's challenge cannot be used. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's NTLM challenge cannot be read")]
pub(crate) struct BadChallenge;

/// Whether it is NTLM at all: `Negotiate` may carry other things.
pub(super) fn is_message(token: &[u8]) -> bool {
    token.starts_with(b"NTLMSSP\0")
}

/// One sign-in of one connection.
pub(super) struct Handshake {
    context: Ntlm,
    identity: Option<AuthIdentityBuffers>,
}

impl Handshake {
    /// `binding`: what the sign-in is bound to, see [`super::binding`]; `None` over plain HTTP.
    pub(super) fn new(credentials: &Credentials, binding: Option<&[u8]>) -> Self {
        let (domain, user) = parts(&credentials.login);
        let identity = AuthIdentityBuffers::from_utf8(user, domain, credentials.password.expose_secret());
        let mut context = Ntlm::new();
        if let Some(binding) = binding {
            context.set_channel_bindings(binding);
        }
        Self {
            context,
            identity: Some(identity),
        }
    }

    /// The first message: nothing about the user is in it.
    pub(super) fn open(&mut self) -> Result<Vec<u8>, BadChallenge> {
        self.step(&[])
    }

    /// The third message, which proves the password, for the server's second.
    pub(super) fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, BadChallenge> {
        self.step(challenge)
    }

    fn step(&mut self, received: &[u8]) -> Result<Vec<u8>, BadChallenge> {
        let mut input = [SecurityBuffer::new(received.to_vec(), BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        // The crate tells its messages to the log, at a level that somebody may switch on.
        tracing::subscriber::with_default(NoSubscriber::default(), || {
            let mut builder = self
                .context
                .initialize_security_context()
                .with_credentials_handle(&mut self.identity)
                .with_context_requirements(ClientRequestFlags::empty())
                .with_target_data_representation(DataRepresentation::Native)
                .with_input(&mut input)
                .with_output(&mut output);
            self.context
                .initialize_security_context_impl(&mut builder)
                .and_then(|mut generator| generator.resolve_to_result())
                .map(drop)
                .map_err(|_| BadChallenge)
        })?;
        let [made] = output;
        Ok(made.buffer)
    }
}

/// `CONTOSO\nina` is a domain and a user; `nina` is a user of the server's own domain; a user principal name stays
/// whole, and goes without a domain.
fn parts(login: &str) -> (&str, &str) {
    login.split_once('\\').unwrap_or(("", login))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn handshake(login: &str, binding: Option<&[u8]>) -> Handshake {
        let credentials = Credentials {
            login: login.to_owned(),
            password: SecretString::from("Passwort"),
        };
        Handshake::new(&credentials, binding)
    }

    /// The server's message: Unicode, extended session security, target information; a flag that nobody has named.
    fn challenge(info: &[u8]) -> Vec<u8> {
        let mut out = b"NTLMSSP\0\x02\0\0\0".to_vec();
        out.extend([0, 0, 0, 0, 56, 0, 0, 0]);
        out.extend(0x0088_0201_u32.to_le_bytes());
        out.extend(*b"\x01\x23\x45\x67\x89\xab\xcd\xef");
        out.extend([0; 8]);
        let length = u16::try_from(info.len()).unwrap().to_le_bytes();
        out.extend(length);
        out.extend(length);
        out.extend(56_u32.to_le_bytes());
        out.extend([0; 8]);
        out.extend_from_slice(info);
        out
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn field(message: &[u8], at: usize) -> &[u8] {
        let number = |at: usize| usize::from(u16::from_le_bytes([message[at], message[at + 1]]));
        &message[number(at + 4)..][..number(at)]
    }

    const INFO: &[u8] = b"\x02\0\x04\0C\0O\0\0\0\0\0";

    #[test]
    fn logins_are_taken_as_they_are() {
        for (login, domain, user) in [
            ("CONTOSO\\nina.berg", "CONTOSO", "nina.berg"),
            ("nina.berg", "", "nina.berg"),
            ("nina.berg@contoso.example", "", "nina.berg@contoso.example"),
            ("CONTOSO\\nina@x.example", "CONTOSO", "nina@x.example"),
        ] {
            let mut handshake = handshake(login, None);
            let first = handshake.open().unwrap();
            assert!(first.starts_with(b"NTLMSSP\0\x01\0\0\0"), "{first:x?}");
            let third = handshake.answer(&challenge(INFO)).unwrap();
            assert!(third.starts_with(b"NTLMSSP\0\x03\0\0\0"));
            assert_eq!(field(&third, 28), utf16(domain), "{login}");
            assert_eq!(field(&third, 36), utf16(user), "{login}");
            for secret in [utf16("Passwort"), b"Passwort".to_vec()] {
                assert!(!third.windows(secret.len()).any(|part| part == secret));
            }
        }
    }

    #[test]
    fn the_binding_is_in_what_is_signed() {
        let answer = |binding: Option<&[u8]>| {
            let mut handshake = handshake("nina", binding);
            handshake.open().unwrap();
            handshake.answer(&challenge(INFO)).unwrap()
        };
        // MsvAvChannelBindings, 16 bytes.
        let pair = |message: &[u8]| {
            let response = field(message, 20).to_vec();
            let at = response.windows(4).position(|part| part == [0x0a, 0, 16, 0])?;
            Some(response[at + 4..at + 20].to_vec())
        };
        assert_eq!(pair(&answer(None)), None);
        let one = pair(&answer(Some(b"tls-server-end-point:1"))).unwrap();
        let other = pair(&answer(Some(b"tls-server-end-point:2"))).unwrap();
        assert!(one != other && one != [0; 16]);
    }

    proptest! {
        #[test]
        fn no_challenge_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..120), head in any::<bool>()) {
            let mut handshake = handshake("nina", Some(b"x"));
            handshake.open().unwrap();
            let message = if head { challenge(&bytes) } else { bytes };
            let _ = handshake.answer(&message);
        }
    }
}

//! Where the master keys come from: a file, a setting, or a command (for a key management service).
//!
//! All three give the same text: a line per key, 32 bytes in base64; the first wraps, the others still open. Empty lines
//! and lines that begin with `#` are passed over.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use tandem_sync::ports::Rng as _;

use super::{KEY_BYTES, MasterKey};
use crate::clock::SystemRng;

/// More is no list of keys.
const LARGEST: u64 = 4096;
/// Somebody waits for the server to start.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// A file of its own, for its owner alone (0600).
    File(PathBuf),
    /// The text itself, as from a variable of the environment.
    Given(SecretString),
    /// A line for `sh`; its standard output is the text.
    Command(String),
}

/// Why there is no master key. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error(
        "{0} is not a master key: 32 bytes in base64 are expected, one key per line. Restore it from your backup"
    )]
    Malformed(String),
    #[error("{0} can be read by others than its owner: chmod 600 it")]
    Readable(String),
    #[error("master_key_command {0}")]
    Command(String),
    #[error("{0} is not a file that this server keeps: add the new key as its first line yourself")]
    NoFile(&'static str),
}

impl MasterKeyError {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

impl std::fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Given(_) => f.write_str(self.name()),
            Self::Command(_) => f.write_str("master_key_command"),
        }
    }
}

impl MasterKeySource {
    const fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "master_key_file",
            Self::Given(_) => "master_key",
            Self::Command(_) => "master_key_command",
        }
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Whether asking again can bring something else.
    pub(super) const fn can_change(&self) -> bool {
        !matches!(self, Self::Given(_))
    }

    /// At least one key.
    pub(super) fn read(&self) -> Result<Vec<MasterKey>, MasterKeyError> {
        let text = match self {
            Self::File(path) => read_private(path)?,
            Self::Given(text) => Zeroizing::new(text.expose_secret().to_owned()),
            Self::Command(line) => output_of(line)?,
        };
        parse(&text).ok_or_else(|| MasterKeyError::Malformed(self.to_string()))
    }

    /// As [`MasterKeySource::read`]; a file that is missing is made, with one key. Says whether it was missing.
    pub(super) fn read_or_create(&self) -> Result<(Vec<MasterKey>, bool), MasterKeyError> {
        let Self::File(path) = self else {
            return Ok((self.read()?, false));
        };
        match self.read() {
            Err(error) if error.is_missing() => {
                match place(path, &[new_key()], Place::New) {
                    // Two processes started at once: the other one was first, its key counts.
                    Err(MasterKeyError::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                    made => made?,
                }
                Ok((self.read()?, true))
            }
            read => Ok((read?, false)),
        }
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> Result<(), MasterKeyError> {
        let Self::File(path) = self else {
            return Err(MasterKeyError::NoFile(self.name()));
        };
        std::fs::remove_file(path).map_err(|source| MasterKeyError::Io {
            path: path.display().to_string(),
            source,
        })
    }

    /// A new key before the others.
    pub(super) fn add(&self) -> Result<(), MasterKeyError> {
        let Self::File(path) = self else {
            return Err(MasterKeyError::NoFile(self.name()));
        };
        let mut keys = self.read()?;
        keys.insert(0, new_key());
        place(path, &keys, Place::Over)
    }

    /// The first key alone.
    pub(super) fn keep_first(&self) -> Result<(), MasterKeyError> {
        let Self::File(path) = self else {
            return Err(MasterKeyError::NoFile(self.name()));
        };
        let mut keys = self.read()?;
        keys.truncate(1);
        place(path, &keys, Place::Over)
    }
}

pub(super) fn new_key() -> MasterKey {
    let mut key = [0; KEY_BYTES];
    SystemRng.fill(&mut key);
    SecretBox::new(Box::new(key))
}

fn parse(text: &str) -> Option<Vec<MasterKey>> {
    let lines = text.lines().map(str::trim);
    let keys = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let bytes = Zeroizing::new(BASE64.decode(line).ok()?);
            let key: [u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
            Some(SecretBox::new(Box::new(key)))
        })
        .collect::<Option<Vec<_>>>()?;
    (!keys.is_empty()).then_some(keys)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, MasterKeyError> {
    let name = || path.display().to_string();
    let io = |source| MasterKeyError::Io { path: name(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(MasterKeyError::Readable(name()));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An existing file is never replaced.
    New,
    Over,
}

/// Written beside and moved into place: a crash leaves the old file or the new one, never half of one.
fn place(path: &Path, keys: &[MasterKey], place: Place) -> Result<(), MasterKeyError> {
    let io = |source| MasterKeyError::Io {
        path: path.display().to_string(),
        source,
    };
    // A name of its own each time: in a container every process has the same number.
    let mut unique = [0; 8];
    SystemRng.fill(&mut unique);
    let draft = path.with_extension(format!("new-{:016x}", u64::from_be_bytes(unique)));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(io)?;
    let mut text = Zeroizing::new(String::new());
    for key in keys {
        text.push_str(&Zeroizing::new(BASE64.encode(key.expose_secret())));
        text.push('\n');
    }
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| match place {
            Place::New => std::fs::hard_link(&draft, path),
            Place::Over => std::fs::rename(&draft, path),
        });
    // After a rename there is nothing left to remove.
    let removed = match std::fs::remove_file(&draft) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && place == Place::Over => Ok(()),
        removed => removed,
    };
    written.map_err(io)?;
    removed.map_err(io)?;
    // A key that a power failure forgets takes all that it has sealed with it.
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)
}

/// The command's own words go to our standard error, for the operator; they are in no error of ours.
fn output_of(line: &str) -> Result<Zeroizing<String>, MasterKeyError> {
    let failed = |what: String| MasterKeyError::Command(what);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let (told, hears) = mpsc::channel();
    let output = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = Zeroizing::new(String::new());
        let read = output.map(|output| output.take(LARGEST).read_to_string(&mut text));
        // Nobody hears it any more after the time-out.
        let _ = told.send(matches!(read, Some(Ok(_))).then_some(text));
    });
    let Ok(text) = hears.recv_timeout(COMMAND_TIMEOUT) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!(
            "gave no key within {} seconds",
            COMMAND_TIMEOUT.as_secs()
        )));
    };
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match text {
        Some(text) if status.success() => Ok(text),
        _ => Err(failed(format!("failed: {status}"))),
    }
}

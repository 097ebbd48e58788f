use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tandem_store::Vault as _;

use super::*;

const AT: &str = "connections/1/key";

fn file(path: &Path) -> MasterKeySource {
    MasterKeySource::File(path.to_owned())
}

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(file(&dir.path().join("key"))).unwrap();
    (dir, vault)
}

fn opens(vault: &Vault, key: &WrappedKey, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    vault
        .open(key, AT, "a/1", sealed)
        .map(|plain| plain.expose_secret().to_vec())
}

#[test]
fn the_key_file_is_made_once_and_private() {
    let (dir, first) = vault();
    let path = dir.path().join("key");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = Vault::open_or_create(file(&path)).unwrap();
    let key = first.new_data_key(AT).unwrap();
    let sealed = first.seal(&key, AT, "a/1", b"secret").unwrap();
    assert_eq!(opens(&second, &key, &sealed).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (dir, _) = vault();
    let path = dir.path().join("key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        Vault::open(file(&path)),
        Err(MasterKeyError::Readable(_))
    ));
}

#[test]
fn a_file_that_is_no_key_is_refused_and_kept() {
    let (dir, _) = vault();
    let path = dir.path().join("key");
    for wrong in ["half", "", "# only a remark\n", "AAAA"] {
        std::fs::write(&path, wrong).unwrap();
        assert!(
            matches!(
                Vault::open_or_create(file(&path)),
                Err(MasterKeyError::Malformed(_))
            ),
            "{wrong:?}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), wrong);
    }
}

#[test]
fn a_ciphertext_opens_only_in_its_row_and_with_its_key() {
    let (_dir, vault) = vault();
    let key = vault.new_data_key(AT).unwrap();
    let sealed = vault.seal(&key, AT, "a/1", b"secret").unwrap();
    assert!(!sealed.windows(6).any(|w| w == b"secret"));
    assert_eq!(opens(&vault, &key, &sealed).unwrap(), b"secret");
    assert!(vault.open(&key, AT, "a/2", &sealed).is_err());
    assert!(vault.open(&key, "connections/2/key", "a/1", &sealed).is_err());
    let other = vault.new_data_key(AT).unwrap();
    assert!(vault.open(&other, AT, "a/1", &sealed).is_err());
    for at in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[at] ^= 1;
        assert!(vault.open(&key, AT, "a/1", &bent).is_err(), "byte {at}");
    }
    assert!(vault.open(&key, AT, "a/1", &[]).is_err());
}

#[test]
fn a_running_server_goes_on_when_the_master_key_is_exchanged() {
    let (dir, running) = vault();
    let path = dir.path().join("key");
    let key = running.new_data_key(AT).unwrap();
    let sealed = running.seal(&key, AT, "a/1", b"secret").unwrap();
    let hashes = running.derive(&key, AT, "base-hash").unwrap();

    let operator = Vault::open(file(&path)).unwrap();
    operator.add_master_key().unwrap();
    assert_eq!(operator.master_keys().unwrap(), 2);
    let rewrapped = operator.rewrap(&key, AT).unwrap().unwrap();
    assert_eq!(operator.rewrap(&rewrapped, AT).unwrap(), None, "once is enough");
    assert!(rewrapped != key);

    // The running one has not heard of it, and finds out when it must.
    assert_eq!(opens(&running, &rewrapped, &sealed).unwrap(), b"secret");
    assert_eq!(running.derive(&rewrapped, AT, "base-hash").unwrap(), hashes);
    // What it makes from now on needs the old key no more.
    let later = running.new_data_key(AT).unwrap();
    assert_eq!(operator.rewrap(&later, AT).unwrap(), None);

    operator.drop_old_master_keys().unwrap();
    let restarted = Vault::open(file(&path)).unwrap();
    assert_eq!(opens(&restarted, &rewrapped, &sealed).unwrap(), b"secret");
    assert_eq!(
        opens(&restarted, &key, &sealed),
        Err(VaultError::Key),
        "the old key is gone"
    );
    // What was on its way while the file changed still opens where it was wrapped.
    assert_eq!(opens(&running, &key, &sealed).unwrap(), b"secret");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_new_data_key_is_wrapped_by_the_newest_master_key_even_in_a_process_that_slept() {
    let (dir, running) = vault();
    let path = dir.path().join("key");
    Vault::open(file(&path)).unwrap().add_master_key().unwrap();
    let key = running.new_data_key(AT).unwrap();
    assert_eq!(Vault::open(file(&path)).unwrap().rewrap(&key, AT).unwrap(), None);
}

#[test]
fn a_setting_and_a_command_give_keys_too() {
    let text = |n: u8| BASE64.encode([n; KEY_BYTES]);
    let given = |text: String| MasterKeySource::Given(text.into());
    let old = Vault::open_or_create(given(text(1))).unwrap();
    let key = old.new_data_key(AT).unwrap();
    let sealed = old.seal(&key, AT, "a/1", b"secret").unwrap();
    // The new key in front, the old one behind it.
    let both = Vault::open(given(format!("# new\n{}\n\n{}\n", text(2), text(1)))).unwrap();
    assert_eq!(opens(&both, &key, &sealed).unwrap(), b"secret");
    let rewrapped = both.rewrap(&key, AT).unwrap().unwrap();
    let new = Vault::open(MasterKeySource::Command(format!("echo {}", text(2)))).unwrap();
    assert_eq!(opens(&new, &rewrapped, &sealed).unwrap(), b"secret");
    assert_eq!(opens(&new, &key, &sealed), Err(VaultError::Key));
    assert!(matches!(
        both.add_master_key(),
        Err(MasterKeyError::NoFile("master_key"))
    ));
    let shown = format!("{:?}", given(text(1)));
    assert!(!shown.contains(&text(1)), "{shown}");
}

#[test]
fn a_command_that_gives_no_key_is_told_without_its_output() {
    for line in ["echo geheim; exit 3", "echo geheim", "exit 0"] {
        let error = Vault::open(MasterKeySource::Command(line.into())).unwrap_err();
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[test]
fn a_running_server_asks_its_command_again() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kms");
    let text = |n: u8| BASE64.encode([n; KEY_BYTES]);
    std::fs::write(&kept, text(1)).unwrap();
    let running = Vault::open(MasterKeySource::Command(format!("cat {}", kept.display()))).unwrap();
    let key = running.new_data_key(AT).unwrap();
    let sealed = running.seal(&key, AT, "a/1", b"secret").unwrap();
    std::fs::write(&kept, format!("{}\n{}", text(2), text(1))).unwrap();
    let operator = Vault::open(running.source().clone()).unwrap();
    let rewrapped = operator.rewrap(&key, AT).unwrap().unwrap();
    assert_eq!(opens(&running, &rewrapped, &sealed).unwrap(), b"secret");
}

#[test]
fn tokens_are_signed_as_before_an_exchange() {
    let (dir, running) = vault();
    let before = running.first_token_key();
    running.add_master_key().unwrap();
    let restarted = Vault::open(file(&dir.path().join("key"))).unwrap();
    assert_eq!(restarted.first_token_key(), before);
}

#[test]
fn parts_of_a_mac_cannot_run_into_each_other() {
    assert_ne!(mac(b"k", &["ab", "c"]), mac(b"k", &["a", "bc"]));
}

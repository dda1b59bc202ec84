//! What outlives the node: the certificate with its key in one file, the account, and when the authority was last asked.
//! Every file is its owner's alone and is replaced in one piece.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::fault::AcmeFault;
use super::schedule::Life;
use crate::server::config::{Acme, TlsFiles};
use crate::server::os_error;
use crate::server::tls::Pair;

/// Room that a new certificate with its key is sure to find on the disk before anybody is asked for it.
const RESERVED_BYTES: usize = 32 * 1024;
const LAST_ATTEMPT: &str = "last-attempt";

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
    files: TlsFiles,
    account: PathBuf,
    directory: String,
}

/// An account with the authority.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// Whom the authority was told to write to.
    pub(super) email: Option<String>,
    pub(super) credentials: AccountCredentials,
}

/// A certificate that is stored and valid.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) life: Life,
    /// When it was stored, in seconds since 1970.
    pub(super) stored_unix_s: u64,
    /// Whether it is for all names that are wanted.
    pub(super) has_all_names: bool,
    /// Whether the authority that is asked now gave it, and not one of an earlier configuration.
    pub(super) is_of_authority: bool,
}

impl Store {
    pub(super) fn new(acme: &Acme, folder: &Path) -> Self {
        // An account belongs to one authority.
        let file_name: String = (acme.directory.trim_start_matches("https://").chars())
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        Self {
            files: acme.files(folder),
            account: folder.join(format!("account-{file_name}.json")),
            folder: folder.to_owned(),
            directory: acme.directory.clone(),
        }
    }

    /// The certificate in the folder, if there is one that is valid.
    pub(super) fn certificate(&self, names: &[String]) -> Option<Stored> {
        let pair = Pair::read(&self.files, SystemTime::now()).ok()?;
        let written = fs::metadata(&self.files.certificate).and_then(|file| file.modified());
        let written = written.ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stored {
            life: Life {
                not_before_unix_s: pair.not_before_unix_s,
                not_after_unix_s: pair.not_after_unix_s,
            },
            stored_unix_s: written.as_secs(),
            has_all_names: names.iter().all(|name| pair.names.contains(name)),
            is_of_authority: pair.chain_pem.lines().next() == Some(self.directory.as_str()),
        })
    }

    /// When the authority was last asked, by this run or an earlier one.
    pub(super) fn last_attempt_unix_s(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(LAST_ATTEMPT)).ok()?;
        text.trim().parse().ok()
    }

    /// Notes that the authority is asked now, and makes sure of the room for what it will give.
    ///
    /// # Errors
    /// Nothing can be written here: then nobody should be asked.
    pub(super) fn begin_attempt(&self, unix_s: u64) -> Result<(), AcmeFault> {
        self.replace(
            &self.folder.join(LAST_ATTEMPT),
            format!("{unix_s}\n").as_bytes(),
        )?;
        let reserved = new_name(&self.files.certificate);
        let written = create(&reserved).and_then(|mut file| {
            file.write_all(&vec![b'\n'; RESERVED_BYTES])?;
            file.sync_all()
        });
        written.map_err(|error| AcmeFault::storage(&self.folder, &error))
    }

    /// Stores a chain and its key, checked, in the place of the ones before.
    ///
    /// # Errors
    /// They are of no use, or cannot be written.
    pub(super) fn put(&self, chain_pem: &str, key_pem: &str) -> Result<Life, AcmeFault> {
        let pair = Pair::check(chain_pem.to_owned(), key_pem.to_owned(), SystemTime::now())
            .map_err(AcmeFault::Useless)?;
        // Text outside the sections means nothing in PEM (RFC 7468, section 2): here, whose certificate it is.
        let text = format!(
            "{}\n{}\n{}\n",
            self.directory,
            key_pem.trim_end(),
            chain_pem.trim_end()
        );
        self.replace(&self.files.certificate, text.as_bytes())?;
        Ok(Life {
            not_before_unix_s: pair.not_before_unix_s,
            not_after_unix_s: pair.not_after_unix_s,
        })
    }

    /// The account that this authority gave; `None` when it gave none, or what is stored is none.
    pub(super) fn account(&self) -> Option<Account> {
        serde_json::from_slice(&fs::read(&self.account).ok()?).ok()
    }

    /// Keeps an account.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put_account(&self, account: &Account) -> Result<(), AcmeFault> {
        // Plain values with text keys.
        let text = serde_json::to_vec(account).unwrap_or_default();
        self.replace(&self.account, &text)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), AcmeFault> {
        let new = new_name(path);
        let replaced = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| {
                // Over what was reserved, so that a disk that has become full does not matter.
                file.write_all(bytes)?;
                file.set_len(bytes.len() as u64)?;
                file.sync_all()?;
                fs::rename(&new, path)?;
                File::open(&self.folder)?.sync_all()
            });
        replaced.map_err(|error| AcmeFault::storage(&self.folder, &error))
    }
}

/// Anew, so that nobody who could read an old one reads this one.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Does what may wait for a disk on a thread of its own, so that the process shows meanwhile that it lives.
pub(super) async fn elsewhere<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, AcmeFault> + Send + 'static,
) -> Result<T, AcmeFault> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(AcmeFault::Local(format!("storing failed: {error}"))))
}

/// Makes the folder, its owner's alone. `owner` (user and group) is whom the node becomes, and whose the folder is
/// where it was made here.
///
/// # Errors
/// Why there is none.
pub fn prepare(folder: &Path, owner: Option<(u32, u32)>) -> Result<(), AcmeFault> {
    let failed = |error: io::Error| AcmeFault::Storage {
        path: folder.to_owned(),
        reason: os_error::reason(&error),
    };
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let is_new = match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => false,
        Err(error) => return Err(failed(error)),
    };
    if let (Some((user, group)), true) = (owner, is_new) {
        // Not what a link leads to, should somebody have put one here meanwhile: this may be root.
        std::os::unix::fs::lchown(folder, Some(user), Some(group)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::server::config::AcmeChallenge;

    fn acme(folder: &Path) -> Acme {
        Acme {
            names: vec!["a.example".to_owned()],
            email: None,
            directory: "https://ca.example:14000/dir".to_owned(),
            directory_ca: None,
            storage: Some(folder.to_owned()),
            challenge: AcmeChallenge::Http01,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let name = format!("bufferbloatd-store-{name}-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn made(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn what_is_stored_is_its_owners_alone_and_comes_back() {
        let folder = folder("modes");
        prepare(&folder, None).unwrap();
        prepare(&folder, None).unwrap();
        let acme = acme(&folder);
        let store = Store::new(&acme, &folder);
        assert!(store.certificate(&acme.names).is_none());
        assert_eq!(store.last_attempt_unix_s(), None);
        store.begin_attempt(1_790_000_000).unwrap();
        let (chain, key) = made("a.example");
        let life = store.put(&chain, &key).unwrap();
        let stored = store.certificate(&acme.names).unwrap();
        assert_eq!(stored.life, life);
        assert!(stored.has_all_names && stored.is_of_authority);
        let other = Acme {
            directory: "https://other.example/dir".to_owned(),
            ..acme.clone()
        };
        let stored = Store::new(&other, &folder).certificate(&acme.names);
        assert!(!stored.unwrap().is_of_authority);
        let more = ["a.example".to_owned(), "b.example".to_owned()];
        assert!(!store.certificate(&more).unwrap().has_all_names);
        assert_eq!(store.last_attempt_unix_s(), Some(1_790_000_000));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let mut files: Vec<String> = Vec::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        files.sort();
        assert_eq!(files, ["a.example.pem", LAST_ATTEMPT]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_pair_that_does_not_match_replaces_nothing() {
        let folder = folder("mismatch");
        prepare(&folder, None).unwrap();
        let acme = acme(&folder);
        let store = Store::new(&acme, &folder);
        let (chain, key) = made("a.example");
        store.put(&chain, &key).unwrap();
        let fault = store.put(&chain, &made("a.example").1).unwrap_err();
        assert!(fault.to_string().contains("belongs to another"), "{fault}");
        assert!(store.certificate(&acme.names).is_some());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_told_before_anybody_is_asked() {
        let file = folder("file");
        fs::write(&file, "").unwrap();
        let folder = file.join("acme");
        let fault = prepare(&folder, None).unwrap_err().to_string();
        assert!(fault.contains("cannot be written"), "{fault}");
        let fault = Store::new(&acme(&folder), &folder)
            .begin_attempt(1)
            .unwrap_err();
        assert!(fault.to_string().contains("Not a directory"), "{fault}");
        fs::remove_file(&file).unwrap();
    }
}

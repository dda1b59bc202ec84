//! `make-test-certificate`: a certificate signed by itself, for trying HTTPS out. Nobody's trust store has it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};

use super::os_error;

/// The chain's file in the folder.
pub const CERTIFICATE: &str = "certificate.pem";
/// The key's file in the folder.
pub const KEY: &str = "key.pem";
/// Browsers take no certificate that is valid for longer than 398 days.
const VALID_FOR: Duration = Duration::from_secs(397 * 24 * 3600);

/// Why there is none.
#[derive(Debug)]
pub enum Fault {
    /// One of the names cannot be in a certificate.
    Names(rcgen::Error),
    /// A file cannot be written, or is there already.
    File(PathBuf, io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names(error) => write!(
                f,
                "{error}: a name must be a host's name or an IP address, such as test.example.net or 192.0.2.1"
            ),
            Self::File(path, error) if error.kind() == io::ErrorKind::AlreadyExists => write!(
                f,
                "{}: is there already; remove it first, or choose another folder",
                path.display()
            ),
            Self::File(path, error) => {
                write!(f, "{}: {}", path.display(), os_error::reason(error))
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Writes [`CERTIFICATE`] and [`KEY`] (readable by its owner only) into `folder`, which is made if it's not there.
///
/// # Errors
/// See [`Fault`]; nothing is overwritten.
pub fn make(folder: &Path, names: &[String]) -> Result<(), Fault> {
    let (chain_pem, key_pem) = self_signed(names).map_err(Fault::Names)?;
    fs::create_dir_all(folder).map_err(|error| Fault::File(folder.to_owned(), error))?;
    write(folder.join(KEY), &key_pem, 0o600)?;
    write(folder.join(CERTIFICATE), &chain_pem, 0o644)
}

/// A certificate for these names that nobody but its own key has signed, and that key, both PEM.
///
/// # Errors
/// One of the names cannot be in a certificate.
pub fn self_signed(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    let now = SystemTime::now();
    // A client's clock may be a little behind.
    parameters.not_before = (now - Duration::from_secs(3600)).into();
    parameters.not_after = (now + VALID_FOR).into();
    if let Some(first) = names.first() {
        (parameters.distinguished_name).push(DnType::CommonName, first.as_str());
    }
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(path: PathBuf, text: &str, mode: u32) -> Result<(), Fault> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Fault::File(path, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::server::config::TlsFiles;
    use crate::server::tls::Pair;

    #[test]
    fn the_pair_is_one_that_the_node_takes_and_its_key_is_its_owners_alone() {
        let folder = std::env::temp_dir().join(format!("test-certificate-{}", std::process::id()));
        let names = ["localhost".to_owned(), "192.0.2.1".to_owned()];
        make(&folder, &names).unwrap();
        let mode = fs::metadata(folder.join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = TlsFiles {
            certificate: folder.join(CERTIFICATE),
            key: folder.join(KEY),
        };
        assert!(Pair::read(&files, SystemTime::now()).is_ok());
        let again = make(&folder, &names).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
        fs::remove_dir_all(&folder).unwrap();
        let error = make(&folder, &["caf\u{e9}".to_owned()]).unwrap_err();
        assert!(
            error.to_string().contains("must be a host's name"),
            "{error}"
        );
    }
}

//! A certificate chain and its key, read and checked: what is wrong with them is told before any client can meet it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::runtime::tls::{CredentialFault, Credentials};
use crate::server::config::TlsFiles;
use crate::server::os_error;

/// A chain with dozens of certificates is far below this.
const FILE_BYTES_MAX: u64 = 128 * 1024;

/// A chain and a key that belong together and are valid, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The node's certificate first, then those that lead to the authority.
    pub chain_pem: String,
    /// The private key, not encrypted.
    pub key_pem: String,
    /// From when on the certificate is valid, in seconds since 1970.
    pub not_before_unix_s: u64,
    /// When the certificate expires, in seconds since 1970.
    pub not_after_unix_s: u64,
    /// Whom it is for.
    pub names: Vec<String>,
}

/// Why a pair cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// A file is not there.
    Missing(PathBuf),
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// What is in the certificate's file or the key's is of no use, or the two do not belong together.
    Useless {
        /// The file at fault; `None` when the pair did not come from files.
        path: Option<PathBuf>,
        /// What is wrong.
        fault: CredentialFault,
    },
    /// It was valid once.
    Expired {
        /// Until when.
        not_after: String,
    },
    /// It will be valid.
    NotYetValid {
        /// From when on.
        not_before: String,
    },
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{}: there is no such file", path.display()),
            Self::Unreadable { path, reason } => {
                write!(f, "{}: cannot be read: {reason}", path.display())
            }
            Self::Useless {
                path: Some(path),
                fault,
            } => write!(f, "{}: {fault}", path.display()),
            Self::Useless { path: None, fault } => fault.fmt(f),
            Self::Expired { not_after } => write!(f, "the certificate expired at {not_after}"),
            Self::NotYetValid { not_before } => write!(
                f,
                "the certificate is valid from {not_before} on only; is this machine's clock right?"
            ),
        }
    }
}

impl std::error::Error for CertificateFault {}

impl Pair {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(files: &TlsFiles, now: SystemTime) -> Result<Self, CertificateFault> {
        let chain_pem = read(&files.certificate)?;
        let key_pem = read(&files.key)?;
        Self::check(chain_pem, key_pem, now).map_err(|fault| match fault {
            CertificateFault::Useless { fault, .. } => CertificateFault::Useless {
                path: Some(match fault {
                    CredentialFault::NoCertificate | CredentialFault::BadCertificate(_) => {
                        files.certificate.clone()
                    }
                    CredentialFault::NoKey
                    | CredentialFault::BadKey(_)
                    | CredentialFault::Mismatch => files.key.clone(),
                }),
                fault,
            },
            fault => fault,
        })
    }

    /// Checks a pair that is in memory.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        chain_pem: String,
        key_pem: String,
        now: SystemTime,
    ) -> Result<Self, CertificateFault> {
        let useless = |fault| CertificateFault::Useless { path: None, fault };
        let not_a_certificate = |reason: String| useless(CredentialFault::BadCertificate(reason));
        Credentials::new(
            chain_pem.as_bytes(),
            key_pem.as_bytes(),
            Vec::new(),
            Vec::new(),
        )
        .map_err(useless)?;
        let leaf = CertificateDer::from_pem_slice(chain_pem.as_bytes())
            .map_err(|error| not_a_certificate(error.to_string()))?;
        let (_, leaf) = X509Certificate::from_der(&leaf)
            .map_err(|error| not_a_certificate(error.to_string()))?;
        let validity = leaf.validity();
        let at = |unix_s: i64| {
            UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_s).unwrap_or_default())
        };
        if now < at(validity.not_before.timestamp()) {
            return Err(CertificateFault::NotYetValid {
                not_before: validity.not_before.to_string(),
            });
        }
        if now > at(validity.not_after.timestamp()) {
            return Err(CertificateFault::Expired {
                not_after: validity.not_after.to_string(),
            });
        }
        let not_after_unix_s = u64::try_from(validity.not_after.timestamp()).unwrap_or_default();
        let not_before_unix_s = u64::try_from(validity.not_before.timestamp()).unwrap_or_default();
        let names = names(&leaf);
        Ok(Self {
            chain_pem,
            key_pem,
            not_before_unix_s,
            not_after_unix_s,
            names,
        })
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Pair")
            .field("names", &self.names)
            .field("not_after_unix_s", &self.not_after_unix_s)
            .finish_non_exhaustive()
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = &extension.value.general_names;
    names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn read(path: &Path) -> Result<String, CertificateFault> {
    let unreadable = |reason: String| CertificateFault::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CertificateFault::Missing(path.to_owned()),
        io::ErrorKind::InvalidData => unreadable("it is not PEM, which is text".to_owned()),
        _ => unreadable(os_error::reason(&error)),
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it has {length} bytes, and a chain or a key at most {FILE_BYTES_MAX}"
        )));
    }
    std::fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(from_year: i32, to_year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("randomness");
        let mut params = CertificateParams::new(vec!["node.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from_year, 1, 1);
        params.not_after = date_time_ymd(to_year, 1, 1);
        let certificate = params.self_signed(&key).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    fn at_2026() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    #[test]
    fn a_good_pair_tells_its_names_and_its_end() {
        let (chain, key) = made(2020, 2040);
        let pair = Pair::check(chain, key, at_2026()).expect("valid");
        assert_eq!(pair.not_after_unix_s, 2_208_988_800);
        assert!(pair.names[0].contains("node.example"), "{:?}", pair.names);
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn each_fault_is_told_by_itself() {
        let (chain, key) = made(2020, 2040);
        let (_, other_key) = made(2020, 2040);
        let (old_chain, old_key) = made(2020, 2021);
        let (new_chain, new_key) = made(2038, 2040);
        let fault = |chain: &str, key: &str| {
            Pair::check(chain.to_owned(), key.to_owned(), at_2026())
                .expect_err("a fault")
                .to_string()
        };
        let broken = chain.replace("MII", "AAA");
        for (fault, expected) in [
            (fault("", &key), "holds no certificate"),
            (fault(&key, &key), "holds no certificate"),
            (
                fault(&broken, &key),
                "holds something that is no certificate",
            ),
            (fault(&chain, ""), "holds no private key"),
            (fault(&chain, &chain), "holds no private key"),
            (
                fault(&chain, &other_key),
                "the private key belongs to another certificate",
            ),
            (fault(&old_chain, &old_key), "the certificate expired at"),
            (fault(&new_chain, &new_key), "is valid from"),
        ] {
            assert!(fault.contains(expected), "{fault:?} for {expected:?}");
        }
    }
}

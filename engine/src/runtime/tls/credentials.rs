//! What a node proves itself with: the certificate with its key, those that answer an authority's challenges, and the
//! keys of session tickets. One immutable set; a reload puts another in its place.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::acceptor::provider;
use super::tickets::TicketKey;

/// See the module.
#[derive(Debug)]
pub struct Credentials {
    pub(super) certificate: Arc<CertifiedKey>,
    pub(super) challenges: Vec<Challenge>,
    pub(super) ticket_keys: Vec<TicketKey>,
}

/// The certificate that answers a TLS-ALPN-01 challenge for one name (RFC 8737, section 3).
#[derive(Debug)]
pub struct Challenge {
    name: String,
    certificate: Arc<CertifiedKey>,
}

/// Why a certificate or its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// There is no certificate in the chain.
    NoCertificate,
    /// A certificate is not one.
    BadCertificate(String),
    /// There is no private key.
    NoKey,
    /// The private key is none that can sign.
    BadKey(String),
    /// The key belongs to another certificate.
    Mismatch,
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => {
                f.write_str("holds no certificate; it must be PEM, the node's own first")
            }
            Self::BadCertificate(reason) => {
                write!(f, "holds something that is no certificate: {reason}")
            }
            Self::NoKey => f.write_str("holds no private key; it must be PEM and not encrypted"),
            Self::BadKey(reason) => write!(f, "holds a key that cannot be used: {reason}"),
            Self::Mismatch => f.write_str("the private key belongs to another certificate"),
        }
    }
}

impl std::error::Error for CredentialFault {}

impl Credentials {
    /// A set with this certificate chain and key, both PEM. The first of `ticket_keys` seals new tickets, the others open
    /// older ones.
    ///
    /// # Errors
    /// What is wrong with the chain or the key.
    pub fn new(
        chain_pem: &[u8],
        key_pem: &[u8],
        challenges: Vec<Challenge>,
        ticket_keys: Vec<TicketKey>,
    ) -> Result<Self, CredentialFault> {
        Ok(Self {
            certificate: certified_key(chain_pem, key_pem)?,
            challenges,
            ticket_keys,
        })
    }
}

impl Challenge {
    /// The answer for `name` while a client speaks `acme-tls/1`.
    ///
    /// # Errors
    /// What is wrong with the chain or the key.
    pub fn new(name: String, chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, CredentialFault> {
        let (chain, key) = parsed(chain_pem, key_pem)?;
        // Not checked against each other: that reads the certificate as a client would, for whom its critical extension
        // makes it none.
        let key = provider().key_provider.load_private_key(key);
        let key = key.map_err(|error| CredentialFault::BadKey(error.to_string()))?;
        Ok(Self {
            certificate: Arc::new(CertifiedKey::new(chain, key)),
            name,
        })
    }

    pub(super) fn answers(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        (self.name.eq_ignore_ascii_case(name)).then(|| Arc::clone(&self.certificate))
    }
}

type Parsed = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn parsed(chain_pem: &[u8], key_pem: &[u8]) -> Result<Parsed, CredentialFault> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CredentialFault::BadCertificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(CredentialFault::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| match error {
        pem::Error::NoItemsFound => CredentialFault::NoKey,
        error => CredentialFault::BadKey(error.to_string()),
    })?;
    Ok((chain, key))
}

fn certified_key(chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, CredentialFault> {
    let (chain, key) = parsed(chain_pem, key_pem)?;
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(CredentialFault::Mismatch)
        }
        Err(Error::InvalidCertificate(fault)) => {
            Err(CredentialFault::BadCertificate(format!("{fault:?}")))
        }
        Err(error) => Err(CredentialFault::BadKey(error.to_string())),
    }
}

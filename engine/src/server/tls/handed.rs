//! The credentials on their way from the supervisor to its children.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::runtime::tls::{Challenge, CredentialFault, Credentials, TICKET_KEY_BYTES, TicketKey};

/// Everything that a process needs to be the node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedCredentials {
    pub(super) chain_pem: String,
    pub(super) key_pem: String,
    pub(super) challenges: Vec<ChallengeAnswer>,
    /// The newest first.
    pub(super) ticket_keys: Vec<Vec<u8>>,
}

/// The answer to a TLS-ALPN-01 challenge (RFC 8737): the certificate that shows the authority's token for one name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeAnswer {
    /// The name that is challenged.
    pub name: String,
    /// The self-signed certificate with its acmeIdentifier extension, PEM.
    pub chain_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
}

/// The keys of session tickets on their way to the node's next version: who comes back resumes as before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedTickets {
    /// The newest first.
    pub(super) keys: Vec<Vec<u8>>,
    /// When the newest was made, on the machine's monotonic clock.
    pub(super) made_at_ns: u64,
}

impl HandedCredentials {
    /// The credentials, ready for handshakes.
    ///
    /// # Errors
    /// What is wrong with a certificate or a key; the supervisor has checked all but the challenges.
    pub fn open(&self) -> Result<Credentials, CredentialFault> {
        let challenges = self.challenges.iter().map(|answer| {
            let (chain, key) = (answer.chain_pem.as_bytes(), answer.key_pem.as_bytes());
            Challenge::new(answer.name.clone(), chain, key)
        });
        let ticket_keys = self.ticket_keys.iter().filter_map(|key| {
            let key: &[u8; TICKET_KEY_BYTES] = key.as_slice().try_into().ok()?;
            TicketKey::new(key)
        });
        Credentials::new(
            self.chain_pem.as_bytes(),
            self.key_pem.as_bytes(),
            challenges.collect::<Result<_, _>>()?,
            ticket_keys.collect(),
        )
    }
}

// Keys are nobody's business.

impl fmt::Debug for HandedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandedCredentials")
    }
}

impl fmt::Debug for HandedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandedTickets")
    }
}

impl fmt::Debug for ChallengeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChallengeAnswer({:?})", self.name)
    }
}

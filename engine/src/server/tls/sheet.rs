//! The sheet of memory by which every process gets the credentials: written by the supervisor, read by its children.
//!
//! Two slots are written in turn and the scoreboard tells which one holds: a reader that meets a writer sees a generation
//! that is not the one it came for, and comes again.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::runtime::sys::shared_memory::memfd;
use crate::runtime::tls::{Challenge, CredentialFault, Credentials, TICKET_KEY_BYTES, TicketKey};

/// Room for a chain, a key and the answers to some challenges, several times over.
const SLOT_BYTES: u64 = 1024 * 1024;
const LENGTH_BYTES: u64 = 8;

/// Everything that a process needs to be the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) generation: u64,
    pub(super) chain_pem: String,
    pub(super) key_pem: String,
    pub(super) challenges: Vec<ChallengeAnswer>,
    /// The newest first.
    pub(super) ticket_keys: Vec<Vec<u8>>,
}

/// The answer to a TLS-ALPN-01 challenge (RFC 8737): the certificate that shows the authority's token for one name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChallengeAnswer {
    /// The name that is challenged.
    pub name: String,
    /// The self-signed certificate with its acmeIdentifier extension, PEM.
    pub chain_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
}

/// The supervisor's end.
#[derive(Debug)]
pub struct Sheet {
    file: File,
    /// The same memory, for children, which may not write it.
    read_only: File,
}

impl Sheet {
    /// An empty sheet.
    ///
    /// # Errors
    /// No memory, or no descriptor left.
    pub fn create() -> io::Result<Self> {
        let file = memfd(c"bufferbloatd-credentials")?;
        file.set_len(2 * SLOT_BYTES)?;
        let read_only = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok(Self { file, read_only })
    }

    /// What a child inherits.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.read_only.as_fd()
    }

    /// Writes the slot of the content's generation. It holds once the scoreboard says so.
    ///
    /// # Errors
    /// It does not fit.
    pub(super) fn write(&self, content: &Content) -> io::Result<()> {
        let text = serde_json::to_vec(content)?;
        if text.len() as u64 > SLOT_BYTES - LENGTH_BYTES {
            return Err(io::Error::other("the certificates are too long"));
        }
        let start = slot(content.generation);
        self.file
            .write_all_at(&(text.len() as u64).to_le_bytes(), start)?;
        self.file.write_all_at(&text, start + LENGTH_BYTES)
    }
}

/// A child's end.
#[derive(Debug)]
pub struct SheetReader {
    file: File,
}

impl SheetReader {
    /// Reads the sheet that this descriptor is.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            file: File::from(fd),
        }
    }

    /// The content of that generation; `None` when the slot holds another one meanwhile.
    pub(super) fn read(&self, generation: u64) -> io::Result<Option<Content>> {
        let start = slot(generation);
        let mut length = [0; LENGTH_BYTES as usize];
        self.file.read_exact_at(&mut length, start)?;
        let length = u64::from_le_bytes(length).min(SLOT_BYTES - LENGTH_BYTES);
        let mut text = vec![0; length as usize];
        self.file.read_exact_at(&mut text, start + LENGTH_BYTES)?;
        let content: Option<Content> = serde_json::from_slice(&text).ok();
        Ok(content.filter(|content| content.generation == generation))
    }
}

impl Content {
    /// The credentials, ready for handshakes.
    pub(super) fn credentials(&self) -> Result<Credentials, CredentialFault> {
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

const fn slot(generation: u64) -> u64 {
    generation % 2 * SLOT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(generation: u64) -> Content {
        Content {
            generation,
            chain_pem: format!("chain {generation}"),
            key_pem: "key".to_owned(),
            challenges: Vec::new(),
            ticket_keys: vec![vec![generation as u8; TICKET_KEY_BYTES]],
        }
    }

    #[test]
    fn a_reader_gets_the_generation_that_it_came_for_or_none() {
        let sheet = Sheet::create().expect("memory");
        let reader = SheetReader::new(sheet.fd().try_clone_to_owned().expect("a descriptor"));
        assert!(reader.read(1).expect("readable").is_none());
        for generation in 1..=3 {
            sheet.write(&content(generation)).expect("fits");
        }
        let read = |generation: u64| reader.read(generation).expect("readable");
        assert_eq!(read(3).expect("the newest").chain_pem, "chain 3");
        assert_eq!(read(2).expect("the one before").chain_pem, "chain 2");
        assert!(read(1).is_none());
        assert!(read(4).is_none());
    }

    #[test]
    fn a_child_cannot_write_the_sheet() {
        let sheet = Sheet::create().expect("memory");
        let child = File::from(sheet.fd().try_clone_to_owned().expect("a descriptor"));
        assert!(child.write_all_at(b"forged", 0).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sheet = Sheet::create().expect("memory");
        let mut content = content(1);
        content.chain_pem = "x".repeat(SLOT_BYTES as usize);
        assert!(sheet.write(&content).is_err());
    }
}

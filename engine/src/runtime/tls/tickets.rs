//! Session tickets that any process of a node can open (RFC 8446, section 4.6.1; RFC 5077): sealed with keys that
//! somebody else makes, hands out and replaces.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// How long a ticket is good for. A key has to be kept for as long after its last ticket.
pub(super) const TICKET_LIFETIME: Duration = Duration::from_secs(12 * 3600);
const NAME_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// Bytes of a ticket key: its name, which every ticket shows, and its secret.
pub const TICKET_KEY_BYTES: usize = NAME_BYTES + SECRET_BYTES;

/// A key for tickets.
pub struct TicketKey {
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
}

impl TicketKey {
    /// The key of these random bytes; `None` only when the cipher does not take them.
    #[must_use]
    pub fn new(bytes: &[u8; TICKET_KEY_BYTES]) -> Option<Self> {
        let (name, secret) = bytes.split_first_chunk::<NAME_BYTES>()?;
        let key = UnboundKey::new(&AES_256_GCM, secret).ok()?;
        Some(Self {
            name: *name,
            key: LessSafeKey::new(key),
        })
    }

    /// Name, nonce, ciphertext and tag.
    pub(super) fn seal(&self, state: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = state.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&self.name),
                &mut sealed,
            )
            .ok()?;
        Some([&self.name[..], &nonce, &sealed].concat())
    }

    /// What was sealed; `None` when it was not sealed with this key.
    pub(super) fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *name != self.name {
            return None;
        }
        let mut state = sealed.to_vec();
        let length = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(&self.name),
                &mut state,
            )
            .ok()?
            .len();
        state.truncate(length);
        Some(state)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_with_its_own_key_and_unchanged_only() {
        let key = |byte| TicketKey::new(&[byte; TICKET_KEY_BYTES]).expect("32 bytes are a key");
        let ticket = key(1).seal(b"state").expect("randomness");
        assert_eq!(key(1).open(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(key(2).open(&ticket), None);
        for position in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[position] ^= 1;
            assert_eq!(key(1).open(&changed), None);
        }
        assert_eq!(key(1).open(&ticket[..20]), None);
    }
}

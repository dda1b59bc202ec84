//! Proof that a caller is the one that a test was given to: `HMAC-SHA256(secret, test id, expiry)` (RFC 2104).
//!
//! On the wire 80 lower-case hexadecimal digits: 16 of the expiry, in microseconds of the node's monotonic clock,
//! then 64 of the code. Every process of the node can verify it; a node that was started again knows none of them.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use protocol::time::Instant;
use sha2::Sha256;

use super::scoreboard::TestId;

const EXPIRY_DIGITS: usize = 16;
const CODE_BYTES: usize = 32;

/// Makes and verifies tokens.
#[derive(Clone, Debug)]
pub struct TokenKey {
    hmac: Hmac<Sha256>,
}

/// What is wrong with a token; always the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It does not look like one.
    Malformed,
    /// It is not this node's, or not this test's.
    Forged,
    /// Its time is over.
    Expired,
}

impl TokenKey {
    /// With the secret that all processes of the node share.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        // A key shorter than the hash's block is filled up with zeros (RFC 2104, section 2): so this cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        Self {
            hmac: Hmac::new(&block.into()),
        }
    }

    /// The token of a test, good until `expires`.
    #[must_use]
    pub fn issue(&self, id: TestId, expires: Instant) -> String {
        let expires_us = expires.as_micros();
        let code = self.code(id, expires_us).finalize().into_bytes();
        let mut token = format!("{expires_us:016x}");
        for byte in code {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        token
    }

    /// Verifies a token in a time that does not depend on how much of it is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, now: Instant, id: TestId, token: &str) -> Result<(), TokenFault> {
        let is_digits = token.len() == EXPIRY_DIGITS + 2 * CODE_BYTES
            && token
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_digits {
            return Err(TokenFault::Malformed);
        }
        let (expiry, code) = token.split_at(EXPIRY_DIGITS);
        let expires_us = u64::from_str_radix(expiry, 16).map_err(|_| TokenFault::Malformed)?;
        let mut bytes = [0; CODE_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(code.as_bytes().as_chunks::<2>().0) {
            *byte = nibble(digits[0]) << 4 | nibble(digits[1]);
        }
        self.code(id, expires_us)
            .verify_slice(&bytes)
            .map_err(|_| TokenFault::Forged)?;
        if now.as_micros() >= expires_us {
            return Err(TokenFault::Expired);
        }
        Ok(())
    }

    fn code(&self, id: TestId, expires_us: u64) -> Hmac<Sha256> {
        let mut hmac = self.hmac.clone();
        hmac.update(&id.0.to_be_bytes());
        hmac.update(&expires_us.to_be_bytes());
        hmac
    }
}

/// The value of a digit that was found to be one.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: TestId = TestId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn key() -> TokenKey {
        TokenKey::new(&[7; 32])
    }

    #[test]
    fn a_token_is_good_for_its_test_until_its_time_is_over() {
        let token = key().issue(ID, at(300));
        assert_eq!(token.len(), 80);
        assert_eq!(key().verify(at(299), ID, &token), Ok(()));
        assert_eq!(key().verify(at(300), ID, &token), Err(TokenFault::Expired));
        assert_eq!(
            key().verify(at(1), TestId(1), &token),
            Err(TokenFault::Forged)
        );
        let other_node = TokenKey::new(&[8; 32]);
        assert_eq!(
            other_node.verify(at(1), ID, &token),
            Err(TokenFault::Forged)
        );
    }

    #[test]
    fn a_longer_life_cannot_be_written_into_a_token() {
        let token = key().issue(ID, at(300));
        let longer = format!("{:016x}{}", at(9_000).as_micros(), &token[16..]);
        assert_eq!(key().verify(at(1), ID, &longer), Err(TokenFault::Forged));
    }

    #[test]
    fn the_code_is_hmac_sha256_of_id_and_expiry() {
        // Computed with Python's hmac module: key 32 × 07, message id and expiry (1) big-endian.
        let token = key().issue(ID, Instant::from_micros(1));
        assert_eq!(
            &token[16..],
            "d122fe540b0d77991c8c66b1ae9cdb93914783a33dc0d154803be7aa2472ddb6"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_or_passes(text in "\\PC{0,100}", digits in "[0-9a-f]{80}") {
            prop_assert!(key().verify(at(1), ID, &text).is_err());
            prop_assert_eq!(key().verify(at(1), ID, &digits), Err(TokenFault::Forged));
        }

        #[test]
        fn one_changed_digit_spoils_it(place in 0_usize..80) {
            let mut token = key().issue(ID, at(300)).into_bytes();
            token[place] = if token[place] == b'0' { b'1' } else { b'0' };
            let token = String::from_utf8(token).unwrap();
            prop_assert_eq!(key().verify(at(1), ID, &token), Err(TokenFault::Forged));
        }
    }
}

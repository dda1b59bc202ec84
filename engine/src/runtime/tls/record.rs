//! Protection of records with the keys that the handshake agreed on: one record sealed from anywhere into an output, one
//! record opened where it lies. Nothing is allocated and nothing is copied.
//!
//! The record format is RFC 8446, section 5.2 (TLS 1.3), and RFC 5246, section 6.2.3.3, with the nonces of RFC 5288 and
//! RFC 7905 (TLS 1.2). Knows keys and bytes; what a record means is the stream's business.

use std::ops::Range;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};

/// Type, version and length.
pub(super) const HEADER_BYTES: usize = 5;
/// Most plaintext in one record (RFC 8446, section 5.1).
pub(super) const PLAINTEXT_BYTES_MAX: usize = 16 * 1024;
const TAG_BYTES: usize = 16;
/// The part of TLS 1.2's nonce for AES-GCM that travels with each record (RFC 5288, section 3).
const EXPLICIT_NONCE_BYTES: usize = 8;
/// Most that a sealed record is longer than its plaintext: the header, and TLS 1.2's nonce and tag.
pub(super) const OVERHEAD_BYTES_MAX: usize = HEADER_BYTES + EXPLICIT_NONCE_BYTES + TAG_BYTES;
/// The longest record that may arrive, its header included: TLS 1.2 allows 2 KiB of expansion (RFC 5246, section 6.2.3).
pub(super) const RECORD_BYTES_MAX: usize = HEADER_BYTES + PLAINTEXT_BYTES_MAX + 2048;
/// Records that are sealed with one key. AES-GCM's own bound is 2^24.5 full records (RFC 8446, section 5.5).
pub(super) const RECORDS_PER_KEY_MAX: u64 = 1 << 24;

/// What a record holds (RFC 8446, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    Alert,
    Handshake,
    ApplicationData,
}

impl ContentType {
    const fn code(self) -> u8 {
        match self {
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            _ => None,
        }
    }
}

/// Why a record is of no use. The peer is at fault, or somebody on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordFault {
    /// It is not what its authentication tag says.
    BadRecordMac,
    /// It is longer than a record may be.
    RecordOverflow,
    /// It is of a type that has no place here.
    UnexpectedMessage,
}

/// The key of one direction cannot be used for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyExhausted;

/// How the nonce is made and what is authenticated beside the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Tls13,
    Tls12Explicit,
    Tls12Implicit,
}

/// One direction's key and place.
#[derive(Debug)]
pub(super) struct RecordKey {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    format: Format,
    sequence: u64,
}

impl RecordKey {
    /// The key that the handshake extracted, `None` for a cipher that no configuration of ours negotiates.
    pub(super) fn new(
        version: ProtocolVersion,
        sequence: u64,
        secrets: &ConnectionTrafficSecrets,
    ) -> Option<Self> {
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return None,
        };
        let is_gcm = !matches!(secrets, ConnectionTrafficSecrets::Chacha20Poly1305 { .. });
        let format = match version {
            ProtocolVersion::TLSv1_3 => Format::Tls13,
            ProtocolVersion::TLSv1_2 if is_gcm => Format::Tls12Explicit,
            ProtocolVersion::TLSv1_2 => Format::Tls12Implicit,
            _ => return None,
        };
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?),
            iv: iv.as_ref().try_into().ok()?,
            format,
            sequence,
        })
    }

    /// Whether a new key is due before anything more is sealed.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.sequence >= RECORDS_PER_KEY_MAX
    }

    /// Seals `plaintext`, at most [`PLAINTEXT_BYTES_MAX`] of it, as one record at the start of `output`, which must have room
    /// for [`OVERHEAD_BYTES_MAX`] more. Returns the record's length.
    ///
    /// # Errors
    /// The key has been used as often as it may be, and for 16 records more.
    pub(super) fn seal(
        &mut self,
        content: ContentType,
        plaintext: &[u8],
        output: &mut [u8],
    ) -> Result<usize, KeyExhausted> {
        // Some room beyond the bound, for the record that changes the key and for an alert.
        if self.sequence >= RECORDS_PER_KEY_MAX + 16 {
            return Err(KeyExhausted);
        }
        let nonce = self.nonce();
        let (outer, explicit, inner_type): (_, usize, &[u8]) = match self.format {
            Format::Tls13 => (ContentType::ApplicationData, 0, &[content.code()]),
            Format::Tls12Explicit => (content, EXPLICIT_NONCE_BYTES, &[]),
            Format::Tls12Implicit => (content, 0, &[]),
        };
        let length = explicit + plaintext.len() + inner_type.len() + TAG_BYTES;
        let header = header(outer.code(), length);
        output[..HEADER_BYTES].copy_from_slice(&header);
        let body = &mut output[HEADER_BYTES..HEADER_BYTES + length];
        let (explicit_nonce, body) = body.split_at_mut(explicit);
        explicit_nonce.copy_from_slice(&nonce[NONCE_LEN - explicit..]);
        let (ciphertext, rest) = body.split_at_mut(plaintext.len());
        let aad = self.aad(&header, content.code(), plaintext.len());
        self.key
            .seal_out_of_place_scatter(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad.as_slice()),
                plaintext,
                ciphertext,
                inner_type,
                rest,
            )
            .map_err(|_| KeyExhausted)?;
        self.sequence += 1;
        Ok(HEADER_BYTES + length)
    }

    /// Opens a whole record where it lies; where its plaintext is then, and what it holds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(
        &mut self,
        record: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), RecordFault> {
        let Some((&mut header, body)) = record.split_first_chunk_mut::<HEADER_BYTES>() else {
            return Err(RecordFault::BadRecordMac);
        };
        let outer = ContentType::of(header[0]).ok_or(RecordFault::UnexpectedMessage)?;
        let mut nonce = self.nonce();
        let explicit = match self.format {
            // Every protected record of TLS 1.3 calls itself application data.
            Format::Tls13 if outer != ContentType::ApplicationData => {
                return Err(RecordFault::UnexpectedMessage);
            }
            Format::Tls13 | Format::Tls12Implicit => 0,
            Format::Tls12Explicit => {
                let explicit = body
                    .first_chunk::<EXPLICIT_NONCE_BYTES>()
                    .ok_or(RecordFault::BadRecordMac)?;
                nonce[..4].copy_from_slice(&self.iv[..4]);
                nonce[4..].copy_from_slice(explicit);
                EXPLICIT_NONCE_BYTES
            }
        };
        let length = body
            .len()
            .checked_sub(explicit + TAG_BYTES)
            .ok_or(RecordFault::BadRecordMac)?;
        let aad = self.aad(&header, header[0], length);
        let plaintext = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad.as_slice()),
                &mut body[explicit..],
            )
            .map_err(|_| RecordFault::BadRecordMac)?;
        self.sequence += 1;
        let start = HEADER_BYTES + explicit;
        let (content, length) = match self.format {
            Format::Tls13 => inner_type(plaintext)?,
            Format::Tls12Explicit | Format::Tls12Implicit => (outer, plaintext.len()),
        };
        if length > PLAINTEXT_BYTES_MAX {
            return Err(RecordFault::RecordOverflow);
        }
        Ok((content, start..start + length))
    }

    /// The initialisation vector with the sequence number in its last 64 bits (RFC 8446, section 5.3).
    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    fn aad(&self, header: &[u8; HEADER_BYTES], content: u8, plaintext_bytes: usize) -> AadBytes {
        match self.format {
            Format::Tls13 => AadBytes::Header(*header),
            Format::Tls12Explicit | Format::Tls12Implicit => {
                let mut aad = [0; 13];
                aad[..8].copy_from_slice(&self.sequence.to_be_bytes());
                aad[8..].copy_from_slice(&self::header(content, plaintext_bytes));
                AadBytes::Numbered(aad)
            }
        }
    }
}

/// What is authenticated beside the payload: in TLS 1.3 the header, in TLS 1.2 the number and the header of the plaintext.
enum AadBytes {
    Header([u8; HEADER_BYTES]),
    Numbered([u8; 13]),
}

impl AadBytes {
    const fn as_slice(&self) -> &[u8] {
        match self {
            Self::Header(bytes) => bytes,
            Self::Numbered(bytes) => bytes,
        }
    }
}

/// Of the record at the start of `bytes`, its whole length; `None` while its header is not there.
pub(super) fn record_length(bytes: &[u8]) -> Option<Result<usize, RecordFault>> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let length = HEADER_BYTES + usize::from(u16::from_be_bytes([header[3], header[4]]));
    Some(if length > RECORD_BYTES_MAX {
        Err(RecordFault::RecordOverflow)
    } else {
        Ok(length)
    })
}

/// The version on the wire is 1.2's in both (RFC 8446, section 5.1).
const fn header(content: u8, length: usize) -> [u8; HEADER_BYTES] {
    // A record is at most 2^14 + 2^11 bytes long.
    let length = (length as u16).to_be_bytes();
    [content, 3, 3, length[0], length[1]]
}

/// The last byte that is not padding says what the record holds (RFC 8446, section 5.4).
fn inner_type(plaintext: &[u8]) -> Result<(ContentType, usize), RecordFault> {
    let end = plaintext
        .iter()
        .rposition(|byte| *byte != 0)
        .ok_or(RecordFault::UnexpectedMessage)?;
    let content = ContentType::of(plaintext[end]).ok_or(RecordFault::UnexpectedMessage)?;
    Ok((content, end))
}

#[cfg(test)]
mod tests {
    use rustls::crypto::cipher::{AeadKey, Iv};

    use super::*;

    fn secrets(cipher: usize) -> ConnectionTrafficSecrets {
        let (key, iv) = (AeadKey::from([7; 32]), Iv::copy(&[9; 12]));
        match cipher {
            0 => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
            _ => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
        }
    }

    fn pair(version: ProtocolVersion, cipher: usize) -> (RecordKey, RecordKey) {
        let key = || RecordKey::new(version, 3, &secrets(cipher)).expect("a cipher of ours");
        (key(), key())
    }

    const ALL: [(ProtocolVersion, usize); 4] = [
        (ProtocolVersion::TLSv1_3, 0),
        (ProtocolVersion::TLSv1_3, 1),
        (ProtocolVersion::TLSv1_2, 0),
        (ProtocolVersion::TLSv1_2, 1),
    ];

    #[test]
    fn what_is_sealed_opens_in_its_order_only() {
        for (version, cipher) in ALL {
            let (mut sealer, mut opener) = pair(version, cipher);
            let mut records = Vec::new();
            for (content, text) in [
                (ContentType::ApplicationData, &[1_u8; 16384][..]),
                (ContentType::Alert, &[1, 0][..]),
                (ContentType::ApplicationData, &[][..]),
            ] {
                let mut record = vec![0; text.len() + OVERHEAD_BYTES_MAX];
                let length = sealer.seal(content, text, &mut record).expect("a new key");
                record.truncate(length);
                assert_eq!(record_length(&record), Some(Ok(length)));
                records.push((record, content, text.to_vec()));
            }
            let mut late = records[1].0.clone();
            assert_eq!(opener.open(&mut late), Err(RecordFault::BadRecordMac));
            for (mut record, content, text) in records {
                let (found, range) = opener.open(&mut record).expect("untouched");
                assert_eq!(
                    (found, &record[range]),
                    (content, &text[..]),
                    "{version:?} {cipher}"
                );
            }
        }
    }

    #[test]
    fn one_changed_bit_anywhere_is_found() {
        for (version, cipher) in ALL {
            let (mut sealer, _) = pair(version, cipher);
            let mut record = vec![0; 20 + OVERHEAD_BYTES_MAX];
            let length = sealer
                .seal(ContentType::ApplicationData, &[5; 20], &mut record)
                .expect("a new key");
            record.truncate(length);
            for position in HEADER_BYTES..length {
                let (_, mut opener) = pair(version, cipher);
                let mut changed = record.clone();
                changed[position] ^= 1;
                assert_eq!(opener.open(&mut changed), Err(RecordFault::BadRecordMac));
            }
        }
    }

    #[test]
    fn padding_is_taken_off_and_a_record_of_nothing_else_is_refused() {
        assert_eq!(
            inner_type(&[8, 0, 23, 0, 0]),
            Ok((ContentType::ApplicationData, 2))
        );
        assert_eq!(inner_type(&[0, 0]), Err(RecordFault::UnexpectedMessage));
        assert_eq!(inner_type(&[1, 20]), Err(RecordFault::UnexpectedMessage));
    }

    #[test]
    fn a_short_or_an_overlong_record_is_refused() {
        assert_eq!(record_length(&[23, 3, 3, 1]), None);
        let header = [23, 3, 3, 0xff, 0xff];
        assert_eq!(
            record_length(&header),
            Some(Err(RecordFault::RecordOverflow))
        );
        let (_, mut opener) = pair(ProtocolVersion::TLSv1_2, 0);
        let mut short = [23, 3, 3, 0, 3, 1, 2, 3];
        assert_eq!(opener.open(&mut short), Err(RecordFault::BadRecordMac));
    }

    #[test]
    fn a_key_is_not_used_beyond_its_bound() {
        let secrets = secrets(0);
        let mut key = RecordKey::new(ProtocolVersion::TLSv1_3, RECORDS_PER_KEY_MAX, &secrets)
            .expect("a cipher of ours");
        assert!(key.is_exhausted());
        let mut output = [0; 64];
        for _ in 0..16 {
            key.seal(ContentType::Alert, &[1, 0], &mut output)
                .expect("room for an alert");
        }
        assert_eq!(
            key.seal(ContentType::Alert, &[1, 0], &mut output),
            Err(KeyExhausted)
        );
    }
}

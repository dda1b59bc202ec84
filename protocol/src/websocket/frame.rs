//! Frame headers and close payloads (RFC 6455, sections 5.2 and 7.4).
//!
//! `tungstenite` knows where the fields of a header are; what they may hold is checked here.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::fault::Fault;

/// Longest frame header: two bytes, a length of eight, a mask of four.
pub(super) const HEADER_BYTES_MAX: usize = 14;
/// Of these, the mask.
pub(super) const MASK_BYTES: usize = 4;
/// Longest payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// Which side of a connection this is: a client masks, a server must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }

    const fn to_wire(self) -> OpCode {
        match self {
            Self::Continuation => OpCode::Data(Data::Continue),
            Self::Text => OpCode::Data(Data::Text),
            Self::Binary => OpCode::Data(Data::Binary),
            Self::Close => OpCode::Control(Control::Close),
            Self::Ping => OpCode::Control(Control::Ping),
            Self::Pong => OpCode::Control(Control::Pong),
        }
    }

    const fn from_wire(opcode: OpCode) -> Option<Self> {
        match opcode {
            OpCode::Data(Data::Continue) => Some(Self::Continuation),
            OpCode::Data(Data::Text) => Some(Self::Text),
            OpCode::Data(Data::Binary) => Some(Self::Binary),
            OpCode::Control(Control::Close) => Some(Self::Close),
            OpCode::Control(Control::Ping) => Some(Self::Ping),
            OpCode::Control(Control::Pong) => Some(Self::Pong),
            OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => None,
        }
    }
}

/// A header that was found valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) payload_bytes: u64,
}

/// Reads the header at the front of `bytes`, sent to a peer of `role`; it and its length, or `None` while it is not
/// whole. A fault in the first two bytes is found as soon as they are there.
pub(super) fn parse_header(role: Role, bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    check_first_bytes(role, first, second)?;
    let mut cursor = Cursor::new(bytes);
    let (header, payload_bytes) = match FrameHeader::parse(&mut cursor) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Ok(None),
        // Reserved opcodes are the one thing it objects to.
        Err(_) => return Err(Fault::ReservedOpcode),
    };
    let is_minimal = match second & 0x7f {
        126 => payload_bytes > 125,
        127 => payload_bytes > u64::from(u16::MAX) && payload_bytes >> 63 == 0,
        _ => true,
    };
    if !is_minimal {
        return Err(Fault::InvalidLength);
    }
    let header = Header {
        is_final: header.is_final,
        opcode: Opcode::from_wire(header.opcode).ok_or(Fault::ReservedOpcode)?,
        mask: header.mask,
        payload_bytes,
    };
    let length = usize::try_from(cursor.position()).unwrap_or(HEADER_BYTES_MAX);
    Ok(Some((header, length)))
}

/// How long a header of that content is.
pub(super) const fn header_bytes(header: Header) -> usize {
    let length_bytes = match header.payload_bytes {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    let mask_bytes = if header.mask.is_some() { MASK_BYTES } else { 0 };
    2 + length_bytes + mask_bytes
}

fn check_first_bytes(role: Role, first: u8, second: u8) -> Result<(), Fault> {
    if first & 0x70 != 0 {
        return Err(Fault::ReservedBits);
    }
    let opcode = Opcode::from_wire(OpCode::from(first & 0x0f)).ok_or(Fault::ReservedOpcode)?;
    if opcode.is_control() {
        if first & 0x80 == 0 {
            return Err(Fault::FragmentedControlFrame);
        }
        if usize::from(second & 0x7f) > CONTROL_BYTES_MAX {
            return Err(Fault::ControlFrameTooLong);
        }
    }
    let is_masked = second & 0x80 != 0;
    match (role, is_masked) {
        (Role::Server, false) => Err(Fault::UnmaskedClientFrame),
        (Role::Client, true) => Err(Fault::MaskedServerFrame),
        (Role::Server, true) | (Role::Client, false) => Ok(()),
    }
}

/// Appends a header.
pub(super) fn write_header(out: &mut Vec<u8>, header: Header) {
    let wire = FrameHeader {
        is_final: header.is_final,
        opcode: header.opcode.to_wire(),
        mask: header.mask,
        ..FrameHeader::default()
    };
    // Writing into a vector cannot fail.
    let written = wire.format(header.payload_bytes, out);
    debug_assert!(written.is_ok());
}

/// Appends a whole final frame.
pub(super) fn write_frame(
    out: &mut Vec<u8>,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: &[u8],
) {
    let header = Header {
        is_final: true,
        opcode,
        mask,
        payload_bytes: payload.len() as u64,
    };
    write_header(out, header);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask, 0);
    }
}

/// Masks or unmasks `bytes`, which begin `position` bytes into their payload (section 5.3).
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], position: u64) {
    let mut mask = mask;
    mask.rotate_left((position % 4) as usize);
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// The code of a close frame's payload, if it has one; its reason is checked and dropped.
pub(super) fn parse_close(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let (code, reason) = match *payload {
        [] => return Ok(None),
        [_] => return Err(Fault::InvalidClosePayload),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
    };
    if !may_be_sent(code) {
        return Err(Fault::InvalidCloseCode);
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Fault::InvalidUtf8);
    }
    Ok(Some(code))
}

/// Whether a close frame may carry `code`: those of section 7.4.1 that are not reserved for local use, those that
/// IANA registered since (1012 to 1014), and those of libraries and applications.
pub(super) const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Masking keys: xorshift64* (Vigna, 2016), seeded by the caller from real randomness. A key need only be something
/// that the sender of the payload did not choose (section 10.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct MaskSource(u64);

impl MaskSource {
    pub(super) const fn new(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(if seed == 0 {
            0x9e37_79b9_7f4a_7c15
        } else {
            seed
        })
    }

    pub(super) const fn next(&mut self) -> [u8; 4] {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let [a, b, c, d, ..] = mixed.to_be_bytes();
        [a, b, c, d]
    }
}

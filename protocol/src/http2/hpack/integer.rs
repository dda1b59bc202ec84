//! Integers with a prefix of some bits (RFC 7541, section 5.1).

use super::HpackError;

/// Largest integer that any field of a block may need; far above every bound of ours.
const INTEGER_MAX: usize = 1 << 24;

/// The integer whose prefix is the low `prefix_bits` bits of the first byte of `bytes`, and the rest of them.
pub(super) fn decode(bytes: &[u8], prefix_bits: u8) -> Result<(usize, &[u8]), HpackError> {
    let (&first, mut rest) = bytes.split_first().ok_or(HpackError::Truncated)?;
    let mask = usize::from(u8::MAX >> (8 - prefix_bits));
    let mut value = usize::from(first) & mask;
    if value < mask {
        return Ok((value, rest));
    }
    let mut shift = 0_u32;
    loop {
        let (&byte, after) = rest.split_first().ok_or(HpackError::Truncated)?;
        rest = after;
        // A fifth digit is beyond any use, zero or not: an encoding that goes on is refused (section 5.1).
        if shift > 21 {
            return Err(HpackError::IntegerTooLarge);
        }
        value += usize::from(byte & 0x7f) << shift;
        if value > INTEGER_MAX {
            return Err(HpackError::IntegerTooLarge);
        }
        if byte & 0x80 == 0 {
            return Ok((value, rest));
        }
        shift += 7;
    }
}

/// Appends `value` with a prefix of `prefix_bits` bits; the bits above it are `pattern`'s.
pub(super) fn encode(out: &mut Vec<u8>, pattern: u8, prefix_bits: u8, value: usize) {
    let mask = u8::MAX >> (8 - prefix_bits);
    match u8::try_from(value) {
        Ok(value) if value < mask => out.push(pattern | value),
        _ => {
            out.push(pattern | mask);
            let mut rest = value - usize::from(mask);
            while rest >= 0x80 {
                out.push((rest % 0x80) as u8 | 0x80);
                rest /= 0x80;
            }
            out.push(rest as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        // RFC 7541, appendix C.1.
        for (value, prefix_bits, bytes) in [
            (10, 5, &[0b01010][..]),
            (1337, 5, &[0b11111, 0b1001_1010, 0b1010]),
            (42, 8, &[42]),
        ] {
            let mut out = Vec::new();
            encode(&mut out, 0, prefix_bits, value);
            assert_eq!(out, bytes);
            assert_eq!(decode(bytes, prefix_bits), Ok((value, &[][..])));
        }
    }

    #[test]
    fn every_integer_comes_back() {
        for value in (0..70_000).chain([INTEGER_MAX - 1, INTEGER_MAX]) {
            let mut out = Vec::new();
            encode(&mut out, 0x80, 7, value);
            assert_eq!(decode(&out, 7), Ok((value, &[][..])));
        }
    }

    #[test]
    fn an_integer_without_an_end_is_refused() {
        let long = [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(decode(&long, 7), Err(HpackError::IntegerTooLarge));
        assert_eq!(decode(&long[..3], 7), Err(HpackError::Truncated));
        assert_eq!(
            decode(&[0xff, 0xff, 0xff, 0xff, 0x7f], 7),
            Err(HpackError::IntegerTooLarge)
        );
    }
}

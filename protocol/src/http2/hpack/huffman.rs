//! The Huffman code of RFC 7541, appendix B, decoding only: what is sent here is short and goes as it is.
//!
//! The code is canonical: within a length, codes follow the order of their symbols, and each length goes on where the
//! shorter one ended. So the lengths are all that need be written down, and the rest is computed at compile time.

use super::HpackError;

/// Bits of the code of each byte, and of the end-of-string symbol after them.
#[rustfmt::skip]
const CODE_BITS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const SYMBOLS: usize = 257;
const END_OF_STRING: u16 = 256;
const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// All codes of one length.
#[derive(Clone, Copy)]
struct Length {
    /// One more than the last code, moved up to `LONGEST` bits: what is below has this length or a shorter one.
    limit: u32,
    /// The first code.
    first: u32,
    /// Where its symbol is in [`Code::symbols`].
    index: u16,
}

struct Code {
    lengths: [Length; LONGEST + 1],
    /// In the order of their codes.
    symbols: [u16; SYMBOLS],
}

static CODE: Code = canonical();

const fn canonical() -> Code {
    let mut code = Code {
        lengths: [Length {
            limit: 0,
            first: 0,
            index: 0,
        }; LONGEST + 1],
        symbols: [0; SYMBOLS],
    };
    let mut next = 0_u32;
    let mut filled = 0;
    let mut bits = 1;
    while bits <= LONGEST {
        next <<= 1;
        code.lengths[bits].first = next;
        code.lengths[bits].index = filled as u16;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if CODE_BITS[symbol] as usize == bits {
                code.symbols[filled] = symbol as u16;
                filled += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.lengths[bits].limit = next << (LONGEST - bits);
        bits += 1;
    }
    code
}

/// Appends the string that `coded` stands for, as long as `out` stays within `limit_bytes`; whether all of it was
/// appended. A string that is too long is read to its end all the same.
pub(super) fn decode(
    coded: &[u8],
    out: &mut Vec<u8>,
    limit_bytes: usize,
) -> Result<bool, HpackError> {
    let mut bits = 0_u64;
    let mut count = 0_usize;
    let mut fits = true;
    let mut rest = coded.iter();
    loop {
        while count < LONGEST
            && let Some(&byte) = rest.next()
        {
            bits = bits << 8 | u64::from(byte);
            count += 8;
        }
        if count < 8 && is_padding(bits, count) {
            return Ok(fits);
        }
        // Ones behind the end: only the end-of-string symbol begins with so many, and it is refused.
        let window = match LONGEST.checked_sub(count) {
            Some(missing) => bits << missing | ((1 << missing) - 1),
            None => bits >> (count - LONGEST),
        } as u32;
        let (symbol, length) = symbol_of(window).ok_or(HpackError::InvalidHuffman)?;
        if length > count || symbol == END_OF_STRING {
            return Err(HpackError::InvalidHuffman);
        }
        count -= length;
        bits &= (1 << count) - 1;
        fits &= out.len() < limit_bytes;
        if fits {
            out.push(symbol as u8);
        }
    }
}

/// What remains after the last symbol is less than a byte of ones (section 5.2).
const fn is_padding(bits: u64, count: usize) -> bool {
    bits == (1 << count) - 1
}

/// The symbol whose code the `LONGEST` bits of `window` begin with, and the code's length.
fn symbol_of(window: u32) -> Option<(u16, usize)> {
    let length = (SHORTEST..=LONGEST).find(|&bits| window < CODE.lengths[bits].limit)?;
    let entry = CODE.lengths[length];
    let offset = (window >> (LONGEST - length)) - entry.first;
    let symbol = CODE
        .symbols
        .get(usize::from(entry.index) + offset as usize)?;
    Some((*symbol, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(coded: &[u8]) -> Result<String, HpackError> {
        let mut out = Vec::new();
        decode(coded, &mut out, 1000)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_examples_of_the_standard_hold() {
        // RFC 7541, appendices C.4 and C.6.
        for (coded, plain) in [
            (
                &[
                    0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
                ][..],
                "www.example.com",
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (
                &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f],
                "custom-key",
            ),
            (
                &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf],
                "custom-value",
            ),
            (&[0x64, 0x02], "302"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
            (
                &[
                    0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04,
                    0x0b, 0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
                ],
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (&[0x9b, 0xd9, 0xab], "gzip"),
        ] {
            assert_eq!(text(coded), Ok(plain.to_owned()));
        }
    }

    #[test]
    fn every_symbol_has_the_code_of_its_place() {
        for (symbol, &bits) in CODE_BITS.iter().enumerate() {
            let bits = usize::from(bits);
            let entry = CODE.lengths[bits];
            let rank = (0..symbol)
                .filter(|&other| usize::from(CODE_BITS[other]) == bits)
                .count();
            let window = (entry.first + rank as u32) << (LONGEST - bits);
            assert_eq!(symbol_of(window), Some((symbol as u16, bits)));
        }
        // The code is complete: its last word is all ones.
        assert_eq!(CODE.lengths[LONGEST].limit, 1 << LONGEST);
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        // `a` is 00011.
        assert_eq!(text(&[0b0001_1111]), Ok("a".to_owned()));
        for coded in [
            &[0b0001_1110][..],
            &[0b0001_1111, 0xff],
            &[0xff; 4],
            &[0xff],
        ] {
            assert_eq!(text(coded), Err(HpackError::InvalidHuffman), "{coded:?}");
        }
        assert_eq!(text(&[]), Ok(String::new()));
    }

    #[test]
    fn a_long_string_is_read_and_not_kept() {
        // Sixteen times `0`, which is 00000.
        let mut out = Vec::new();
        assert_eq!(decode(&[0; 10], &mut out, 3), Ok(false));
        assert_eq!(out, b"000");
    }
}

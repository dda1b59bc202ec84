//! Decoding a peer's blocks, and the table that they build up.

use std::collections::VecDeque;

use super::static_table::STATIC_TABLE;
use super::{ENTRY_OVERHEAD_BYTES, huffman, integer};
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX};

/// Why a block can't be decoded. The table is out of step then, and the connection with it (RFC 9113, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http2) enum HpackError {
    /// It ends in the middle of a field.
    Truncated,
    /// An integer beyond any use.
    IntegerTooLarge,
    /// An index that no table has.
    InvalidIndex,
    /// A string that the Huffman code can't have made.
    InvalidHuffman,
    /// A table size that was not offered, or one at a place where none may be.
    InvalidTableSize,
}

/// See the module.
#[derive(Debug)]
pub(in crate::http2) struct Decoder {
    /// Newest first.
    entries: VecDeque<Entry>,
    size_bytes: usize,
    size_bytes_max: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    /// The name, and behind it the value.
    text: Box<[u8]>,
    name_bytes: usize,
}

impl Entry {
    const fn size_bytes(&self) -> usize {
        self.text.len() + ENTRY_OVERHEAD_BYTES
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.text.split_at(self.name_bytes)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            size_bytes: 0,
            size_bytes_max: HTTP2_HEADER_TABLE_BYTES_MAX,
            name: Vec::new(),
            value: Vec::new(),
        }
    }
}

/// How a literal's strings are to be read and kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Incremental,
    None,
}

impl Decoder {
    /// Gives each field of `block`, which must be whole, to `sink`. A string longer than a whole head may be is cut
    /// there: its list is beyond its bound with that alone.
    pub(in crate::http2) fn decode(
        &mut self,
        block: &[u8],
        mut sink: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        let mut rest = block;
        let mut may_resize = true;
        while let Some(&first) = rest.first() {
            let is_resize = first & 0xe0 == 0x20;
            if first & 0x80 != 0 {
                let (index, after) = integer::decode(rest, 7)?;
                let (name, value) = lookup(&self.entries, index)?;
                sink(name, value);
                rest = after;
            } else if first & 0xc0 == 0x40 {
                rest = self.literal(rest, 6, Indexing::Incremental, &mut sink)?;
            } else if is_resize {
                let (size, after) = integer::decode(rest, 5)?;
                // Only before the first field, and only within what was offered (RFC 7541, sections 4.2 and 6.3).
                if !may_resize || size > HTTP2_HEADER_TABLE_BYTES_MAX {
                    return Err(HpackError::InvalidTableSize);
                }
                self.size_bytes_max = size;
                self.evict(0);
                rest = after;
            } else {
                // Without indexing, or never to be indexed: for us the same.
                rest = self.literal(rest, 4, Indexing::None, &mut sink)?;
            }
            may_resize &= is_resize;
        }
        self.release();
        Ok(())
    }

    fn literal<'a>(
        &mut self,
        bytes: &'a [u8],
        prefix_bits: u8,
        indexing: Indexing,
        sink: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<&'a [u8], HpackError> {
        let (index, rest) = integer::decode(bytes, prefix_bits)?;
        self.name.clear();
        let rest = if index == 0 {
            string(rest, &mut self.name)?
        } else {
            let (name, _) = lookup(&self.entries, index)?;
            self.name.extend_from_slice(name);
            rest
        };
        self.value.clear();
        let rest = string(rest, &mut self.value)?;
        sink(&self.name, &self.value);
        if indexing == Indexing::Incremental {
            self.insert();
        }
        Ok(rest)
    }

    /// Adds the current literal to the table. One that is larger than the whole table empties it (section 4.4).
    fn insert(&mut self) {
        let needed = self.name.len() + self.value.len() + ENTRY_OVERHEAD_BYTES;
        self.evict(needed);
        if needed <= self.size_bytes_max {
            let text = [self.name.as_slice(), self.value.as_slice()].concat();
            self.size_bytes += needed;
            self.entries.push_front(Entry {
                text: text.into_boxed_slice(),
                name_bytes: self.name.len(),
            });
        }
    }

    /// Makes room for `needed` bytes.
    fn evict(&mut self, needed: usize) {
        while self.size_bytes + needed > self.size_bytes_max {
            let Some(oldest) = self.entries.pop_back() else {
                break;
            };
            self.size_bytes -= oldest.size_bytes();
        }
    }

    /// Strings of an ordinary length keep their buffers.
    fn release(&mut self) {
        for buffer in [&mut self.name, &mut self.value] {
            buffer.clear();
            buffer.shrink_to(ENTRY_OVERHEAD_BYTES);
        }
    }
}

/// The entry that `index` names: of the static table first, then of the peer's own.
fn lookup(entries: &VecDeque<Entry>, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
    let position = index.checked_sub(1).ok_or(HpackError::InvalidIndex)?;
    if let Some((name, value)) = STATIC_TABLE.get(position) {
        return Ok((name.as_bytes(), value.as_bytes()));
    }
    entries
        .get(position - STATIC_TABLE.len())
        .map(Entry::parts)
        .ok_or(HpackError::InvalidIndex)
}

/// Reads a string into `out`; what follows it.
fn string<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], HpackError> {
    let is_coded = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let (length, rest) = integer::decode(bytes, 7)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    if is_coded {
        huffman::decode(text, out, HTTP_HEAD_BYTES_MAX)?;
    } else {
        out.extend_from_slice(&text[..text.len().min(HTTP_HEAD_BYTES_MAX)]);
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
        let mut fields = Vec::new();
        decoder.decode(block, |name, value| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields.push((text(name), text(value)));
        })?;
        Ok(fields)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|char| char.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] * 16 + pair[1]) as u8)
            .collect()
    }

    /// Three requests on one connection: RFC 7541, appendices C.3 and C.4.
    #[test]
    fn the_requests_of_the_standard_are_decoded() {
        let plain = [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ];
        let coded = [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::default();
            let request = |path: &str, scheme: &str, extra: Option<(&str, &str)>| {
                let fields = [
                    (":method", "GET"),
                    (":scheme", scheme),
                    (":path", path),
                    (":authority", "www.example.com"),
                ];
                let all = fields.into_iter().chain(extra);
                all.map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect::<Vec<_>>()
            };
            let expected = [
                request("/", "http", None),
                request("/", "http", Some(("cache-control", "no-cache"))),
                request("/index.html", "https", Some(("custom-key", "custom-value"))),
            ];
            for (block, expected) in blocks.into_iter().zip(expected) {
                assert_eq!(fields(&mut decoder, &hex(block)), Ok(expected));
            }
            assert_eq!((decoder.entries.len(), decoder.size_bytes), (3, 164));
        }
    }

    /// RFC 7541, appendix C.6: a table of 256 bytes, from which entries are evicted.
    #[test]
    fn the_responses_of_the_standard_are_decoded() {
        let mut decoder = Decoder {
            size_bytes_max: 256,
            ..Decoder::default()
        };
        let first = "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff\
                     6e919d29ad171863c78f0b97c8e9ae82ae43d3";
        let second = "4883640effc1c0bf";
        let third = "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab\
                     77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007";
        let sizes = [(first, 4, 222), (second, 4, 222), (third, 3, 215)];
        let mut last = Vec::new();
        for (block, entries, size_bytes) in sizes {
            last = fields(&mut decoder, &hex(block)).expect("a valid block");
            assert_eq!(
                (decoder.entries.len(), decoder.size_bytes),
                (entries, size_bytes)
            );
        }
        let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        assert_eq!(last[5], ("set-cookie".to_owned(), cookie.to_owned()));
    }

    #[test]
    fn a_table_size_comes_first_and_within_the_offer() {
        let mut decoder = Decoder::default();
        assert_eq!(
            fields(&mut decoder, &hex("3fe11f82")).map(|list| list.len()),
            Ok(1)
        );
        for block in ["3fe21f", "8220", "bf", "80", "40", "0005"] {
            assert!(
                fields(&mut Decoder::default(), &hex(block)).is_err(),
                "{block}"
            );
        }
        // The table is emptied by a size of zero.
        fields(&mut decoder, &hex("400161016182")).expect("valid");
        assert_eq!(decoder.entries.len(), 1);
        fields(&mut decoder, &hex("2082")).expect("valid");
        assert_eq!((decoder.entries.len(), decoder.size_bytes), (0, 0));
    }

    #[test]
    fn an_entry_larger_than_the_table_empties_it() {
        let mut decoder = Decoder::default();
        fields(&mut decoder, &hex("40016101618a")).expect("valid");
        let mut block = vec![0x40, 0x01, b'b', 0x7f, 0xe1, 0x1f];
        block.extend_from_slice(&[b'x'; 4192]);
        fields(&mut decoder, &block).expect("valid");
        assert_eq!((decoder.entries.len(), decoder.size_bytes), (0, 0));
    }
}

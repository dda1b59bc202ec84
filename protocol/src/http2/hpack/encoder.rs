//! Encoding response fields. It keeps no table: what a node sends is a few fields for each answer, and a peer can then
//! make it remember nothing.

use super::integer;
use super::static_table::{STATIC_TABLE, index_of_name};

/// A block begins here. The first one of a connection tells the peer that no table is used (RFC 7541, section 6.3);
/// after that no change of its own limit asks for an answer.
pub(in crate::http2) fn begin_block(out: &mut Vec<u8>, is_first: bool) {
    if is_first {
        integer::encode(out, 0x20, 5, 0);
    }
}

/// Appends the `:status` of a response.
pub(in crate::http2) fn encode_status(out: &mut Vec<u8>, status: u16) {
    let digits = [100, 10, 1].map(|unit| b'0' + u8::try_from(status / unit % 10).unwrap_or(0));
    let indexed = STATIC_TABLE
        .iter()
        .position(|(name, value)| *name == ":status" && value.as_bytes() == digits);
    match indexed {
        Some(position) => integer::encode(out, 0x80, 7, position + 1),
        None => {
            let name = index_of_name(":status").unwrap_or_default();
            integer::encode(out, 0, 4, name);
            encode_string(out, digits.into_iter());
        }
    }
}

/// Appends a field, its name in lower case. A control character in a value would be a fault of ours that a peer must
/// refuse (RFC 9113, section 8.2.1), so each is sent as a space.
pub(in crate::http2) fn encode_field(out: &mut Vec<u8>, name: &str, value: &str) {
    let lower = name.to_ascii_lowercase();
    let index = index_of_name(&lower).unwrap_or(0);
    // Literal without indexing.
    integer::encode(out, 0, 4, index);
    let printable = |byte: u8| if byte.is_ascii_control() { b' ' } else { byte };
    if index == 0 {
        encode_string(out, lower.bytes().map(printable));
    }
    encode_string(out, value.trim().bytes().map(printable));
}

fn encode_string(out: &mut Vec<u8>, bytes: impl ExactSizeIterator<Item = u8>) {
    integer::encode(out, 0, 7, bytes.len());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    fn decoded(block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        Decoder::default()
            .decode(block, |name, value| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                fields.push((text(name), text(value)));
            })
            .expect("a block of ours");
        fields
    }

    #[test]
    fn what_is_encoded_is_what_is_decoded() {
        let mut block = Vec::new();
        begin_block(&mut block, true);
        encode_status(&mut block, 200);
        encode_status(&mut block, 418);
        encode_field(&mut block, "Content-Type", "text/html");
        encode_field(&mut block, "X-Own", " a\r\nb ");
        let expected = [
            (":status", "200"),
            (":status", "418"),
            ("content-type", "text/html"),
            ("x-own", "a  b"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(decoded(&block), expected);
        assert_eq!(block[..2], [0x20, 0x88]);
    }
}

//! Header fields: those received, kept in one buffer and named by ranges, and those to be sent.

use std::borrow::Cow;

/// A field to be sent: its name and its value.
pub type Field = (Cow<'static, str>, Cow<'static, str>);

/// A range of a head; heads are at most 16 KiB, so 16 bits hold an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// A range by its ends.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: u16::try_from(start).unwrap_or(u16::MAX),
            end: u16::try_from(end).unwrap_or(u16::MAX),
        }
    }

    /// The range of `part` within `whole`, of which it must be a slice.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        Self::new(start, start + part.len())
    }

    /// The bytes of `whole` that this names.
    pub(crate) fn within(self, whole: &[u8]) -> &[u8] {
        whole
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }
}

/// The fields of one received head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    head: Box<[u8]>,
    spans: Box<[(Span, Span)]>,
}

impl Fields {
    /// Keeps a copy of `head` with the fields that were found in it.
    pub(super) fn new(head: &[u8], headers: &[httparse::Header<'_>]) -> Self {
        let spans = headers
            .iter()
            .map(|header| {
                (
                    Span::of(header.name.as_bytes(), head),
                    Span::of(header.value, head),
                )
            })
            .collect();
        Self {
            head: head.into(),
            spans,
        }
    }

    /// The fields that `spans` name in `head`.
    pub(super) fn of_spans(head: Vec<u8>, spans: Vec<(Span, Span)>) -> Self {
        Self {
            head: head.into_boxed_slice(),
            spans: spans.into_boxed_slice(),
        }
    }

    /// The whole head.
    pub(super) fn whole(&self) -> &[u8] {
        &self.head
    }

    /// Part of the head.
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        span.within(&self.head)
    }

    /// Part of the head, as text; the empty string when it is not UTF-8.
    pub(super) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(span.within(&self.head)).unwrap_or_default()
    }

    /// Every value of the fields called `name` (ASCII case does not matter), in their order.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.spans
            .iter()
            .filter(move |(span, _)| {
                span.within(&self.head)
                    .eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|(_, span)| span.within(&self.head))
    }

    /// The first value of `name` that is UTF-8.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.spans
            .iter()
            .filter(|(span, _)| {
                span.within(&self.head)
                    .eq_ignore_ascii_case(name.as_bytes())
            })
            .find_map(|(_, span)| std::str::from_utf8(span.within(&self.head)).ok())
    }

    /// Whether a comma-separated list field contains `token` (ASCII case does not matter).
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(|&byte| byte == b',')
                .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }
}

/// Appends `name: value` and the line's end. A control character in either would let a value that came from a peer
/// begin a line of its own, so each is sent as a space.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    let printable = |byte: u8| if byte.is_ascii_control() { b' ' } else { byte };
    out.extend(name.bytes().map(printable));
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(printable));
    out.extend_from_slice(b"\r\n");
}

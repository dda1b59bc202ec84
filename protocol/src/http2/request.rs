//! A request's head as a list of fields (RFC 9113, section 8): collected, bounded, and checked.

use super::hpack::ENTRY_OVERHEAD_BYTES;
use crate::http1::{self, Fault, Request, RequestParts, Span};
use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX};

/// Whether a field speaks of a connection, which only HTTP/1 does (section 8.2.2).
pub(super) fn is_connection_field(name: &[u8]) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ]
    .iter()
    .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// Collects the fields of one block.
#[derive(Debug, Default)]
pub(super) struct FieldList {
    text: Vec<u8>,
    fields: Vec<(Span, Span)>,
    method: Option<Span>,
    scheme: Option<Span>,
    authority: Option<Span>,
    path: Option<Span>,
    size_bytes: usize,
    is_malformed: bool,
    is_too_large: bool,
}

/// What a list of fields is.
#[derive(Debug)]
pub(super) enum Head {
    /// A request.
    Request(Request),
    /// A request that is answered with this fault's error.
    Refused(Fault),
    /// No request at all: its stream is reset (section 8.1.1).
    Malformed,
}

impl FieldList {
    /// Adds a field. What is beyond the bound is counted and not kept.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.size_bytes += name.len() + value.len() + ENTRY_OVERHEAD_BYTES;
        self.is_too_large |=
            self.size_bytes > HTTP_HEAD_BYTES_MAX || self.fields.len() >= HTTP_FIELDS_MAX;
        if self.is_too_large {
            self.text = Vec::new();
            return;
        }
        self.is_malformed |= !is_value(value);
        let name = if let Some(pseudo) = name.strip_prefix(b":") {
            let value = self.keep(value);
            self.keep_pseudo(pseudo, value);
            return;
        } else {
            self.is_malformed |= !is_name(name)
                || is_connection_field(name)
                || name == b"te" && value != b"trailers";
            self.keep(name)
        };
        let value = self.keep(value);
        self.fields.push((name, value));
    }

    fn keep_pseudo(&mut self, name: &[u8], value: Span) {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"path" => &mut self.path,
            _ => {
                self.is_malformed = true;
                return;
            }
        };
        // Once each, and before all other fields (section 8.3).
        self.is_malformed |= place.is_some() || !self.fields.is_empty();
        *place = Some(value);
    }

    fn keep(&mut self, part: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(part);
        Span::new(start, self.text.len())
    }

    /// Whether this can follow a body: no pseudo-fields, and nothing wrong.
    pub(super) fn is_trailers(&self) -> bool {
        let pseudo = [self.method, self.scheme, self.authority, self.path];
        !self.is_malformed && pseudo.iter().all(Option::is_none)
    }

    /// The request; `has_body` says that the stream goes on.
    pub(super) fn finish(self, has_body: bool) -> Head {
        if self.is_malformed {
            return Head::Malformed;
        }
        if self.is_too_large {
            return Head::Refused(Fault::HeadTooLarge);
        }
        if self
            .method
            .is_some_and(|method| method.within(&self.text) == b"CONNECT")
        {
            return Head::Refused(Fault::UnknownMethod);
        }
        let (Some(method), Some(_), Some(path)) = (self.method, self.scheme, self.path) else {
            return Head::Malformed;
        };
        if path.within(&self.text).is_empty() {
            return Head::Malformed;
        }
        let parts = RequestParts {
            method,
            path,
            authority: self.authority,
            fields: self.fields,
            text: self.text,
            has_body,
        };
        match http1::assemble_request(parts) {
            // A body that was announced and does not come (section 8.1.1).
            Ok(request) if !has_body && request.announces_body() => Head::Malformed,
            Ok(request) => Head::Request(request),
            Err(fault) => Head::Refused(fault),
        }
    }
}

/// Section 8.2.1, and the tokens of RFC 9110.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|&byte| http1::is_token(byte) && !byte.is_ascii_uppercase())
}

/// Section 8.2.1; all other control characters are refused as they are in HTTP/1.
fn is_value(value: &[u8]) -> bool {
    let is_edge = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !is_edge(value.first())
        && !is_edge(value.last())
        && value
            .iter()
            .all(|&byte| !byte.is_ascii_control() || byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{BodyLength, Method, Version};

    const PLAIN: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "node.example:8000"),
        (":path", "/download?bytes=5"),
    ];

    fn list(fields: &[(&str, &str)]) -> FieldList {
        let mut list = FieldList::default();
        for (name, value) in fields {
            list.push(name.as_bytes(), value.as_bytes());
        }
        list
    }

    fn with(more: &[(&str, &str)]) -> Head {
        list(&[&PLAIN[..], more].concat()).finish(false)
    }

    #[test]
    fn a_list_becomes_a_request() {
        let Head::Request(request) = with(&[("accept", "text/html"), ("cookie", "a=b")]) else {
            panic!("a request")
        };
        assert_eq!(
            (request.method(), request.version()),
            (Method::Get, Version::Http2)
        );
        assert_eq!(
            (request.path(), request.query()),
            ("/download", Some("bytes=5"))
        );
        assert_eq!(request.host(), Some("node.example:8000"));
        assert_eq!(request.header("accept"), Some("text/html"));
        assert_eq!(request.body(), BodyLength::None);
        assert!(request.websocket_upgrade().is_err());
    }

    #[test]
    fn a_body_without_a_length_ends_with_its_stream() {
        let mut fields = PLAIN;
        fields[0].1 = "POST";
        let Head::Request(request) = list(&fields).finish(true) else {
            panic!("a request")
        };
        assert_eq!(request.body(), BodyLength::UntilClose);
        let announced = [&fields[..], &[("content-length", "7")]].concat();
        let Head::Request(request) = list(&announced).finish(true) else {
            panic!("a request")
        };
        assert_eq!(request.body(), BodyLength::Bytes(7));
        assert!(matches!(list(&announced).finish(false), Head::Malformed));
    }

    #[test]
    fn what_two_readers_could_take_differently_is_no_request() {
        for more in [
            ("Accept", "a"),
            ("", "a"),
            ("a b", "a"),
            ("a", "b\r\nc: d"),
            ("a", "b\0"),
            ("a", " b"),
            ("a", "b\t"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            (":path", "/again"),
            (":protocol", "websocket"),
            (":status", "200"),
        ] {
            assert!(matches!(with(&[more]), Head::Malformed), "{more:?}");
        }
        assert!(matches!(
            with(&[("accept", "a"), (":path", "/")]),
            Head::Malformed
        ));
        for missing in [0, 1, 3] {
            let mut fields = PLAIN.to_vec();
            fields.remove(missing);
            assert!(matches!(list(&fields).finish(false), Head::Malformed));
        }
        assert!(matches!(with(&[("te", "trailers")]), Head::Request(_)));
    }

    #[test]
    fn what_is_not_served_is_answered() {
        let faulty = |place: usize, value: &'static str| {
            let mut fields = PLAIN;
            fields[place].1 = value;
            match list(&fields).finish(false) {
                Head::Refused(fault) => Some(fault),
                Head::Request(_) | Head::Malformed => None,
            }
        };
        assert_eq!(faulty(0, "BREW"), Some(Fault::UnknownMethod));
        assert_eq!(faulty(0, "CONNECT"), Some(Fault::UnknownMethod));
        assert_eq!(faulty(2, "user@host"), Some(Fault::InvalidHost));
        assert_eq!(faulty(3, "no-slash"), Some(Fault::InvalidTarget));
        assert_eq!(faulty(3, "/%0d"), Some(Fault::InvalidTarget));
        let mut hostless = PLAIN.to_vec();
        hostless.remove(2);
        assert!(matches!(
            list(&hostless).finish(false),
            Head::Refused(Fault::MissingHost)
        ));
    }

    #[test]
    fn a_list_has_its_bounds() {
        let long = "x".repeat(HTTP_HEAD_BYTES_MAX);
        assert!(matches!(
            with(&[("a", &long)]),
            Head::Refused(Fault::HeadTooLarge)
        ));
        let many = vec![("a", "b"); HTTP_FIELDS_MAX + 1];
        assert!(matches!(with(&many), Head::Refused(Fault::HeadTooLarge)));
    }
}

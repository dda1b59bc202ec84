//! Heads: where one ends, and what it says.
//!
//! `httparse` splits a head into fields. It lets bare LF pass and says nothing of framing, so the scanner before it
//! and the checks after it are what a head is accepted by.

use super::fault::Fault;
use super::fields::{Fields, Span};
use super::request::{BodyLength, Method, Request, Version};
use super::response::Response;
use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_TARGET_BYTES_MAX};

/// Longest method name that is looked at; longer ones are unknown.
const METHOD_BYTES_MAX: usize = 16;
/// Room in a first line beside its target: method, version, two spaces.
const FIRST_LINE_EXTRA_BYTES: usize = METHOD_BYTES_MAX + 10;

/// Finds a head's end in input that grows, looking at each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScanner {
    scanned: usize,
    line_start: usize,
}

impl HeadScanner {
    /// The length of the head that `bytes` begins with, if all of it is there. `bytes` must begin as in the last
    /// call.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(&byte) = bytes.get(self.scanned) {
            let at = self.scanned;
            if at >= HTTP_HEAD_BYTES_MAX {
                return Err(Fault::HeadTooLarge);
            }
            if self.line_start == 0 && at > HTTP_TARGET_BYTES_MAX + FIRST_LINE_EXTRA_BYTES {
                return Err(Fault::TargetTooLong);
            }
            let follows_cr = at > self.line_start && bytes.get(at - 1) == Some(&b'\r');
            if follows_cr != (byte == b'\n') {
                return Err(Fault::BareLineEnd);
            }
            if byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t') {
                return Err(Fault::ControlCharacter);
            }
            self.scanned += 1;
            if byte == b'\n' {
                let is_empty_line = at == self.line_start + 1;
                if is_empty_line {
                    return Ok(Some(self.scanned));
                }
                self.line_start = self.scanned;
            }
        }
        Ok(None)
    }
}

/// Reads a request's head, which the scanner found to be whole.
pub(super) fn parse_request(head: &[u8]) -> Result<Request, Fault> {
    let RequestLine {
        method,
        target,
        version,
    } = split_request_line(first_line(head))?;
    if target.len() > HTTP_TARGET_BYTES_MAX {
        return Err(Fault::TargetTooLong);
    }
    let version = parse_version(version, Fault::MalformedRequestLine)?;
    let method = Method::parse(method).ok_or(Fault::UnknownMethod)?;
    let parts = split_target(method, target)?;

    let mut headers = [httparse::EMPTY_HEADER; HTTP_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    complete(request.parse(head))?;
    let fields = Fields::new(head, request.headers);
    check_host(&fields, version)?;
    let body = body_length(&fields, version)?.unwrap_or(BodyLength::None);
    let keep_alive = keeps_alive(&fields, version);
    Ok(Request {
        method,
        version,
        target: Span::of(target, head),
        path: Span::of(parts.path, head),
        query: parts.query.map(|query| Span::of(query, head)),
        authority: parts.authority.map(|authority| Span::of(authority, head)),
        body,
        keep_alive,
        expects_continue: expects_continue(&fields, version)?,
        fields,
    })
}

/// A request's head that came in parts and not in lines (HTTP/2).
#[derive(Debug)]
pub(crate) struct RequestParts {
    /// Holds what the spans name.
    pub(crate) text: Vec<u8>,
    pub(crate) method: Span,
    /// The target: a path with its query.
    pub(crate) path: Span,
    pub(crate) authority: Option<Span>,
    pub(crate) fields: Vec<(Span, Span)>,
    /// Whether something follows the head.
    pub(crate) has_body: bool,
}

/// Reads a request's head from its parts, by the same rules as one in lines.
pub(crate) fn assemble_request(parts: RequestParts) -> Result<Request, Fault> {
    let version = Version::Http2;
    let fields = Fields::of_spans(parts.text, parts.fields);
    let text = |span| fields.bytes(span);
    let target = text(parts.path);
    if target.len() > HTTP_TARGET_BYTES_MAX {
        return Err(Fault::TargetTooLong);
    }
    let method = Method::parse(text(parts.method)).ok_or(Fault::UnknownMethod)?;
    // Only a path, or `*`: what else HTTP/1.1 allows is in the authority here (RFC 9113, section 8.3.1).
    if target.first() != Some(&b'/') && target != b"*" {
        return Err(Fault::InvalidTarget);
    }
    let split = split_target(method, target)?;
    let span = |part| Span::of(part, fields.whole());
    let (path, query) = (span(split.path), split.query.map(span));
    match parts.authority {
        Some(authority) if !is_host(text(authority)) => return Err(Fault::InvalidHost),
        Some(_) => {}
        None => check_host(&fields, version)?,
    }
    let unannounced = if parts.has_body {
        BodyLength::UntilClose
    } else {
        BodyLength::None
    };
    Ok(Request {
        method,
        version,
        target: parts.path,
        path,
        query,
        authority: parts.authority,
        body: body_length(&fields, version)?.unwrap_or(unannounced),
        keep_alive: true,
        expects_continue: expects_continue(&fields, version)?,
        fields,
    })
}

/// Reads a response's head; `to_head` says that it answers a HEAD request, and so has no body whatever it says.
pub(super) fn parse_response(head: &[u8], to_head: bool) -> Result<Response, Fault> {
    let line = first_line(head);
    let version = line
        .split(|&byte| byte == b' ')
        .next()
        .ok_or(Fault::MalformedStatusLine)?;
    let version = parse_version(version, Fault::MalformedStatusLine)?;
    let mut headers = [httparse::EMPTY_HEADER; HTTP_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    complete(response.parse(head))?;
    let status = response
        .code
        .filter(|code| (100..=599).contains(code))
        .ok_or(Fault::MalformedStatusLine)?;
    let fields = Fields::new(head, response.headers);
    let framing = body_length(&fields, version)?;
    let has_no_body = to_head || status < 200 || status == 204 || status == 304;
    let body = if has_no_body {
        BodyLength::None
    } else {
        framing.unwrap_or(BodyLength::UntilClose)
    };
    Ok(Response {
        status,
        version,
        body,
        keep_alive: keeps_alive(&fields, version) && body != BodyLength::UntilClose,
        fields,
    })
}

fn first_line(head: &[u8]) -> &[u8] {
    let end = head.iter().position(|&byte| byte == b'\r');
    &head[..end.unwrap_or(head.len())]
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: &'a [u8],
}

/// Method, target and version: exactly three parts with one space between them.
fn split_request_line(line: &[u8]) -> Result<RequestLine<'_>, Fault> {
    let mut parts = line.split(|&byte| byte == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None)
            if !method.is_empty()
                && method.iter().copied().all(is_token)
                && !target.is_empty()
                && !target.contains(&b'\t') =>
        {
            Ok(RequestLine {
                method,
                target,
                version,
            })
        }
        _ => Err(Fault::MalformedRequestLine),
    }
}

fn parse_version(version: &[u8], malformed: Fault) -> Result<Version, Fault> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Fault::UnsupportedVersion)
        }
        _ => Err(malformed),
    }
}

/// `httparse`'s verdict in our words.
fn complete(parsed: httparse::Result<usize>) -> Result<(), Fault> {
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Ok(httparse::Status::Partial) => Err(Fault::MalformedField),
        Err(error) => Err(match error {
            httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
            httparse::Error::NewLine => Fault::BareLineEnd,
            httparse::Error::Status => Fault::MalformedStatusLine,
            httparse::Error::Token => Fault::InvalidTarget,
            httparse::Error::Version => Fault::UnsupportedVersion,
            httparse::Error::HeaderName | httparse::Error::HeaderValue => Fault::MalformedField,
        }),
    }
}

struct TargetParts<'a> {
    authority: Option<&'a [u8]>,
    path: &'a [u8],
    query: Option<&'a [u8]>,
}

/// The forms of RFC 9112, section 3.2, that an origin server takes.
fn split_target(method: Method, target: &[u8]) -> Result<TargetParts<'_>, Fault> {
    check_target_characters(target)?;
    if target == b"*" && method == Method::Options {
        return Ok(TargetParts {
            authority: None,
            path: target,
            query: None,
        });
    }
    let (authority, rest) = if target.first() == Some(&b'/') {
        (None, target)
    } else {
        let rest = strip_scheme(target).ok_or(Fault::InvalidTarget)?;
        let end = rest
            .iter()
            .position(|&byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.is_empty() || !is_host(authority) {
            return Err(Fault::InvalidTarget);
        }
        (Some(authority), rest)
    };
    let question = rest.iter().position(|&byte| byte == b'?');
    Ok(TargetParts {
        authority,
        path: &rest[..question.unwrap_or(rest.len())],
        query: question.map(|at| &rest[at + 1..]),
    })
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
}

/// Visible ASCII without a fragment, and no escape that is broken or stands for a control character.
fn check_target_characters(target: &[u8]) -> Result<(), Fault> {
    for (at, &byte) in target.iter().enumerate() {
        if !byte.is_ascii_graphic() || byte == b'#' {
            return Err(Fault::InvalidTarget);
        }
        if byte == b'%' {
            let digit = |offset: usize| {
                let byte = target.get(at + offset).copied().unwrap_or_default();
                char::from(byte).to_digit(16)
            };
            let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                return Err(Fault::InvalidTarget);
            };
            let decoded = high * 16 + low;
            if decoded < 0x20 || decoded == 0x7f {
                return Err(Fault::InvalidTarget);
            }
        }
    }
    Ok(())
}

fn check_host(fields: &Fields, version: Version) -> Result<(), Fault> {
    let mut hosts = fields.values("host");
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Fault::RepeatedHost),
        (Some(host), None) if !is_host(host) => Err(Fault::InvalidHost),
        (None, None) if version != Version::Http10 => Err(Fault::MissingHost),
        (Some(_) | None, _) => Ok(()),
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address, with an optional port. Empty is allowed: it is what a
/// client must send for a target without an authority (RFC 9112, section 3.2).
fn is_host(host: &[u8]) -> bool {
    let after_name = if host.first() == Some(&b'[') {
        let Some(end) = host.iter().position(|&byte| byte == b']') else {
            return false;
        };
        let is_address = host[1..end]
            .iter()
            .all(|&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        if end == 1 || !is_address {
            return false;
        }
        &host[end + 1..]
    } else {
        let end = host
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(host.len());
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
        if !host[..end].iter().all(is_name) {
            return false;
        }
        &host[end..]
    };
    match after_name {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What the fields say of the body (RFC 9112, section 6), `None` when nothing. Whatever two readers could take
/// differently is refused.
fn body_length(fields: &Fields, version: Version) -> Result<Option<BodyLength>, Fault> {
    let mut lengths = fields.values("content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(Fault::RepeatedContentLength);
    }
    let mut encodings = fields.values("transfer-encoding");
    let Some(encoding) = encodings.next() else {
        return length
            .map(|value| parse_content_length(value).map(BodyLength::Bytes))
            .transpose();
    };
    if length.is_some() {
        return Err(Fault::TransferEncodingAndContentLength);
    }
    if version == Version::Http10 {
        return Err(Fault::TransferEncodingInHttp10);
    }
    if encodings.next().is_some() || !encoding.eq_ignore_ascii_case(b"chunked") {
        return Err(Fault::UnsupportedTransferEncoding);
    }
    Ok(Some(BodyLength::Chunked))
}

fn parse_content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() {
        return Err(Fault::InvalidContentLength);
    }
    value.iter().try_fold(0_u64, |length, &byte| {
        if !byte.is_ascii_digit() {
            return Err(Fault::InvalidContentLength);
        }
        length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(byte - b'0')))
            .ok_or(Fault::InvalidContentLength)
    })
}

fn keeps_alive(fields: &Fields, version: Version) -> bool {
    match version {
        Version::Http2 => true,
        Version::Http11 => !fields.has_token("connection", "close"),
        Version::Http10 => {
            fields.has_token("connection", "keep-alive") && !fields.has_token("connection", "close")
        }
    }
}

/// An HTTP/1.0 client cannot expect anything (RFC 9110, section 10.1.1).
fn expects_continue(fields: &Fields, version: Version) -> Result<bool, Fault> {
    let mut expectations = fields.values("expect");
    match (expectations.next(), expectations.next(), version) {
        (None, _, _) | (_, _, Version::Http10) => Ok(false),
        (Some(value), None, Version::Http11 | Version::Http2)
            if value.eq_ignore_ascii_case(b"100-continue") =>
        {
            Ok(true)
        }
        (Some(_), _, Version::Http11 | Version::Http2) => Err(Fault::UnsupportedExpectation),
    }
}

/// A character of a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

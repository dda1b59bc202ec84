//! Requests: one received, whole and owned, and the head of one to be sent.

use super::fault::error_body;
use super::fields::{Field, Fields, Span};
use super::response::ResponseHead;
use crate::connection::ResponseBody;

/// A method that this implementation knows. Whether a resource takes it is the application's to say (405).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: answered as GET, without the body.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

impl Method {
    /// As written in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// The method written `token`; methods are case-sensitive (RFC 9110, section 9.1).
    pub(super) fn parse(token: &[u8]) -> Option<Self> {
        match token {
            b"GET" => Some(Self::Get),
            b"HEAD" => Some(Self::Head),
            b"POST" => Some(Self::Post),
            b"PUT" => Some(Self::Put),
            b"PATCH" => Some(Self::Patch),
            b"DELETE" => Some(Self::Delete),
            b"OPTIONS" => Some(Self::Options),
            _ => None,
        }
    }

    /// Whether a request of this method is expected to have a body with a length.
    pub(super) const fn expects_body(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch => true,
            Self::Get | Self::Head | Self::Delete | Self::Options => false,
        }
    }
}

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// How a message's body ends (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and none was announced.
    None,
    /// After this many bytes; zero when announced so.
    Bytes(u64),
    /// In the chunked encoding.
    Chunked,
    /// With the connection (responses only), or with its stream (HTTP/2).
    UntilClose,
}

/// A request's head, received whole and found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Span,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    pub(super) authority: Option<Span>,
    pub(super) fields: Fields,
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Request {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The version the client speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.fields.text(self.target)
    }

    /// The target's path: not decoded, without the query; `/` when an absolute target has none, `*` for `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.fields.text(self.path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the target's `?`, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.map(|span| self.fields.text(span))
    }

    /// The value of the first `name=value` pair of the query, not decoded; a name without `=` has the empty value.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// The host and port that the client addressed: of an absolute target, else of the Host field.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self.authority {
            Some(span) => Some(self.fields.text(span)),
            None => self.header("host"),
        }
    }

    /// The first value of the field `name` that is UTF-8 (ASCII case does not matter).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.first(name)
    }

    /// Every value of the field `name`, in their order, as bytes.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.fields.values(name)
    }

    /// Whether a comma-separated list field such as `Accept-Encoding` has `token` as an item without parameters.
    #[must_use]
    pub fn header_has_token(&self, name: &str, token: &str) -> bool {
        self.fields.has_token(name, token)
    }

    /// How the body ends.
    #[must_use]
    pub const fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether the client wants to keep the connection.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for 100 before it sends the body.
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether a body of at least one byte was announced.
    pub(crate) const fn announces_body(&self) -> bool {
        match self.body {
            BodyLength::None | BodyLength::Bytes(0) => false,
            BodyLength::Bytes(_) | BodyLength::Chunked | BodyLength::UntilClose => true,
        }
    }

    /// Whether this asks for a WebSocket, and asks rightly (RFC 6455, section 4.2.1).
    ///
    /// # Errors
    /// What is missing, with the answer for it ([`UpgradeFault::reply`]).
    pub fn websocket_upgrade(&self) -> Result<Upgrade, UpgradeFault> {
        if !self.fields.has_token("upgrade", "websocket")
            || !self.fields.has_token("connection", "upgrade")
            || self.version != Version::Http11
        {
            return Err(UpgradeFault::NotAnUpgrade);
        }
        if self.method != Method::Get
            || !matches!(self.body, BodyLength::None | BodyLength::Bytes(0))
        {
            return Err(UpgradeFault::NotAPlainGet);
        }
        let mut versions = self.fields.values("sec-websocket-version");
        if versions.next() != Some(b"13") || versions.next().is_some() {
            return Err(UpgradeFault::UnsupportedVersion);
        }
        let mut keys = self.fields.values("sec-websocket-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(UpgradeFault::InvalidKey);
        };
        parse_key(key).map_or(Err(UpgradeFault::InvalidKey), |key| Ok(Upgrade { key }))
    }
}

/// A key is the base64 of 16 bytes: 22 digits and two signs of padding.
fn parse_key(value: &[u8]) -> Option<[u8; 24]> {
    let key: [u8; 24] = value.try_into().ok()?;
    let (digits, padding) = key.split_at(22);
    let valid = digits
        .iter()
        .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
        && padding == b"==";
    valid.then_some(key)
}

/// A valid request for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub(super) key: [u8; 24],
}

/// Why a request is no valid request for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeFault {
    /// It asks for none: a WebSocket endpoint answers 426.
    NotAnUpgrade,
    /// Its method is not GET, or it has a body.
    NotAPlainGet,
    /// Its `Sec-WebSocket-Version` is not 13.
    UnsupportedVersion,
    /// Its `Sec-WebSocket-Key` is missing, repeated, or not the base64 of 16 bytes.
    InvalidKey,
}

impl UpgradeFault {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotAnUpgrade | Self::UnsupportedVersion => 426,
            Self::NotAPlainGet | Self::InvalidKey => 400,
        }
    }

    /// The whole answer, ready for `respond`.
    #[must_use]
    pub fn reply(self) -> (ResponseHead, ResponseBody) {
        let (code, message) = match self {
            Self::NotAnUpgrade => (
                "upgrade_required",
                "this is a WebSocket endpoint; connect to it with the ws or wss scheme",
            ),
            Self::NotAPlainGet => (
                "invalid_upgrade",
                "a WebSocket is opened with a GET request that has no body; send one",
            ),
            Self::UnsupportedVersion => (
                "unsupported_websocket_version",
                "only WebSocket version 13 is supported; send Sec-WebSocket-Version: 13",
            ),
            Self::InvalidKey => (
                "invalid_websocket_key",
                "the Sec-WebSocket-Key is not the base64 of 16 bytes; send exactly one that is",
            ),
        };
        let mut head = ResponseHead::new(self.status()).field("Content-Type", "application/json");
        if self.status() == 426 {
            head = head
                .field("Upgrade", "websocket")
                .field("Sec-WebSocket-Version", "13");
        }
        (head, ResponseBody::Owned(error_body(code, message)))
    }
}

/// The head of a request to be sent. Host, Content-Length and Connection are written by the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target: a path with an optional query, already percent-encoded.
    pub target: String,
    /// The host, with a port if it is not the scheme's own.
    pub host: String,
    /// Further fields.
    pub fields: Vec<Field>,
}

impl RequestHead {
    /// A request without further fields.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            host: host.into(),
            fields: Vec::new(),
        }
    }
}

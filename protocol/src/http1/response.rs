//! Responses: the head of one to be sent, and of one received.

use std::borrow::Cow;

use super::fields::{Field, Fields, write_field};
use super::request::{BodyLength, Version};

/// The head of a response to be sent. Content-Length, Transfer-Encoding and Connection are written by the connection
/// and must not be among the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 200 to 599; anything else is sent as 500, for interim responses are the connection's own.
    pub status: u16,
    /// The fields, in the order of sending.
    pub fields: Vec<Field>,
    /// Whether the connection ends after this response.
    pub close: bool,
}

impl ResponseHead {
    /// A response of that status without fields, which keeps the connection if the client wants to.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            fields: Vec::new(),
            close: false,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Ends the connection after this response.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Appends the status line and the fields, without the empty line that ends the head.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        let status = self.sent_status();
        let digits = [100, 10, 1].map(|unit| b'0' + u8::try_from(status / unit % 10).unwrap_or(0));
        out.extend_from_slice(&digits);
        out.push(b' ');
        out.extend_from_slice(reason_phrase(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            write_field(out, name, value);
        }
    }

    /// See [`ResponseHead::status`].
    pub(crate) const fn sent_status(&self) -> u16 {
        if self.status < 200 || self.status > 599 {
            500
        } else {
            self.status
        }
    }
}

/// The phrase of RFC 9110, section 15, and RFC 6585.
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112, section 4).
        _ => "",
    }
}

/// A response's head, received whole and found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) fields: Fields,
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
}

impl Response {
    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The version the server speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The first value of the field `name` that is UTF-8 (ASCII case does not matter).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.first(name)
    }

    /// How the body ends.
    #[must_use]
    pub const fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether the server keeps the connection after this response.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }
}

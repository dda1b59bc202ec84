//! What a peer can get wrong in HTTP/1: one name for each fault, with the answer that it gets.

use crate::message::error::{ErrorDetail, ErrorReply};

/// A fault in what the peer sent (or failed to send). [`Fault::status`] is the answer a server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request line is not `METHOD target HTTP/x.y`.
    MalformedRequestLine,
    /// The status line is not `HTTP/1.x NNN reason`.
    MalformedStatusLine,
    /// A header field is malformed: space before its colon, a folded line, an empty or wrong name.
    MalformedField,
    /// A line ends in LF without CR, or has a CR without LF.
    BareLineEnd,
    /// A control character in a head.
    ControlCharacter,
    /// The target holds a character or an escape that is not allowed, or is not a form this server takes.
    InvalidTarget,
    /// The target is longer than `HTTP_TARGET_BYTES_MAX`.
    TargetTooLong,
    /// The head is longer than `HTTP_HEAD_BYTES_MAX` or has more fields than `HTTP_FIELDS_MAX`.
    HeadTooLarge,
    /// A method that this server does not know.
    UnknownMethod,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    UnsupportedVersion,
    /// HTTP/1.1 without a Host field.
    MissingHost,
    /// More than one Host field.
    RepeatedHost,
    /// A Host field that is not a host and an optional port.
    InvalidHost,
    /// More than one Content-Length, whether or not they agree.
    RepeatedContentLength,
    /// A Content-Length that is not a number of 64 bits.
    InvalidContentLength,
    /// Transfer-Encoding together with Content-Length.
    TransferEncodingAndContentLength,
    /// Transfer-Encoding in HTTP/1.0.
    TransferEncodingInHttp10,
    /// A Transfer-Encoding other than exactly `chunked`.
    UnsupportedTransferEncoding,
    /// An Expect other than `100-continue`.
    UnsupportedExpectation,
    /// A body was expected and has no length.
    LengthRequired,
    /// The body is larger than this endpoint takes.
    BodyTooLarge,
    /// A chunk size that is no hexadecimal number of 64 bits, or a line around a chunk that is wrong.
    InvalidChunk,
    /// A chunk's size line is longer than `HTTP_CHUNK_LINE_BYTES_MAX`.
    ChunkLineTooLong,
    /// A trailer line that is no field.
    InvalidTrailer,
    /// The trailers are longer than `HTTP_TRAILER_BYTES_MAX`.
    TrailersTooLarge,
    /// The head was begun and not finished within `HTTP_HEAD_TIMEOUT`.
    HeadTimeout,
    /// The body stopped for the connection's patience.
    BodyTimeout,
    /// A response came although no request was waiting for one.
    UnexpectedResponse,
    /// More interim responses than `HTTP_INTERIM_RESPONSES_MAX`.
    TooManyInterimResponses,
    /// 101 that was not asked for, or that does not prove knowledge of the key (RFC 6455, section 4.1).
    InvalidUpgrade,
}

impl Fault {
    /// The status code with which a server answers.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedRequestLine
            | Self::MalformedStatusLine
            | Self::MalformedField
            | Self::BareLineEnd
            | Self::ControlCharacter
            | Self::InvalidTarget
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::InvalidHost
            | Self::RepeatedContentLength
            | Self::InvalidContentLength
            | Self::TransferEncodingAndContentLength
            | Self::TransferEncodingInHttp10
            | Self::InvalidChunk
            | Self::ChunkLineTooLong
            | Self::InvalidTrailer
            | Self::UnexpectedResponse
            | Self::TooManyInterimResponses
            | Self::InvalidUpgrade => 400,
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::LengthRequired => 411,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedExpectation => 417,
            Self::HeadTooLarge | Self::TrailersTooLarge => 431,
            Self::UnknownMethod | Self::UnsupportedTransferEncoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }

    /// The stable name in the error's JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedRequestLine => "malformed_request_line",
            Self::MalformedStatusLine => "malformed_status_line",
            Self::MalformedField => "malformed_field",
            Self::BareLineEnd => "bare_line_end",
            Self::ControlCharacter => "control_character",
            Self::InvalidTarget => "invalid_target",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::UnknownMethod => "unknown_method",
            Self::UnsupportedVersion => "unsupported_version",
            Self::MissingHost => "missing_host",
            Self::RepeatedHost => "repeated_host",
            Self::InvalidHost => "invalid_host",
            Self::RepeatedContentLength => "repeated_content_length",
            Self::InvalidContentLength => "invalid_content_length",
            Self::TransferEncodingAndContentLength => "transfer_encoding_and_content_length",
            Self::TransferEncodingInHttp10 => "transfer_encoding_in_http_1_0",
            Self::UnsupportedTransferEncoding => "unsupported_transfer_encoding",
            Self::UnsupportedExpectation => "unsupported_expectation",
            Self::LengthRequired => "length_required",
            Self::BodyTooLarge => "body_too_large",
            Self::InvalidChunk => "invalid_chunk",
            Self::ChunkLineTooLong => "chunk_line_too_long",
            Self::InvalidTrailer => "invalid_trailer",
            Self::TrailersTooLarge => "trailers_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::UnexpectedResponse => "unexpected_response",
            Self::TooManyInterimResponses => "too_many_interim_responses",
            Self::InvalidUpgrade => "invalid_upgrade",
        }
    }

    /// What is wrong and what to do, for a person.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::MalformedRequestLine => {
                "the request line is malformed; send METHOD, one space, the target, one space, HTTP/1.1"
            }
            Self::MalformedStatusLine => "the status line is malformed",
            Self::MalformedField => {
                "a header field is malformed; send name, colon, value, with no space before the colon and no folded lines"
            }
            Self::BareLineEnd => {
                "a line does not end in CR LF; end every line of the head and of a chunk with both"
            }
            Self::ControlCharacter => {
                "the head holds a control character; remove or percent-encode it"
            }
            Self::InvalidTarget => {
                "the request target is not allowed; send a path that starts with / and percent-encode other characters"
            }
            Self::TargetTooLong => "the request target is longer than 4096 bytes; shorten it",
            Self::HeadTooLarge => {
                "the request head is larger than 16384 bytes or has more than 64 fields; send fewer or shorter fields"
            }
            Self::UnknownMethod => {
                "the method is not known here; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
            }
            Self::UnsupportedVersion => {
                "the protocol version is not supported; use HTTP/1.1 or HTTP/1.0"
            }
            Self::MissingHost => "HTTP/1.1 requires a Host field; add one",
            Self::RepeatedHost => "there is more than one Host field; send exactly one",
            Self::InvalidHost => {
                "the Host field is invalid; send a host name or address with an optional port"
            }
            Self::RepeatedContentLength => {
                "there is more than one Content-Length; send exactly one"
            }
            Self::InvalidContentLength => {
                "the Content-Length is not a number of bytes below 2^64; send digits only"
            }
            Self::TransferEncodingAndContentLength => {
                "Transfer-Encoding and Content-Length came together; send only one of them"
            }
            Self::TransferEncodingInHttp10 => {
                "HTTP/1.0 has no Transfer-Encoding; send a Content-Length or use HTTP/1.1"
            }
            Self::UnsupportedTransferEncoding => {
                "only the transfer encoding chunked is supported; send exactly that"
            }
            Self::UnsupportedExpectation => {
                "the only expectation that can be met is 100-continue; remove the Expect field"
            }
            Self::LengthRequired => {
                "this request needs a body with a length; send a Content-Length or chunked encoding"
            }
            Self::BodyTooLarge => "the body is larger than is accepted here; send less",
            Self::InvalidChunk => {
                "the chunked body is malformed; send each size as hexadecimal digits and end every chunk with CR LF"
            }
            Self::ChunkLineTooLong => {
                "a chunk's size line is longer than 256 bytes; shorten its extensions"
            }
            Self::InvalidTrailer => {
                "a trailer field is malformed; send name, colon, value, or no trailers at all"
            }
            Self::TrailersTooLarge => "the trailers are larger than 4096 bytes; send less",
            Self::HeadTimeout => "the request head was not complete within 10 s; send it at once",
            Self::BodyTimeout => "no byte of the body arrived for 30 s; send it without pauses",
            Self::UnexpectedResponse => "a response came without a request",
            Self::TooManyInterimResponses => "too many interim responses came before the final one",
            Self::InvalidUpgrade => {
                "the upgrade to WebSocket was not answered as RFC 6455 requires"
            }
        }
    }

    /// The JSON body of the answer.
    pub(crate) fn reply_body(self) -> Vec<u8> {
        error_body(self.code(), self.message())
    }
}

/// An [`ErrorReply`] as JSON.
pub(super) fn error_body(code: &str, message: &str) -> Vec<u8> {
    let reply = ErrorReply {
        error: ErrorDetail {
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after_s: None,
            queue_position: None,
        },
    };
    // Two strings always serialize; an empty body would still be a correct answer.
    serde_json::to_vec(&reply).unwrap_or_default()
}

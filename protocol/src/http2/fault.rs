//! What a peer can get wrong in HTTP/2: one name for each fault that ends the connection, with its error code.

/// RFC 9113, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    NoError,
    Protocol,
    FlowControl,
    SettingsTimeout,
    StreamClosed,
    FrameSize,
    RefusedStream,
    Cancel,
    Compression,
    EnhanceYourCalm,
}

impl ErrorCode {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::NoError => 0x0,
            Self::Protocol => 0x1,
            Self::FlowControl => 0x3,
            Self::SettingsTimeout => 0x4,
            Self::StreamClosed => 0x5,
            Self::FrameSize => 0x6,
            Self::RefusedStream => 0x7,
            Self::Cancel => 0x8,
            Self::Compression => 0x9,
            Self::EnhanceYourCalm => 0xb,
        }
    }
}

/// A fault that ends the whole connection, or a stream of it (RFC 9113, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection did not begin with the client's preface and SETTINGS.
    InvalidPreface,
    /// A frame is longer than `HTTP2_FRAME_BYTES_MAX`.
    FrameTooLarge,
    /// A frame's length is not one that its kind can have.
    InvalidFrameLength,
    /// A frame belongs to a stream and names none, or the other way round.
    WrongStream,
    /// A frame names a stream that was never opened, or one that only a server could open.
    UnknownStream,
    /// A frame names a stream that is over.
    ClosedStream,
    /// Something other than CONTINUATION came between the parts of a header block, or CONTINUATION came alone.
    InterruptedHeaders,
    /// The padding is longer than its frame.
    InvalidPadding,
    /// A setting has a value that is not allowed.
    InvalidSetting,
    /// A setting or an update makes a flow-control window larger than 2^31 - 1.
    WindowOverflow,
    /// More was sent than the flow-control window allowed.
    WindowExceeded,
    /// A WINDOW_UPDATE for the connection adds nothing.
    EmptyWindowUpdate,
    /// A client sent PUSH_PROMISE.
    Push,
    /// A request that is none: its pseudo-fields, its names and values, or the length of its body are wrong.
    MalformedRequest,
    /// A header block is not HPACK.
    InvalidHeaderBlock,
    /// A header block is longer than `HTTP2_HEADER_BLOCK_BYTES_MAX`, or in more pieces than `HTTP2_CONTINUATIONS_MAX`.
    HeaderBlockTooLarge,
    /// A frame was begun and not finished within `HTTP_HEAD_TIMEOUT`.
    FrameTimeout,
    /// More streams at a time than `HTTP2_STREAMS_MAX`.
    TooManyStreams,
    /// The peer made streams end early more often than `HTTP2_RESETS_MAX` allows.
    TooManyResets,
    /// More frames of little use than `HTTP2_CONTROL_FRAMES_MAX` allows.
    TooManyControlFrames,
    /// SETTINGS was not acknowledged within `HTTP2_SETTINGS_TIMEOUT`.
    SettingsTimeout,
}

impl Fault {
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::InvalidPreface
            | Self::WrongStream
            | Self::UnknownStream
            | Self::InterruptedHeaders
            | Self::InvalidPadding
            | Self::InvalidSetting
            | Self::EmptyWindowUpdate
            | Self::MalformedRequest
            | Self::Push => ErrorCode::Protocol,
            Self::FrameTooLarge | Self::InvalidFrameLength => ErrorCode::FrameSize,
            Self::ClosedStream => ErrorCode::StreamClosed,
            Self::WindowOverflow | Self::WindowExceeded => ErrorCode::FlowControl,
            Self::InvalidHeaderBlock => ErrorCode::Compression,
            Self::HeaderBlockTooLarge
            | Self::FrameTimeout
            | Self::TooManyResets
            | Self::TooManyControlFrames => ErrorCode::EnhanceYourCalm,
            Self::TooManyStreams => ErrorCode::RefusedStream,
            Self::SettingsTimeout => ErrorCode::SettingsTimeout,
        }
    }

    /// What was wrong and what to do, for a person; the debug data of GOAWAY.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::InvalidPreface => {
                "the connection does not begin with the HTTP/2 preface and a SETTINGS frame"
            }
            Self::FrameTooLarge => "a frame is larger than 16384 bytes; send smaller ones",
            Self::InvalidFrameLength => "a frame has a length that its type does not allow",
            Self::WrongStream => "a frame is on stream 0 that belongs to another, or the reverse",
            Self::UnknownStream => "a frame names a stream that a client did not open",
            Self::ClosedStream => "a frame names a stream that is closed",
            Self::InterruptedHeaders => "a header block must not be interrupted",
            Self::InvalidPadding => "the padding is longer than its frame",
            Self::InvalidSetting => "a setting has a value that is not allowed",
            Self::WindowOverflow => "a flow-control window is larger than 2147483647 bytes",
            Self::WindowExceeded => "more data came than the flow-control window allowed",
            Self::EmptyWindowUpdate => "a window update adds nothing",
            Self::Push => "a client can't push",
            Self::MalformedRequest => "a request is malformed",
            Self::InvalidHeaderBlock => "a header block is not valid HPACK",
            Self::HeaderBlockTooLarge => {
                "a header block is larger than 32768 bytes or in more than 9 frames; send fewer fields"
            }
            Self::FrameTimeout => "a frame was not complete within 10 s; send it at once",
            Self::TooManyStreams => "more than 100 streams at a time; wait for some to end",
            Self::TooManyResets => "too many streams were reset; slow down",
            Self::TooManyControlFrames => "too many control frames; slow down",
            Self::SettingsTimeout => "the settings were not acknowledged within 10 s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{
        HTTP_HEAD_TIMEOUT, HTTP2_CONTINUATIONS_MAX, HTTP2_FRAME_BYTES_MAX,
        HTTP2_HEADER_BLOCK_BYTES_MAX, HTTP2_SETTINGS_TIMEOUT, HTTP2_STREAMS_MAX,
    };

    #[test]
    fn a_message_names_the_bound_as_it_is() {
        let seconds = |timeout: std::time::Duration| format!("within {} s", timeout.as_secs());
        for (fault, bound) in [
            (
                Fault::FrameTooLarge,
                format!("{HTTP2_FRAME_BYTES_MAX} bytes"),
            ),
            (
                Fault::HeaderBlockTooLarge,
                format!("{HTTP2_HEADER_BLOCK_BYTES_MAX} bytes"),
            ),
            // HEADERS is one more.
            (
                Fault::HeaderBlockTooLarge,
                format!("{} frames", HTTP2_CONTINUATIONS_MAX + 1),
            ),
            (
                Fault::TooManyStreams,
                format!("{HTTP2_STREAMS_MAX} streams"),
            ),
            (Fault::FrameTimeout, seconds(HTTP_HEAD_TIMEOUT)),
            (Fault::SettingsTimeout, seconds(HTTP2_SETTINGS_TIMEOUT)),
        ] {
            assert!(fault.message().contains(&bound), "{fault:?}: {bound}");
        }
    }
}

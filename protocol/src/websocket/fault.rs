//! What a peer can get wrong in a WebSocket, with the close code that answers it.

/// A violation of RFC 6455, or of a bound. [`Fault::close_code`] is sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reserved bit is set and no extension was negotiated (section 5.2).
    ReservedBits,
    /// An opcode that is reserved (section 5.2).
    ReservedOpcode,
    /// A control frame without FIN (section 5.5).
    FragmentedControlFrame,
    /// A control frame of more than 125 bytes (section 5.5).
    ControlFrameTooLong,
    /// A length that was not encoded in the fewest bytes, or has its highest bit set (section 5.2).
    InvalidLength,
    /// A frame from a client without a mask (section 5.1).
    UnmaskedClientFrame,
    /// A frame from a server with a mask (section 5.1).
    MaskedServerFrame,
    /// A continuation frame without a message to continue (section 5.4).
    UnexpectedContinuation,
    /// A new message in the middle of a fragmented one (section 5.4).
    ExpectedContinuation,
    /// A close frame whose payload is one byte long (section 5.5.1).
    InvalidClosePayload,
    /// A close code that must not be sent (section 7.4).
    InvalidCloseCode,
    /// Text, or the reason of a close, that is not UTF-8 (section 8.1).
    InvalidUtf8,
    /// A message above `WEBSOCKET_MESSAGE_BYTES_MAX`, or a frame above `WEBSOCKET_DISCARDED_FRAME_BYTES_MAX`.
    MessageTooBig,
}

impl Fault {
    /// The code that is sent (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::FragmentedControlFrame
            | Self::ControlFrameTooLong
            | Self::InvalidLength
            | Self::UnmaskedClientFrame
            | Self::MaskedServerFrame
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::InvalidClosePayload
            | Self::InvalidCloseCode => 1002,
            Self::InvalidUtf8 => 1007,
            Self::MessageTooBig => 1009,
        }
    }

    /// The reason that is sent, at most 123 bytes.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "a reserved bit is set and no extension was negotiated",
            Self::ReservedOpcode => "the opcode is reserved",
            Self::FragmentedControlFrame => "a control frame must not be fragmented",
            Self::ControlFrameTooLong => "a control frame holds at most 125 bytes",
            Self::InvalidLength => "the frame's length is not encoded in the fewest bytes",
            Self::UnmaskedClientFrame => "a client must mask its frames",
            Self::MaskedServerFrame => "a server must not mask its frames",
            Self::UnexpectedContinuation => "there is no message to continue",
            Self::ExpectedContinuation => "the fragmented message was not finished",
            Self::InvalidClosePayload => "a close frame's payload is empty or at least two bytes",
            Self::InvalidCloseCode => "the close code must not be sent",
            Self::InvalidUtf8 => "the text is not UTF-8",
            Self::MessageTooBig => "the message is larger than is accepted here",
        }
    }
}

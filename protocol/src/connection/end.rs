//! How a connection ends: what the application is told of it, and the steps to it that HTTP takes in either version.

use std::fmt;

use super::{CloseReason, Event, Receive};
use crate::limits::HTTP_LINGER_TIMEOUT;
use crate::time::Instant;

/// What the peer did, for the user of whoever it is that says it.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("the other side ended its answer"),
            Self::PeerClosed { code: None } => f.write_str("the other side closed the connection"),
            Self::PeerClosed { code: Some(code) } => {
                write!(f, "the other side closed the connection with code {code}")
            }
            Self::PeerVanished => f.write_str("the other side broke off"),
            Self::IdleTimeout => f.write_str("nothing was asked for a while"),
            Self::HeadTimeout => f.write_str("no request came in time"),
            Self::HandshakeFailed => f.write_str("no handshake came about"),
            Self::InactivityTimeout => f.write_str("the other side moved no byte for too long"),
            Self::WriteStalled => f.write_str("the other side did not read what was sent"),
            Self::CloseTimeout => f.write_str("the other side did not answer the goodbye"),
            Self::ProtocolError(fault) => {
                write!(f, "the other side broke the protocol ({fault:?})")
            }
            Self::Refused(fault) => write!(f, "the request was refused ({fault:?})"),
            Self::Local(code) => write!(f, "it was closed with code {code}"),
        }
    }
}

/// A connection that is over, and whether the application was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    reason: CloseReason,
    is_reported: bool,
}

impl Closed {
    pub(crate) const fn new(reason: CloseReason) -> Self {
        Self {
            reason,
            is_reported: false,
        }
    }

    /// Tells it once.
    pub(crate) fn report(&mut self) -> Option<Event> {
        let is_news = !std::mem::replace(&mut self.is_reported, true);
        is_news.then_some(Event::Closed(self.reason))
    }
}

/// How far the end of an HTTP server's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not in sight.
    Open,
    /// When all output is written; `lingers` says that the peer may still be sending, and that a reset would destroy what
    /// it was told.
    Flushing { reason: CloseReason, lingers: bool },
    /// When the peer closes, or at `until`.
    Lingering { reason: CloseReason, until: Instant },
    /// Here.
    Closed(Closed),
}

impl End {
    /// All output is written.
    pub(crate) fn advance(&mut self, now: Instant, saw_eof: bool) {
        if let Self::Flushing { reason, lingers } = *self {
            if lingers && !saw_eof {
                *self = Self::Lingering {
                    reason,
                    until: now + HTTP_LINGER_TIMEOUT,
                };
            } else {
                self.close(reason);
            }
        }
    }

    /// It is here, if it was not before.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            *self = Self::Closed(Closed::new(reason));
        }
    }

    pub(crate) const fn is_closed(self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// [`Event::Closed`], once.
    pub(crate) fn report(&mut self) -> Option<Event> {
        match self {
            Self::Closed(closed) => closed.report(),
            Self::Open | Self::Flushing { .. } | Self::Lingering { .. } => None,
        }
    }

    /// How to read where no more input is used; `None` where it is.
    pub(crate) const fn receive(self, saw_eof: bool) -> Option<Receive> {
        match self {
            Self::Flushing { lingers: true, .. } | Self::Lingering { .. } if !saw_eof => {
                Some(Receive::Discard {
                    remaining: u64::MAX,
                })
            }
            Self::Flushing { .. } | Self::Lingering { .. } | Self::Closed(_) => {
                Some(Receive::Paused)
            }
            Self::Open if saw_eof => Some(Receive::Paused),
            Self::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_words_say_who_did_what() {
        for (reason, words) in [
            (CloseReason::Finished, "the other side ended its answer"),
            (
                CloseReason::PeerClosed { code: Some(1001) },
                "the other side closed the connection with code 1001",
            ),
            (CloseReason::PeerVanished, "the other side broke off"),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }
}

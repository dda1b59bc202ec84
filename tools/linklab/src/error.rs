//! What can go wrong with a line, and whose fault it is.

use std::fmt;

/// Anything that a line's making or its use can fail with.
#[derive(Debug)]
pub enum Error {
    /// The caller's: the specification describes no line.
    Spec(String),
    /// The system's: it refused something; with what was tried and its complaint.
    Refused(String),
    /// The lab's own: the thread that carries packets is gone.
    Ended,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(text) | Self::Refused(text) => f.write_str(text),
            Self::Ended => f.write_str("the thread that carries the line's packets has ended"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The system refused `what`.
    pub(crate) fn refused(what: &str, complaint: impl fmt::Display) -> Self {
        Self::Refused(format!("{what}: {complaint}"))
    }
}

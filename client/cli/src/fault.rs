//! What can keep a test from its result, and whose doing it is.

use std::fmt;

/// Why there is no result, or only a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the user asked for makes no sense, or is not possible here.
    Usage(String),
    /// The node does not answer, or stopped answering.
    NoAnswer(String),
    /// The node answers that it does not take this test now.
    Refused {
        /// The node's own words.
        message: String,
        /// Seconds after which trying again makes sense, if the node said so.
        retry_after_s: Option<u32>,
        /// The place in the queue of waiting tests, from 1, if the node said so.
        queue_position: Option<u32>,
    },
    /// The node answers, but not as a node of this kind and version does.
    Unexpected(String),
    /// This machine lacks something: descriptors, threads, a temporary folder.
    System(String),
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message)
            | Self::NoAnswer(message)
            | Self::Unexpected(message)
            | Self::System(message) => formatter.write_str(message),
            Self::Refused {
                message,
                retry_after_s,
                queue_position,
            } => {
                write!(formatter, "the node refuses: {message}")?;
                if let Some(position) = queue_position {
                    write!(formatter, "; place {position} in the queue")?;
                }
                if let Some(seconds) = retry_after_s {
                    write!(formatter, "; try again in {seconds} s")?;
                }
                Ok(())
            }
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Fault {}

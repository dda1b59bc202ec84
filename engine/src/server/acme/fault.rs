//! Why there is no new certificate, for the operator: what went wrong, where, and where it shows what to do.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::server::os_error;
use crate::server::tls::CertificateFault;

/// See the module.
#[derive(Debug)]
pub enum AcmeFault {
    /// Certificate or account cannot be stored here; nobody was asked for one.
    Storage {
        /// The folder or file.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// The root that the authority's own HTTPS is to be checked by cannot be used.
    Root {
        /// The file.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// The authority cannot be asked, refuses, or says what nobody understands.
    Authority {
        /// What was asked for.
        doing: &'static str,
        /// What came of it.
        reason: String,
    },
    /// The authority could not convince itself that a name is this node's.
    Challenge {
        /// Whose.
        name: String,
        /// How it tried.
        challenge: &'static str,
        /// What it says.
        reason: String,
    },
    /// The authority did not come to an end.
    Late {
        /// Within so many seconds.
        limit_s: u64,
    },
    /// What it issued cannot be used.
    Useless(CertificateFault),
    /// A fault of this machine: no randomness, or no supervisor.
    Local(String),
}

impl AcmeFault {
    pub(super) fn storage(path: &Path, error: &io::Error) -> Self {
        Self::Storage {
            path: path.to_owned(),
            reason: os_error::reason(error),
        }
    }

    pub(super) fn authority(doing: &'static str, error: &instant_acme::Error) -> Self {
        Self::Authority {
            doing,
            reason: reason(error),
        }
    }
}

/// What the library says, with the causes that it keeps to itself.
pub(super) fn reason(error: &instant_acme::Error) -> String {
    use instant_acme::Error;
    match error {
        Error::Api(problem) => told(problem),
        Error::Json(error) => format!("its answer is not one of ACME ({error})"),
        Error::Timeout(_) => "it did not come to an end in time".to_owned(),
        error => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                let said = error.to_string();
                // Many repeat their cause.
                if !text.contains(&said) {
                    text = format!("{text}: {said}");
                }
                cause = error.source();
            }
            match text.find(" (os error ") {
                Some(end) => text[..end].to_owned(),
                None => text,
            }
        }
    }
}

/// An authority's problem document (RFC 7807) in a line.
pub(super) fn told(problem: &instant_acme::Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or("no reason given");
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    let mut text = if kind.is_empty() {
        detail.to_owned()
    } else {
        format!("{detail} ({kind})")
    };
    for more in &problem.subproblems {
        if let Some(detail) = &more.detail {
            text = format!("{text}; {detail}");
        }
    }
    // One line in a log and in a terminal, whatever it came with.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for AcmeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage { path, reason } => {
                write!(f, "{}: cannot be written: {reason}", path.display())
            }
            Self::Root { path, reason } => write!(
                f,
                "{}: no root certificate of the directory: {reason}",
                path.display()
            ),
            Self::Authority { doing, reason } => {
                write!(f, "the authority, asked for {doing}: {reason}")
            }
            Self::Challenge {
                name,
                challenge,
                reason,
            } => write!(f, "{challenge} of {name} failed: {reason}"),
            Self::Late { limit_s } => {
                write!(f, "the authority did not come to an end within {limit_s} s")
            }
            Self::Useless(fault) => write!(f, "the authority's certificate is of no use: {fault}"),
            Self::Local(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for AcmeFault {}

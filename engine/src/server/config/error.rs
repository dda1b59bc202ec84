//! What is wrong with the configuration, where, and what would be right.

use std::fmt;

use super::setting::Setting;
use super::sources::{Given, Source};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A value that its key cannot have: `--port 99999: must be 0 to 65535`.
    Value {
        /// The key and value as they were given.
        given: String,
        /// What is wrong, or what it must be.
        reason: String,
    },
    /// A key that does not exist.
    UnknownKey {
        /// The file.
        file: String,
        /// The key as it stands there.
        key: String,
        /// The nearest one that exists.
        suggestion: Option<String>,
    },
    /// A `[[profile]]` table of the file that cannot be used: `node.toml: profile "maria": port = 0: must be …`.
    Profile {
        /// The file.
        file: String,
        /// Which profile, which key, its value, and what it must be.
        reason: String,
    },
    /// The file could not be read or is not TOML.
    File {
        /// The file.
        file: String,
        /// Why, in words.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn value(setting: &Setting, given: &Given, reason: impl Into<String>) -> Self {
        let shown = match &given.source {
            Source::Flag => format!("--{} {}", setting.flag, given.text),
            Source::Environment => format!("{}={}", setting.env, given.text),
            Source::File(file) => format!("{file}: {} = {}", setting.path(), given.text),
            Source::Default => format!("--{} {} (the default)", setting.flag, given.text),
        };
        Self::Value {
            given: shown,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { given, reason } => write!(f, "{given}: {reason}"),
            Self::UnknownKey {
                file,
                key,
                suggestion: Some(suggestion),
            } => write!(f, "{file}: {key}: unknown key; did you mean {suggestion}?"),
            Self::UnknownKey {
                file,
                key,
                suggestion: None,
            } => write!(
                f,
                "{file}: {key}: unknown key; `bufferbloatd check-config` prints all that exist"
            ),
            Self::Profile { file, reason } | Self::File { file, reason } => {
                write!(f, "{file}: {reason}")
            }
        }
    }
}

/// All faults that were found, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

//! What can be wrong with a profile in the configuration: which one, which key, what is allowed.

use std::error::Error;
use std::fmt;

/// A `[[profile]]` that cannot be used. The configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFault {
    /// The profile's `user_id` as it was written.
    pub user_id: String,
    /// The flow, counted from 1 in the order of the file; `None` for a key of the profile itself.
    pub flow: Option<usize>,
    /// The key.
    pub key: &'static str,
    /// Its value as it was written; `None` when it is missing.
    pub value: Option<String>,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for ProfileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile \"{}\"", self.user_id)?;
        if let Some(flow) = self.flow {
            write!(f, ", flow {flow}")?;
        }
        match &self.value {
            Some(value) => write!(f, ": {} = {value}: {}", self.key, self.allowed),
            None => write!(f, ": {} is missing: {}", self.key, self.allowed),
        }
    }
}

impl Error for ProfileFault {}

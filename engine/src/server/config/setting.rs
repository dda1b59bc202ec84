//! What is said of one setting: a row of the table, and its words for people. Refuses to know which settings there are.

use super::settings::Key;

/// Under which heading `--help` shows a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Ports and addresses.
    Network,
    /// Certificate and HTTPS.
    Tls,
    /// Processes and loops.
    Processes,
    /// Log.
    Log,
    /// What clients can use.
    Limits,
    /// The operator's own look of the page.
    Branding,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Tls => "HTTPS",
            Self::Processes => "Processes",
            Self::Log => "Log",
            Self::Limits => "Limits",
            Self::Branding => "Your own look",
        }
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number in a range.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text,
    /// Some texts: an array in the file, separated by commas elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Which.
    pub key: Key,
    /// The file's table; empty for the top level.
    pub table: &'static str,
    /// The key within that table.
    pub name: &'static str,
    /// Without the dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What stands for the value in `--help`.
    pub value_name: &'static str,
    /// The heading it is under.
    pub group: Group,
    /// What it looks like.
    pub kind: Kind,
    /// As it would be given; `None` where the default is not a constant, and `default_note` tells it.
    pub default: Option<&'static str>,
    /// The default in words, where the value does not speak for itself.
    pub default_note: &'static str,
    /// For a stranger.
    pub help: &'static str,
    /// A possible value for the sample, where the default is not a constant.
    pub example: &'static str,
    /// Whether SIGHUP changes it in a running node; the others belong to sockets, processes and loops, which are made at
    /// the start.
    pub is_live: bool,
}

impl Setting {
    /// `[limits] tests_max`, or `port`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.table.is_empty() {
            self.name.to_owned()
        } else {
            format!("[{}] {}", self.table, self.name)
        }
    }

    /// What a value must be.
    #[must_use]
    pub fn requirement(&self) -> String {
        match self.kind {
            Kind::Integer { min, max } => format!("must be {min} to {max}"),
            Kind::Boolean => "must be true or false".to_owned(),
            Kind::Text => "must be a text".to_owned(),
            Kind::List => "must be a list of texts".to_owned(),
            Kind::Choice(words) => format!("must be one of {}", words.join(", ")),
        }
    }

    /// The default as `--help` tells it.
    #[must_use]
    pub const fn default_text(&self) -> &'static str {
        match (self.default_note.is_empty(), self.default) {
            (true, Some(default)) => default,
            (true, None) | (false, _) => self.default_note,
        }
    }
}

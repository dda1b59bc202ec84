//! The values as they were given, each with where it comes from; nothing is judged here but the file's shape.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::profile::ProfileDefinition;

use super::error::ConfigError;
use super::setting::{Kind, Setting};
use super::settings::{Key, SETTINGS};
use crate::server::os_error;

/// The array of tables that profiles are written in.
const PROFILE: &str = "profile";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The file of this name.
    File(String),
    /// Nobody gave one.
    Default,
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// As text; the elements of a list joined by commas.
    pub text: String,
    /// Where it comes from.
    pub source: Source,
}

/// All values that were given, the strongest source of each key only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    given: BTreeMap<Key, Given>,
    profiles: GivenProfiles,
}

/// The `[[profile]]` tables as they were given; only the file can give any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenProfiles {
    /// The file's name; empty without one.
    pub file: String,
    /// In the order of the file.
    pub definitions: Vec<ProfileDefinition>,
}

impl Sources {
    /// Adds a value from the command line.
    pub fn add_flag(&mut self, key: Key, text: String) {
        self.add(key, text, Source::Flag);
    }

    /// Adds what `variable` answers for each setting's environment variable. An empty variable counts as absent.
    pub fn add_environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for setting in SETTINGS {
            if let Some(text) = variable(setting.env).filter(|text| !text.is_empty()) {
                self.add(setting.key, text, Source::Environment);
            }
        }
    }

    /// Adds a file's values, weaker than what is there already.
    ///
    /// # Errors
    /// Every fault of the file: unreadable, not TOML, unknown keys, values of the wrong type.
    pub fn add_file(&mut self, path: &Path) -> Result<(), Vec<ConfigError>> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![ConfigError::File {
                file: file.clone(),
                reason: format!("cannot be read: {}", os_error::reason(&error)),
            }]
        })?;
        self.add_toml(&file, &text)
    }

    /// Adds the values of a file's text.
    ///
    /// # Errors
    /// As [`Sources::add_file`].
    pub fn add_toml(&mut self, file: &str, text: &str) -> Result<(), Vec<ConfigError>> {
        let root: toml::Table = text
            .parse()
            .map_err(|error| vec![not_toml(file, text, &error)])?;
        let mut errors = Vec::new();
        self.profiles.file = file.to_owned();
        for (name, value) in root {
            let is_table = SETTINGS.iter().any(|setting| setting.table == name);
            match value {
                value if name == PROFILE => self.add_profiles(file, value, &mut errors),
                toml::Value::Table(table) if is_table => {
                    for (key, value) in table {
                        self.add_value(file, &name, &key, &value, &mut errors);
                    }
                }
                toml::Value::Table(_) => errors.push(unknown_table(file, &name)),
                value => self.add_value(file, "", &name, &value, &mut errors),
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// The value of a key: given, or the default; `None` where the default is not a constant.
    #[must_use]
    pub fn value(&self, key: Key) -> Option<Given> {
        let default = || {
            Setting::of(key).default.map(|text| Given {
                text: text.to_owned(),
                source: Source::Default,
            })
        };
        self.given.get(&key).cloned().or_else(default)
    }

    /// The profiles that were given.
    #[must_use]
    pub fn profiles(&self) -> &GivenProfiles {
        &self.profiles
    }

    fn add_profiles(&mut self, file: &str, value: toml::Value, errors: &mut Vec<ConfigError>) {
        let fault = |reason: String| ConfigError::Profile {
            file: file.to_owned(),
            reason,
        };
        let toml::Value::Array(tables) = value else {
            errors.push(fault(
                "profile: each profile is a table of its own that begins with [[profile]]"
                    .to_owned(),
            ));
            return;
        };
        for (index, table) in tables.into_iter().enumerate() {
            let which = match table.get("user_id").and_then(toml::Value::as_str) {
                Some(user_id) => format!("profile \"{user_id}\""),
                None => format!("[[profile]] number {}", index + 1),
            };
            match table.try_into() {
                Ok(definition) => self.profiles.definitions.push(definition),
                Err(error) => {
                    let message: toml::de::Error = error;
                    let message = message.message().lines().collect::<Vec<_>>().join("; ");
                    errors.push(fault(format!("{which}: {message}")));
                }
            }
        }
    }

    fn add(&mut self, key: Key, text: String, source: Source) {
        self.given.entry(key).or_insert(Given { text, source });
    }

    fn add_value(
        &mut self,
        file: &str,
        table: &str,
        name: &str,
        value: &toml::Value,
        errors: &mut Vec<ConfigError>,
    ) {
        let known = SETTINGS
            .iter()
            .find(|setting| setting.table == table && setting.name == name);
        let Some(setting) = known else {
            errors.push(unknown_key(file, table, name));
            return;
        };
        let source = Source::File(file.to_owned());
        match text_of(setting.kind, value) {
            Some(text) => self.add(setting.key, text, source),
            None => {
                let given = Given {
                    text: value.to_string(),
                    source,
                };
                errors.push(ConfigError::value(setting, &given, setting.requirement()));
            }
        }
    }
}

/// The value as it would stand on the command line, if it has the type that the key wants.
fn text_of(kind: Kind, value: &toml::Value) -> Option<String> {
    match kind {
        Kind::Integer { .. } => value.as_integer().map(|number| number.to_string()),
        Kind::Boolean => value.as_bool().map(|flag| flag.to_string()),
        Kind::Text | Kind::Choice(_) => value.as_str().map(str::to_owned),
        Kind::List => {
            let elements = value.as_array()?;
            let texts: Option<Vec<&str>> = elements.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
    }
}

fn not_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let place = error.span().map_or(String::new(), |span| {
        let before = text.get(..span.start).unwrap_or(text);
        format!(" in line {}", before.matches('\n').count() + 1)
    });
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    ConfigError::File {
        file: file.to_owned(),
        reason: format!("not valid TOML{place}: {message}"),
    }
}

fn unknown_table(file: &str, name: &str) -> ConfigError {
    let tables = SETTINGS.iter().map(|setting| setting.table);
    let nearest = tables
        .map(|table| (strsim::jaro_winkler(table, name), table))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    ConfigError::UnknownKey {
        file: file.to_owned(),
        key: format!("[{name}]"),
        suggestion: nearest.map(|(_, table)| format!("[{table}]")),
    }
}

/// The nearest existing key, wherever it is: a key in the wrong table is the commonest mistake.
fn unknown_key(file: &str, table: &str, name: &str) -> ConfigError {
    let key = if table.is_empty() {
        name.to_owned()
    } else {
        format!("[{table}] {name}")
    };
    let suggestion = SETTINGS
        .iter()
        .map(|setting| (strsim::jaro_winkler(setting.name, name), setting))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, setting)| setting.path());
    ConfigError::UnknownKey {
        file: file.to_owned(),
        key,
        suggestion,
    }
}

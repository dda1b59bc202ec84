//! The effective configuration as a file that could be given back, each line with the source of its value.

use std::fmt::Write;

use protocol::profile::ProfileDefinition;
use serde::Serialize;

use super::load::Loaded;
use super::setting::{Kind, Setting};
use super::sources::{Given, Source};

/// TOML with a comment behind each value: where it comes from.
#[must_use]
pub fn effective_toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut table = "";
    for (key, given) in &loaded.values {
        let setting = Setting::of(*key);
        if setting.table != table {
            table = setting.table;
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{table}]\n");
        }
        let line = match setting.kind {
            // A number that is not there has no way to be written.
            Kind::Integer { .. } if given.text.is_empty() => format!("#{} =", setting.name),
            _ => format!("{} = {}", setting.name, value(setting, given)),
        };
        let _ = writeln!(text, "{line:<40} # {}", source(setting, given));
    }
    for definition in &loaded.profiles.definitions {
        let document = ProfileDocument {
            profile: [definition],
        };
        // A definition came out of TOML and goes back into it.
        let table = toml::to_string(&document).unwrap_or_default();
        let _ = write!(text, "\n# {}\n{table}", loaded.profiles.file);
    }
    text
}

/// One `[[profile]]` table as a document of its own.
#[derive(Serialize)]
struct ProfileDocument<'a> {
    profile: [&'a ProfileDefinition; 1],
}

fn value(setting: &Setting, given: &Given) -> toml::Value {
    let text = given.text.trim();
    match setting.kind {
        Kind::Integer { .. } => text
            .parse()
            .map_or_else(|_| text.into(), toml::Value::Integer),
        Kind::Boolean => toml::Value::Boolean(matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "1" | "yes" | "on"
        )),
        Kind::Text | Kind::Choice(_) => text.into(),
        Kind::List => text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .into(),
    }
}

fn source(setting: &Setting, given: &Given) -> String {
    match &given.source {
        Source::Flag => format!("--{}", setting.flag),
        Source::Environment => setting.env.to_owned(),
        Source::File(file) => file.clone(),
        Source::Default if setting.default_note.is_empty() => "default".to_owned(),
        Source::Default => format!("default: {}", setting.default_note),
    }
}

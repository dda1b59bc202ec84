//! The commented sample of the file: every key with what it does, its range, its default, and its flag and variable. All of
//! it is a comment, so that a node with the sample as its file runs by the defaults.

use std::fmt::Write;

use super::setting::{Kind, Setting};
use super::settings::SETTINGS;

/// Columns of the comments.
const WIDTH: usize = 112;

const HEAD: &str = "\
Configuration of the bufferbloat test node. It is read from /etc/libreqos-bufferbloat/config.toml, or from the
file that --config or BUFFERBLOATD_CONFIG names.

Every key is here, with its default behind the #: take the # away to change it. A flag on the command line
beats the environment, which beats this file.

    bufferbloatd check-config      # what is in force and where it comes from, or what is wrong with it
    kill -HUP PID                  # reads this file again; \"systemctl reload libreqos-bufferbloat\" does it, too

A key is changed by that where it says \"reload\"; the others need a restart, and the log names them.";

const PROFILE: &str = r#"
# ---- The virtual household ----
#
# One more [[profile]] table is one more user with processes and a port of its own. One whose user_id is alex, sarah,
# jake or computer takes the place of that user. Takes effect at a restart.
#
# [[profile]]
# user_id = "maria"                     # in addresses and logs: letters, digits, - and _
# name = "Maria"                        # on the page
# activity = "Cloud gaming"
# description = "A game that is computed elsewhere and comes as a picture, 60 times a second."
# model = "gaming"                      # what the user feels: gaming, call, streaming or bulk
# port = 8006                           # by default the next free one
#
# [[profile.flow]]                      # one or more
# direction = "down"                    # or "up"
# rate_mbps = 4.0
# pattern = "frames"                    # constant, frames, on_off or continuous
# frames_per_second = 60
"#;

/// The whole file.
#[must_use]
pub fn sample_toml() -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    let mut table = "";
    for setting in SETTINGS {
        if setting.table != table {
            table = setting.table;
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{table}]\n");
        }
        let _ = write!(text, "\n{}", entry(setting));
    }
    text.push_str(PROFILE);
    text
}

fn entry(setting: &Setting) -> String {
    let mut text = String::new();
    let sentence = format!("{}{}.", setting.help, range(setting));
    comment(&mut text, &wrapped(&sentence));
    let when = if setting.is_live { "reload" } else { "restart" };
    let mut facts = format!("--{}, {}, {when}", setting.flag, setting.env);
    if !setting.default_note.is_empty() {
        let _ = write!(facts, "; default: {}", setting.default_note);
    }
    comment(&mut text, &wrapped(&facts));
    let _ = writeln!(text, "#{} = {}", setting.name, value(setting));
    text
}

fn range(setting: &Setting) -> String {
    match setting.kind {
        Kind::Integer { min, max } => format!(" ({min} to {max})"),
        Kind::Boolean => " (true or false)".to_owned(),
        Kind::Text | Kind::List | Kind::Choice(_) => String::new(),
    }
}

/// As TOML writes it; where the default is not a constant, one that is possible.
fn value(setting: &Setting) -> toml::Value {
    let default = setting.default.unwrap_or_default();
    match setting.kind {
        Kind::Integer { min, .. } => {
            let number = default.parse().unwrap_or_else(|_| match setting.example {
                "" => min.cast_signed(),
                example => example.parse().unwrap_or_default(),
            });
            toml::Value::Integer(number)
        }
        Kind::Boolean => toml::Value::Boolean(default == "true"),
        Kind::List => default
            .split(',')
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .into(),
        Kind::Text | Kind::Choice(_) if setting.default.is_none() => setting.example.into(),
        Kind::Text | Kind::Choice(_) => default.into(),
    }
}

fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let line = format!("# {line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn wrapped(sentence: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in sentence.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Kernel, Key, Sources, load};
    use super::*;

    const PACKAGED: &str = include_str!("../../../../tools/packaging/config.toml");

    fn loaded(text: &str) -> Config {
        let mut sources = Sources::default();
        sources.add_toml("sample", text).unwrap();
        let kernel = Kernel {
            host_name: "localhost".to_owned(),
            cores: 1,
            offers_congestion_control: &|_| Ok(()),
            read_file: &|_| Err("the sample names no file".to_owned()),
        };
        load(&sources, &kernel).unwrap().config
    }

    #[test]
    fn the_packaged_sample_is_the_one_that_the_settings_make() {
        assert!(
            PACKAGED == sample_toml(),
            "the keys have changed: `bufferbloatd sample-config > tools/packaging/config.toml`"
        );
    }

    #[test]
    fn a_node_with_the_sample_runs_by_the_defaults() {
        assert_eq!(loaded(PACKAGED), Config::default());
    }

    /// Line by line, so that a default that is no valid value shows.
    #[test]
    fn every_key_is_in_the_sample_and_can_be_given_as_it_stands_there() {
        for setting in SETTINGS {
            let prefix = format!("#{} = ", setting.name);
            let line = PACKAGED
                .lines()
                .find(|line| line.starts_with(&prefix))
                .unwrap_or_else(|| panic!("{} is missing", setting.name));
            let header = match setting.table {
                "" => String::new(),
                table => format!("[{table}]\n"),
            };
            let companions = match setting.key {
                Key::HttpRedirectPort => "certificate = \"chain.pem\"\nkey = \"key.pem\"\n",
                _ => "",
            };
            let config = loaded(&format!("{header}{}\n{companions}", &line[1..]));
            if setting.default.is_some() {
                assert_eq!(config, Config::default(), "{line}");
            }
        }
    }

    #[test]
    fn the_samples_profile_is_a_valid_one() {
        let (_, profile) = PACKAGED.split_once("# [[profile]]\n").unwrap();
        let text: Vec<&str> = profile
            .lines()
            .map(|line| line.trim_start_matches(['#', ' ']))
            .collect();
        let config = loaded(&format!("[[profile]]\n{}", text.join("\n")));
        let last = config.profiles.last().unwrap();
        assert_eq!((last.user_id.as_str(), last.port), ("maria", Some(8006)));
    }
}

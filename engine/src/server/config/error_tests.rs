//! Every key with values that it cannot have, from every source: the answer names the key as it was given, the value, and
//! what would be right.

use super::super::{Kind, SETTINGS, effective_toml};
use super::*;

/// As a user would write it in the file.
fn file_text(setting: &Setting, value: &str) -> String {
    let header = match setting.table {
        "" => String::new(),
        table => format!("[{table}]\n"),
    };
    format!("{header}{} = {value}\n", setting.name)
}

fn faults(given: impl FnOnce(&mut Sources) -> Result<(), Vec<ConfigError>>) -> String {
    let mut sources = Sources::default();
    let kernel = Kernel {
        host_name: "node".to_owned(),
        cores: 2,
        offers_congestion_control: &|name| match name {
            "cubic" => Ok(()),
            _ => Err("this kernel does not offer it; available: reno cubic".to_owned()),
        },
        read_file: &|path| match path.to_str() {
            Some("logo.gif") => Ok(b"GIF89a".to_vec()),
            _ => Err("cannot be read: no such file".to_owned()),
        },
    };
    match given(&mut sources) {
        Err(errors) => ConfigErrors(errors).to_string(),
        Ok(()) => load(&sources, &kernel).map_or_else(
            |errors| errors.to_string(),
            |loaded| panic!("was taken:\n{}", effective_toml(&loaded)),
        ),
    }
}

fn by_flag(setting: &Setting, value: &str) -> String {
    faults(|sources| {
        sources.add_flag(setting.key, value.to_owned());
        Ok(())
    })
}

fn by_environment(setting: &Setting, value: &str) -> String {
    faults(|sources| {
        sources.add_environment(|name| (name == setting.env).then(|| value.to_owned()));
        Ok(())
    })
}

fn by_file(setting: &Setting, value: &str) -> String {
    faults(|sources| sources.add_toml("c.toml", &file_text(setting, value)))
}

#[test]
fn a_number_that_is_none_or_out_of_its_range_is_told_with_key_value_and_range() {
    let mut tried = 0;
    for setting in SETTINGS {
        let Kind::Integer { min, max } = setting.kind else {
            continue;
        };
        let range = format!("must be {min} to {max}");
        let below = i128::from(min) - 1;
        let above = u128::from(max) + 1;
        for value in [
            below.to_string(),
            above.to_string(),
            "1e3".to_owned(),
            "ten".to_owned(),
            "1.5".to_owned(),
            "99999999999999999999999".to_owned(),
        ] {
            let flag = setting.flag;
            assert_eq!(
                by_flag(setting, &value),
                format!("--{flag} {value}: {range}")
            );
            let env = setting.env;
            assert_eq!(
                by_environment(setting, &value),
                format!("{env}={value}: {range}")
            );
            tried += 2;
        }
        let key = setting.path();
        for value in [
            below.to_string(),
            above.to_string(),
            "\"8\"".to_owned(),
            "true".to_owned(),
            "[1]".to_owned(),
        ] {
            let expected = format!("c.toml: {key} = {value}: {range}");
            assert_eq!(by_file(setting, &value), expected);
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn a_word_or_flag_that_is_not_one_of_the_possible_is_told_with_those_that_are() {
    for setting in SETTINGS {
        let requirement = match setting.kind {
            Kind::Boolean => "must be true or false".to_owned(),
            Kind::Choice(words) => format!("must be one of {}", words.join(", ")),
            Kind::Integer { .. } | Kind::Text | Kind::List => continue,
        };
        let (flag, env, key) = (setting.flag, setting.env, setting.path());
        assert_eq!(
            by_flag(setting, "loud"),
            format!("--{flag} loud: {requirement}")
        );
        assert_eq!(
            by_environment(setting, "2"),
            format!("{env}=2: {requirement}")
        );
        assert_eq!(
            by_file(setting, "7"),
            format!("c.toml: {key} = 7: {requirement}")
        );
    }
}

#[test]
fn a_text_or_list_of_another_type_is_told() {
    for setting in SETTINGS {
        let (requirement, wrong) = match setting.kind {
            Kind::Text => ("must be a text", ["7", "[\"a\"]"]),
            Kind::List => ("must be a list of texts", ["\"a\"", "[1]"]),
            Kind::Integer { .. } | Kind::Boolean | Kind::Choice(_) => continue,
        };
        for value in wrong {
            let expected = format!("c.toml: {} = {value}: {requirement}", setting.path());
            assert_eq!(by_file(setting, value), expected);
        }
    }
}

#[test]
fn texts_that_cannot_be_used_are_told_with_what_would_be_right() {
    let long = "n".repeat(65);
    for (key, value, expected) in [
        (
            Key::NodeName,
            long.as_str(),
            "must be 1 to 64 bytes without control characters",
        ),
        (
            Key::NodeName,
            "a\tb",
            "must be 1 to 64 bytes without control characters",
        ),
        (
            Key::Listen,
            "::1,",
            "\"\" is not an IP address; write 192.0.2.1 or 2001:db8::1, without a port",
        ),
        (
            Key::Listen,
            "127.0.0.1:80",
            "\"127.0.0.1:80\" is not an IP address",
        ),
        (
            Key::CorsOrigins,
            "https://a.example/x",
            "\"https://a.example/x\" is not an origin",
        ),
        (
            Key::CongestionControl,
            "vegas",
            "this kernel does not offer it; available: reno cubic",
        ),
        (
            Key::SponsorName,
            long.as_str(),
            "must be 1 to 64 bytes without control characters",
        ),
        (
            Key::SponsorCity,
            "a\nb",
            "must be 1 to 64 bytes without control characters",
        ),
        (
            Key::SponsorCity,
            "Springfield",
            "needs sponsor_name: whose is it?",
        ),
        (
            Key::SponsorLink,
            "https://example.net",
            "needs sponsor_name: whose is it?",
        ),
        (
            Key::SponsorLink,
            "javascript:alert(1)",
            "must be an address that begins with http:// or https://",
        ),
        (
            Key::AccentColour,
            "blue",
            "must be a colour as #rrggbb, such as #1656c4",
        ),
        (Key::Logo, "none.png", "cannot be read: no such file"),
        (Key::Logo, "logo.gif", "must be a PNG, a WebP, or an SVG"),
    ] {
        let setting = Setting::of(key);
        let flag = by_flag(setting, value);
        let start = format!("--{} {value}: {expected}", setting.flag);
        assert!(flag.starts_with(&start), "{flag}");
    }
}

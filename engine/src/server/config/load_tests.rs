//! Configuration errors as a person reads them, and which source wins.

use super::super::effective_toml;
use super::*;

fn kernel() -> Kernel<'static> {
    Kernel {
        host_name: "node-one".to_owned(),
        cores: 4,
        offers_congestion_control: &|name| match name {
            "cubic" | "reno" => Ok(()),
            _ => Err("this kernel does not offer it; available: reno cubic".to_owned()),
        },
        read_file: &|path| match path.to_str() {
            Some("logo.png") => Ok(b"\x89PNG\r\n\x1a\n".to_vec()),
            _ => Err("cannot be read: no such file".to_owned()),
        },
    }
}

fn flags(pairs: &[(Key, &str)]) -> Sources {
    let mut sources = Sources::default();
    for (key, text) in pairs {
        sources.add_flag(*key, (*text).to_owned());
    }
    sources
}

fn error_of(sources: &Sources) -> String {
    load(sources, &kernel()).unwrap_err().to_string()
}

fn file_error(text: &str) -> String {
    let mut sources = Sources::default();
    match sources.add_toml("config.toml", text) {
        Ok(()) => error_of(&sources),
        Err(errors) => ConfigErrors(errors).to_string(),
    }
}

#[test]
fn nothing_given_is_a_valid_node() {
    let config = load(&Sources::default(), &kernel()).unwrap().config;
    assert_eq!((config.port, config.ping_port), (8000, 8005));
    assert_eq!(config.listen, Listen::DualStack);
    assert_eq!(config.node_name, "node-one");
    assert_eq!(config.loops.get(), 4);
    assert_eq!(config.cors_origins, CorsOrigins::Any);
    assert!(config.multiprocess);
    assert_eq!(config.limits.session_max_s.get(), 300);
    assert_eq!(Config::default().congestion_control, "cubic");
}

#[test]
fn a_flag_beats_the_environment_beats_the_file() {
    let mut sources = flags(&[(Key::Port, "1")]);
    sources.add_environment(|name| match name {
        "BUFFERBLOATD_PORT" | "BUFFERBLOATD_PING_PORT" => Some("2".to_owned()),
        "MAX_PROCESSES" => Some("3".to_owned()),
        "VH_ENABLE_MULTIPROCESS" => Some("FALSE".to_owned()),
        "TESTS_PER_PROCESS" => Some(String::new()),
        _ => None,
    });
    sources
        .add_toml(
            "c.toml",
            "port = 3\nping_port = 3\ncongestion_control = 'reno'\n[limits]\ntests_max = 7",
        )
        .unwrap();
    let config = load(&sources, &kernel()).unwrap().config;
    assert_eq!((config.port, config.ping_port), (1, 2));
    assert_eq!(config.processes_max.get(), 3);
    assert_eq!(config.tests_per_process.get(), 128);
    assert!(!config.multiprocess);
    assert_eq!(config.congestion_control, "reno");
    assert_eq!(config.limits.tests_max.get(), 7);
}

#[test]
fn a_wrong_value_is_told_with_its_source_and_range() {
    assert_eq!(
        error_of(&flags(&[(Key::Port, "99999")])),
        "--port 99999: must be 0 to 65535"
    );
    assert_eq!(
        error_of(&flags(&[(Key::Loops, "0")])),
        "--loops 0: must be 1 to 64"
    );
    let mut sources = Sources::default();
    sources.add_environment(|name| (name == "MAX_PROCESSES").then(|| "many".to_owned()));
    assert_eq!(error_of(&sources), "MAX_PROCESSES=many: must be 1 to 64");
    assert_eq!(
        file_error("[limits]\ntests_max = -1"),
        "config.toml: [limits] tests_max = -1: must be 1 to 1024"
    );
    assert_eq!(
        file_error("port = \"8000\""),
        "config.toml: port = \"8000\": must be 0 to 65535"
    );
    assert_eq!(
        file_error("[log]\nlevel = \"loud\""),
        "config.toml: [log] level = loud: must be one of error, warn, info, debug, trace"
    );
    assert_eq!(
        error_of(&flags(&[(Key::CongestionControl, "bbr9")])),
        "--congestion-control bbr9: this kernel does not offer it; available: reno cubic"
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let errors = error_of(&flags(&[
        (Key::Port, "x"),
        (Key::Multiprocess, "perhaps"),
        (Key::Listen, "localhost"),
    ]));
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(errors.contains("--multiprocess perhaps: must be true or false"));
    assert!(errors.contains("--listen localhost: \"localhost\" is not an IP address"));
}

#[test]
fn an_unknown_key_is_told_with_the_nearest() {
    assert_eq!(
        file_error("prot = 80"),
        "config.toml: prot: unknown key; did you mean port?"
    );
    assert_eq!(
        file_error("[limits]\ntest_max = 3"),
        "config.toml: [limits] test_max: unknown key; did you mean [limits] tests_max?"
    );
    assert_eq!(
        file_error("tests_max = 3"),
        "config.toml: tests_max: unknown key; did you mean [limits] tests_max?"
    );
    assert!(
        file_error("[zebra]\nx = 1")
            .starts_with("config.toml: [zebra]: unknown key; `bufferbloatd")
    );
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let error = file_error("port = 80\nping_port 81\n");
    assert!(
        error.starts_with("config.toml: not valid TOML in line 2: "),
        "{error}"
    );
    let mut sources = Sources::default();
    let errors = sources
        .add_file("/nonexistent/c.toml".as_ref())
        .unwrap_err();
    assert_eq!(
        ConfigErrors(errors).to_string(),
        "/nonexistent/c.toml: cannot be read: No such file or directory"
    );
}

#[test]
fn the_two_roles_cannot_share_a_port() {
    assert_eq!(
        error_of(&flags(&[(Key::Port, "8005")])),
        "--port 8005: is the port of the ping role already; they must differ"
    );
    let config = load(&flags(&[(Key::Port, "0"), (Key::PingPort, "0")]), &kernel());
    assert!(config.is_ok());
}

#[test]
fn addresses_and_origins_are_parsed() {
    let sources = flags(&[
        (Key::Listen, "127.0.0.1, [::1]"),
        (Key::CorsOrigins, "https://a.example,http://b.example:8080"),
    ]);
    let config = load(&sources, &kernel()).unwrap().config;
    let expected = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    assert_eq!(config.listen, Listen::Addresses(expected));
    assert_eq!(
        config.cors_origins,
        CorsOrigins::Listed(vec![
            "https://a.example".to_owned(),
            "http://b.example:8080".to_owned()
        ])
    );
    assert!(error_of(&flags(&[(Key::CorsOrigins, "example.net")])).contains("is not an origin"));
    assert!(error_of(&flags(&[(Key::Listen, "::1,::1")])).ends_with("::1 is there twice"));
}

#[test]
fn what_check_config_prints_can_be_given_back() {
    let mut sources = flags(&[(Key::Port, "81"), (Key::Listen, "127.0.0.1,::1")]);
    sources.add_environment(|name| (name == "VH_ENABLE_MULTIPROCESS").then(|| "no".to_owned()));
    sources
        .add_toml("c.toml", "[limits]\nflows_max = 9")
        .unwrap();
    let loaded = load(&sources, &kernel()).unwrap();
    let text = effective_toml(&loaded);
    assert!(
        text.lines()
            .any(|line| line.starts_with("port = 81 ") && line.ends_with("# --port")),
        "{text}"
    );
    assert!(text.contains("# VH_ENABLE_MULTIPROCESS"), "{text}");
    assert!(text.contains("# c.toml"), "{text}");
    let mut again = Sources::default();
    again.add_toml("effective", &text).unwrap();
    assert_eq!(load(&again, &kernel()).unwrap().config, loaded.config);
}

#[test]
fn a_configuration_survives_the_way_to_a_child() {
    let given = [(Key::Listen, "::1"), (Key::Logo, "logo.png")];
    let config = load(&flags(&given), &kernel()).unwrap().config;
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

#[test]
fn where_cubic_is_not_allowed_the_default_is_reno_and_an_explicit_cubic_is_refused() {
    let kernel = Kernel {
        offers_congestion_control: &|name| match name {
            "reno" | "bbr" => Ok(()),
            _ => Err("needs root".to_owned()),
        },
        ..kernel()
    };
    let loaded = load(&Sources::default(), &kernel).unwrap();
    assert_eq!(loaded.config.congestion_control, "reno");
    assert!(effective_toml(&loaded).contains("congestion_control = \"reno\""));
    let error = load(&flags(&[(Key::CongestionControl, "cubic")]), &kernel).unwrap_err();
    assert_eq!(error.to_string(), "--congestion-control cubic: needs root");
}

const MARIA: &str = r#"
[[profile]]
user_id = "maria"
name = "Maria"
activity = "Cloud gaming"
model = "gaming"

[[profile.flow]]
direction = "down"
rate_mbps = 20.0
pattern = "constant"
messages_per_second = 60
"#;

#[test]
fn a_profile_table_is_one_more_user_and_survives_check_config() {
    let mut sources = Sources::default();
    sources.add_toml("config.toml", MARIA).unwrap();
    let loaded = load(&sources, &kernel()).unwrap();
    let maria = &loaded.config.profiles[4];
    assert_eq!((maria.user_id.as_str(), maria.port), ("maria", Some(8006)));
    let text = effective_toml(&loaded);
    let mut again = Sources::default();
    again.add_toml("again.toml", &text).unwrap();
    let again = load(&again, &kernel()).unwrap();
    assert_eq!(again.config, loaded.config);
}

#[test]
fn a_faulty_profile_is_told_with_its_key_value_and_range() {
    let slow = MARIA.replace("20.0", "0.0");
    let error = file_error(&slow);
    assert!(
        error.starts_with("config.toml: profile \"maria\", flow 1: rate_mbps = 0: must be from"),
        "{error}"
    );
    let unknown = MARIA.replace("activity", "activty");
    let error = file_error(&unknown);
    assert!(
        error.starts_with("config.toml: profile \"maria\": unknown field `activty`"),
        "{error}"
    );
    assert_eq!(
        file_error("[profile]\nuser_id = \"x\""),
        "config.toml: profile: each profile is a table of its own that begins with [[profile]]"
    );
    assert_eq!(
        error_of(&flags(&[(Key::ProfilePorts, "65535")]))
            .lines()
            .next(),
        Some(
            "--profile-ports 65535: profile \"alex\": no port is left for it above profile_ports = 65535; begin lower"
        )
    );
}

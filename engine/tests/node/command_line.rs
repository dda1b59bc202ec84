//! What a person reads who gets the command line, the configuration or a port wrong.

use std::net::TcpListener;
use std::process::Stdio;

use crate::harness::{Node, daemon, run_to_end, texts};

#[test]
fn an_unknown_flag_is_told_with_the_nearest() {
    let (code, _, error) = run_to_end(&["--prot", "80"]);
    assert_eq!(code, 2);
    assert!(
        error.contains("unexpected argument '--prot'") && error.contains("'--port'"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_told_with_its_range() {
    for (arguments, expected) in [
        (["--port", "99999"], "--port 99999: must be 0 to 65535\n"),
        (["--tests-max", "-1"], "--tests-max -1: must be 1 to 1024\n"),
        (
            ["--multiprocess", "maybe"],
            "--multiprocess maybe: must be true or false\n",
        ),
    ] {
        let (code, _, error) = run_to_end(&arguments);
        assert_eq!((code, error.as_str()), (2, expected));
    }
    let output = daemon(&[]).env("TESTS_PER_PROCESS", "0").output().unwrap();
    let (code, _, error) = texts(&output);
    assert_eq!(
        (code, error.as_str()),
        (2, "TESTS_PER_PROCESS=0: must be 1 to 1024\n")
    );
}

#[test]
fn a_wrong_file_is_told_with_its_place() {
    let path = std::env::temp_dir().join(format!("bufferbloatd-cli-{}.toml", std::process::id()));
    let name = path.to_str().unwrap();
    for (text, expected) in [
        ("port = = 1", "not valid TOML in line 1"),
        (
            "[limits]\ntests_max = -1",
            "[limits] tests_max = -1: must be 1 to 1024",
        ),
        (
            "[limit]\ntests_max = 1",
            "[limit]: unknown key; did you mean [limits]?",
        ),
        (
            "node_nmae = \"x\"",
            "node_nmae: unknown key; did you mean node_name?",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        for arguments in [
            vec!["--config", name],
            vec!["check-config", "--config", name],
        ] {
            let (code, _, error) = run_to_end(&arguments);
            assert_eq!(code, 2);
            assert!(
                error.starts_with(name) && error.contains(expected),
                "{error}"
            );
        }
    }
    std::fs::remove_file(&path).unwrap();
    let (code, _, error) = run_to_end(&["--config", "/nonexistent.toml"]);
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "/nonexistent.toml: cannot be read: No such file or directory\n"
        )
    );
}

#[test]
fn check_config_prints_every_value_with_its_source() {
    let output = daemon(&["check-config", "--port", "81"])
        .env("MAX_PROCESSES", "3")
        .output()
        .unwrap();
    let (code, text, _) = texts(&output);
    assert_eq!(code, 0);
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
    };
    assert!(line("port = 81").ends_with("# --port"), "{text}");
    assert!(
        line("processes_max = 3").ends_with("# MAX_PROCESSES"),
        "{text}"
    );
    assert!(line("ping_port = 8005").ends_with("# default"), "{text}");
}

#[test]
fn a_port_in_use_is_told_before_anything_is_started() {
    let other = TcpListener::bind("[::]:0")
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    for (flag, spare) in [("--port", "--ping-port"), ("--ping-port", "--port")] {
        let (code, out, error) = run_to_end(&[flag, &port, spare, "0"]);
        assert_eq!(code, 1);
        assert_eq!(out, "");
        let expected = format!(
            "port {port}: already in use by another program; stop it or choose another with {flag}\n"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_second_node_on_the_same_port_refuses() {
    let node = Node::start(&[]);
    let port = node.main_port.to_string();
    let (code, _, error) = run_to_end(&["--port", &port, "--ping-port", "0"]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with(&format!("port {port}: already in use by another program")),
        "{error}"
    );
    assert_eq!(node.children().len(), 10);
}

#[test]
fn a_low_port_without_rights_is_told() {
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if start.is_ok_and(|start| start.trim().parse().is_ok_and(|start: u16| start <= 80)) {
        println!("skipped: this machine lets everybody use port 80");
        return;
    }
    // The build directory may be closed to others: nobody runs a copy.
    let copy = std::env::temp_dir().join(format!("bufferbloatd-copy-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_bufferbloatd"), &copy).unwrap();
    let output = std::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
        ])
        .arg(&copy)
        .args(["--port", "80", "--ping-port", "0"])
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output();
    std::fs::remove_file(&copy).unwrap();
    let output = match output {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).starts_with("setpriv:") => output,
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("skipped: this test cannot give up its rights: {reason}");
            return;
        }
        Err(error) => {
            println!("skipped: setpriv cannot be run: {error}");
            return;
        }
    };
    let (code, _, error) = texts(&output);
    let expected = "port 80: permission denied; run as root or grant CAP_NET_BIND_SERVICE";
    assert_eq!((code, error.lines().next()), (1, Some(expected)));
}

#[test]
fn a_handover_that_no_supervisor_made_is_told() {
    let output = daemon(&[])
        .env("BUFFERBLOATD_HANDOVER_FD", "77")
        .output()
        .unwrap();
    let (code, _, error) = texts(&output);
    assert_eq!(code, 1);
    assert!(error.contains("unset it"), "{error}");
}

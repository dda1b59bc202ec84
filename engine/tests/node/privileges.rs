//! What the processes of a node may still do: as which user, and in which sandbox.

use std::net::TcpListener;
use std::time::Duration;

use engine::runtime::sys::process::send_signal;

use crate::harness::{Node, PATIENCE, daemon, eventually, is_listening, run_to_end};

/// A field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// All threads of a process.
fn threads(pid: u32) -> Vec<u32> {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn every_thread_of_a_traffic_process_is_in_the_sandbox_and_the_supervisor_is_not() {
    let node = Node::start(&[]);
    for (pid, name) in node.children() {
        for thread in threads(pid) {
            eventually("the sandbox is closed", PATIENCE, || {
                status(thread, "Seccomp") == "2"
            });
            assert_eq!(status(thread, "NoNewPrivs"), "1", "{name}");
        }
    }
    assert_eq!(
        status(node.pid(), "NoNewPrivs"),
        status(std::process::id(), "NoNewPrivs")
    );
    assert!(
        !node.log_text().contains("sandbox is not complete"),
        "{}",
        node.log_text()
    );
}

#[test]
fn without_the_sandbox_the_node_runs_as_well_and_says_so() {
    let node = Node::start(&["--sandbox", "false"]);
    let main = node.child("main").unwrap();
    assert_eq!(
        status(main, "Seccomp"),
        status(std::process::id(), "Seccomp")
    );
    assert!(is_listening(node.main_port));
}

#[test]
fn a_user_that_cannot_be_become_is_told() {
    let ports = ["--port", "0", "--ping-port", "0"];
    let arguments = [&ports[..], &["--user", "no-such-user"]].concat();
    let (code, _, error) = run_to_end(&arguments);
    assert_eq!(code, 1);
    let expected =
        "--user no-such-user: there is no user of this name; make one with: useradd --system\n";
    assert_eq!(error, expected);
    let output = daemon(&["check-config", "--user", "a b"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.starts_with("--user a b: must be 1 to 32 letters"),
        "{error}"
    );
}

#[test]
fn root_opens_a_low_port_and_is_nobody_then() {
    let Some(port) = (600..1000).find(|port| TcpListener::bind(("::", *port)).is_ok()) else {
        println!("skipped: not root, or no port under 1024 is free");
        return;
    };
    if status(std::process::id(), "Uid") != "0 0 0 0" {
        println!("skipped: needs root");
        return;
    }
    // The build folder may be closed to others: what nobody runs, and starts anew at an upgrade, is a copy.
    let copy = std::env::temp_dir().join(format!("bufferbloatd-user-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_bufferbloatd"), &copy).unwrap();
    let port = port.to_string();
    let mut node = Node::start_program(&copy, &["--user", "nobody", "--profile-ports", &port]);
    let nobody = status(node.pid(), "Uid");
    assert!(
        !nobody.split(' ').any(|id| id == "0" || id.is_empty()),
        "{nobody}"
    );
    let everybody = |node: &Node| {
        for (pid, name) in node.children() {
            for field in ["Uid", "Gid"] {
                let ids = status(pid, field);
                assert!(
                    !ids.split(' ').any(|id| id == "0" || id.is_empty()),
                    "{name}: {ids}"
                );
            }
            assert_eq!(status(pid, "CapEff"), "0000000000000000", "{name}");
        }
    };
    everybody(&node);
    // What only root may set would silently be the kernel's own otherwise.
    let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
    let may_use_cubic = allowed.is_ok_and(|allowed| allowed.contains("cubic"));
    assert_eq!(
        node.log_text().contains("load does not use cubic"),
        !may_use_cubic
    );
    assert_eq!(node.port("jake").to_string(), port);
    // It goes on as before: a process is started again, the configuration read again, the program upgraded.
    send_signal(node.child("jake").unwrap(), libc::SIGKILL).unwrap();
    eventually("jake is back", PATIENCE, || node.times_ready("jake") == 2);
    node.signal(libc::SIGHUP);
    eventually("the configuration is read", PATIENCE, || {
        node.log_text().contains("nothing changed")
    });
    node.signal(libc::SIGRTMIN());
    eventually("the next version is ready", PATIENCE, || {
        node.times_ready("main") == 2
    });
    everybody(&node);
    assert!(is_listening(node.port("jake")));
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
    std::fs::remove_file(&copy).unwrap();
}

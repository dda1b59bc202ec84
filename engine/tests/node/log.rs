//! What the log says of tests, how it is turned up and down, and that a log which nobody reads stops nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use engine::runtime::sys::process::send_signal;
use serde_json::{Value, json};

use crate::harness::{Node, PATIENCE, daemon, eventually};
use crate::http::{get, send};

const ENDED: &str = "test ended";

/// Admits a test of one user: its id, and the field that proves that it is ours.
fn admit(port: u16) -> (String, String) {
    let request = json!({"mode": "single", "client": {"name": "a \"test\"\n", "version": "1"}});
    let path = ("POST", "/api/tests");
    let admission = send(port, path, &[], &request.to_string()).json();
    let text = |name: &str| admission[name].as_str().expect("a text").to_owned();
    (text("test_id"), format!("Bearer {}", text("token")))
}

/// Has a test begin and end, and waits until the log tells of it.
fn see_a_test_end(node: &Node) {
    let before = node.log_lines(ENDED).len();
    let (test, token) = admit(node.main_port);
    let path = format!("/api/tests/{test}");
    let authorization = [("Authorization", token.as_str())];
    let answer = send(node.main_port, ("DELETE", &path), &authorization, "");
    assert_eq!(answer.status, 200);
    eventually("the line is there", PATIENCE, || {
        node.log_lines(ENDED).len() > before
    });
}

/// Five seconds of baseline and ten of download with 20 ms more, 20 probes a second.
fn samples() -> Value {
    let probe = |number: u64| {
        let sent_us = number * 50_000;
        let rtt_us = if sent_us < 5_000_000 { 10_000 } else { 30_000 };
        json!({"sequence": number, "sent_us": sent_us, "received_us": sent_us + rtt_us})
    };
    json!({
        "mode": "single",
        "client": {"name": "web"},
        "started_at": "2026-01-01T00:00:00Z",
        "phases": [
            {"phase": "baseline", "start_us": 0, "end_us": 5_000_000},
            {"phase": "download", "start_us": 5_000_000, "end_us": 15_000_000},
        ],
        "probes": (0..300).map(probe).collect::<Vec<_>>(),
        "listened_until_us": 15_100_000,
        "probe_transport": "ping_role",
        "goodput": [{"at_us": 14_000_000, "direction": "down", "bytes": 1_000_000}],
    })
}

#[test]
fn a_test_has_one_line_with_its_figures_and_no_address() {
    let mut node = Node::start(&[]);
    let port = node.main_port;
    let (reported, token) = admit(port);
    let path = format!("/api/tests/{reported}/report");
    let authorization = [("Authorization", token.as_str())];
    let body = samples().to_string();
    for _ in 0..2 {
        let answer = send(port, ("POST", &path), &authorization, &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let (stopped, token) = admit(port);
    let path = format!("/api/tests/{stopped}");
    let authorization = [("Authorization", token.as_str())];
    assert_eq!(
        send(port, ("DELETE", &path), &authorization, "").status,
        200
    );
    let (cut_off, _) = admit(port);
    let metrics = get(port, "/metrics").body;
    for line in [
        "bufferbloatd_tests_ended_total{outcome=\"reported\"} 1",
        "bufferbloatd_tests_ended_total{outcome=\"stopped\"} 1",
        "bufferbloatd_tests_graded_total{grade=\"A\"} 1",
        "bufferbloatd_tests_graded_total{grade=\"F\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
    let lines = node.log_lines(ENDED);
    let outcomes: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (text(line, "test_id"), text(line, "outcome")))
        .collect();
    assert_eq!(
        outcomes,
        [
            (reported.as_str(), "reported"),
            (stopped.as_str(), "stopped"),
            (cut_off.as_str(), "shutdown")
        ]
    );
    let line = &lines[0];
    assert_eq!(text(line, "grade"), "A");
    assert_eq!(text(line, "mode"), "single");
    assert_eq!(text(line, "client"), "a \"test\"\n");
    assert_eq!(line["download_increase_ms"], 20.0);
    assert_eq!(line["idle_latency_ms"], 10.0);
    assert_eq!(line["duration_s"], 15.0);
    assert!(line["goodput_down_mbps"].is_number());
    assert!(line.get("upload_increase_ms").is_none());
    assert!(lines.iter().all(|line| line.get("address").is_none()));
    assert!(!node.log_text().contains("127.0.0.1"));
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

#[test]
fn an_address_is_logged_as_far_as_the_operator_asked() {
    for (how, address) in [("truncated", "127.0.0.0"), ("full", "127.0.0.1")] {
        let node = Node::start(&["--log-addresses", how]);
        see_a_test_end(&node);
        assert_eq!(text(&node.log_lines(ENDED)[0], "address"), address);
    }
}

#[test]
fn signals_turn_the_log_of_every_process_up_and_down() {
    // One loop: what happens on an earlier connection is logged before what a later one brings.
    let node = Node::start(&["--loops", "1"]);
    let closed = "connection closed";
    let is_logged = |port: u16, role: &str| {
        get(port, "/health");
        let lines = node.log_lines(closed);
        lines.iter().any(|line| text(line, "role") == role)
    };
    assert!(!is_logged(node.main_port, "main"));
    node.signal(libc::SIGUSR1);
    for (port, role) in [(node.main_port, "main"), (node.ping_port, "ping")] {
        eventually("it says more", PATIENCE, || is_logged(port, role));
    }
    node.signal(libc::SIGUSR2);
    eventually("the supervisor has heard it", PATIENCE, || {
        node.log_lines("log level set").len() == 2
    });
    // A tick later main has, too: the end of a test is told still, the ends of the connections before it no more.
    eventually("it says less", PATIENCE, || {
        let before = node.log_lines(closed).len();
        get(node.main_port, "/health");
        see_a_test_end(&node);
        node.log_lines(closed).len() == before
    });
    let children = node.children();
    for (pid, _) in &children {
        send_signal(*pid, libc::SIGUSR1).unwrap();
        send_signal(*pid, libc::SIGUSR2).unwrap();
    }
    assert_eq!(get(node.main_port, "/health").status, 200);
    assert_eq!(node.children(), children);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_its_lines_are_counted() {
    let arguments = ["--port", "0", "--ping-port", "0", "--log-level", "debug"];
    let mut supervisor = daemon(&arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let unread = supervisor.stderr.take().expect("a pipe");
    let mut line = String::new();
    let mut stdout = BufReader::new(supervisor.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("readable output");
    let port = line
        .split_once("/ (")
        .and_then(|(address, _)| address.rsplit(':').next())
        .and_then(|port| port.parse::<u16>().ok())
        .expect("a port");
    let dropped = |process: &str| {
        let metrics = get(port, "/metrics").body;
        let name = format!("bufferbloatd_log_lines_dropped_total{{process=\"{process}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|count| count.parse::<u64>().ok())
            .expect("a counter")
    };
    assert_eq!((dropped("main"), dropped("supervisor")), (0, 0));
    // One line for each connection that ends: the pipe is full, then the queue, and then lines are dropped.
    eventually("lines are dropped", 2 * PATIENCE, || {
        for _ in 0..500 {
            assert_eq!(get(port, "/ping").status, 200);
        }
        dropped("main") > 0
    });
    // And at least one for each time that it reads the configuration again.
    eventually("the supervisor's, too", 2 * PATIENCE, || {
        for _ in 0..10_000 {
            send_signal(supervisor.id(), libc::SIGHUP).expect("may signal its own child");
        }
        dropped("supervisor") > 0
    });
    assert_eq!(get(port, "/health").json()["status"], "ok");
    send_signal(supervisor.id(), libc::SIGTERM).expect("may signal its own child");
    eventually("it ends all the same", Duration::from_secs(8), || {
        supervisor.try_wait().expect("a child").is_some()
    });
    drop(unread);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("readable output");
}

#[test]
fn a_full_standard_output_stops_nothing() {
    let (unread, mut full) = std::io::pipe().expect("a pipe");
    // As much as a pipe holds.
    full.write_all(&[b'x'; 65_536]).expect("room in the pipe");
    let name = format!("bufferbloatd-test-full-{}.json", std::process::id());
    let ports_file = std::env::temp_dir().join(name);
    let ports_path = ports_file.to_str().expect("a path in UTF-8");
    let arguments = [
        "--port",
        "0",
        "--ping-port",
        "0",
        "--ports-file",
        ports_path,
    ];
    let mut supervisor = daemon(&arguments)
        .stdout(full)
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon starts");
    let ports = || {
        let text = std::fs::read_to_string(&ports_file).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    eventually("it is ready", PATIENCE, || ports().is_some());
    let port = ports().and_then(|ports| ports["ports"][0]["port"].as_u64());
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .expect("a port");
    let ping = || {
        let processes = get(port, "/virtual-household/process-health").json();
        let processes = processes["processes"].as_array().cloned();
        let found = processes
            .unwrap_or_default()
            .into_iter()
            .find(|process| process["role"] == "ping");
        found.unwrap_or_default()
    };
    let pid = ping()["pid"].as_u64().expect("a process");
    let pid = u32::try_from(pid).expect("a process number");
    send_signal(pid, libc::SIGKILL).expect("may signal its own child");
    eventually("the supervisor is at work", PATIENCE, || {
        ping()["restarts"] == 1
    });
    send_signal(supervisor.id(), libc::SIGTERM).expect("may signal its own child");
    eventually("it ends", Duration::from_secs(8), || {
        supervisor.try_wait().expect("a child").is_some()
    });
    drop(unread);
}

//! The real client against the real node, and against what is no node. The daemon is the workspace's own: another package's
//! binary, so it is looked for beside this test's and built once where it is missing.

mod harness;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use engine::runtime::sys::process::send_signal;
use harness::{Node, client, finish, run};

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;

#[test]
fn a_test_gives_the_report_as_json_and_a_picture() {
    let node = Node::start(&[]);
    let picture = std::env::temp_dir().join(format!("bufferbloat-{}.svg", std::process::id()));
    let picture_path = picture.to_str().expect("a path of ours");
    let (code, stdout, stderr) = run(&[
        "test",
        &node.url,
        "--duration",
        "4",
        "--json",
        "--svg",
        picture_path,
    ]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    for phase in ["download", "upload", "bidirectional"] {
        assert!(
            report["phases"][phase]["latency_increase_ms"].is_number(),
            "{phase}: {stdout}"
        );
    }
    let mbps = |phase: &str, way: &str| report["phases"][phase][way].as_f64().unwrap_or(0.0);
    // Loopback carries gigabits; what is asked is that both directions were loaded at all.
    assert!(mbps("download", "goodput_down_mbps") > 1.0, "{stdout}");
    assert!(mbps("upload", "goodput_up_mbps") > 1.0, "{stdout}");
    assert_eq!(report["probe_transport"], "ping_role");
    assert_eq!(report["mode"], "single");
    assert!(report.get("partial").is_none());
    // What only the node knows: it has counted the flows.
    assert!(
        report["node"]["flows"]
            .as_array()
            .is_some_and(|flows| flows.len() >= 12),
        "{stdout}"
    );
    assert!(!stdout.contains('\u{1b}') && stderr.is_empty(), "{stderr}");
    let drawn = std::fs::read_to_string(&picture).expect("a picture");
    assert!(drawn.starts_with("<svg") && drawn.contains(r#"<path class="latency""#));
    let _ = std::fs::remove_file(picture);
}

#[test]
fn ctrl_c_keeps_and_marks_what_was_measured() {
    let node = Node::start(&[]);
    let child = client(&["test", &node.url, "--duration", "20", "--json"])
        .spawn()
        .expect("starts");
    // The idle phase lasts 2.5 s of these 20: it is over, and the download is not.
    std::thread::sleep(Duration::from_secs(5));
    send_signal(child.id(), SIGINT).expect("a child of ours");
    let (code, stdout, _) = finish(child);
    assert_eq!(code, 130);
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["partial"]["code"], "interrupted");
    assert!(report["idle_latency_ms"].is_number());
    assert!(report["phases"]["upload"].is_null());
    let reasons = report["confidence"]["reasons"].to_string();
    assert!(reasons.contains("incomplete"), "{reasons}");
}

#[test]
fn a_node_that_dies_leaves_a_partial_result() {
    let mut node = Node::start(&[]);
    let child = client(&["test", &node.url, "--duration", "20"])
        .spawn()
        .expect("starts");
    std::thread::sleep(Duration::from_secs(5));
    node.signal(SIGKILL);
    node.wait();
    let (code, stdout, _) = finish(child);
    assert_eq!(code, 7, "{stdout}");
    assert!(
        stdout.starts_with("Partial result: the connection to the node was lost"),
        "{stdout}"
    );
    assert!(stdout.contains("\nidle "), "{stdout}");
}

#[test]
fn a_full_node_is_told_apart_from_one_that_does_not_answer() {
    let node = Node::start(&["--tests-max", "1"]);
    let mut first = client(&["test", &node.url]).spawn().expect("starts");
    std::thread::sleep(Duration::from_secs(1));
    let (code, stdout, stderr) = run(&["test", &node.url]);
    first.kill().expect("a child of ours");
    first.wait().expect("a child to wait for");
    assert_eq!((code, stdout.as_str()), (5, ""), "{stderr}");
    assert!(stderr.contains("the node refuses: "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn nobody_there_is_said_in_one_line() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    for command in ["test", "ping"] {
        let (code, stdout, stderr) = run(&[command, &url]);
        assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
        assert!(
            stderr.contains("no node answers at") && stderr.contains("connection refused"),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn another_web_server_is_no_node() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n");
        let _ = stream.read(&mut request);
    });
    let (code, _, stderr) = run(&["test", &url]);
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("is no node: it answers with status 404"),
        "{stderr}"
    );
    server.join().expect("it ends with its client");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [
        &["test", "ftp://127.0.0.1"][..],
        &["test"],
        &["test", "http://127.0.0.1", "--min-grade", "E"],
        &["test", "http://127.0.0.1", "-4", "-6"],
        &["test", "http://127.0.0.1", "--json", "--csv"],
        &["ping", "http://127.0.0.1", "-i", "0"],
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_family_without_an_address_is_no_answer() {
    let (code, _, stderr) = run(&["test", "http://127.0.0.1:1", "-6"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("no IPv6 address"), "{stderr}");
}

#[test]
fn ping_prints_a_line_for_each_answer_and_a_summary() {
    let node = Node::start(&[]);
    let (code, stdout, stderr) = run(&["ping", &node.url, "-c", "5", "-i", "0.05"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        stdout
            .lines()
            .filter(|line| line.starts_with("seq="))
            .count(),
        5,
        "{stdout}"
    );
    assert!(
        stdout.contains("5 probes sent, 5 answered, 0.0 % lost"),
        "{stdout}"
    );
    assert!(stdout.contains("min/median/p95/p99/max = "), "{stdout}");
}

#[test]
fn ctrl_c_ends_ping_with_its_summary() {
    let node = Node::start(&[]);
    let child = client(&["ping", &node.url, "-i", "0.05", "-q"])
        .spawn()
        .expect("starts");
    std::thread::sleep(Duration::from_secs(2));
    send_signal(child.id(), SIGINT).expect("a child of ours");
    let (code, stdout, _) = finish(child);
    assert_eq!(code, 0, "{stdout}");
    assert!(
        stdout.contains(" probes sent, ") && stdout.contains("jitter = "),
        "{stdout}"
    );
}

#[test]
fn the_manual_and_the_completions_know_every_command() {
    let (code, manual, _) = run(&["man"]);
    assert_eq!(code, 0);
    for word in [
        ".TH bufferbloat",
        ".SH TEST",
        ".SH PING",
        "min\\-grade",
        "Exit codes",
    ] {
        assert!(manual.contains(word), "{word}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, completions, _) = run(&["completions", shell]);
        assert!(code == 0 && completions.contains("min-grade"), "{shell}");
    }
}

#[test]
fn a_doubtful_result_has_a_code_of_its_own_when_asked_for() {
    let node = Node::start(&[]);
    // So short a test never has enough probes to be sure.
    let (code, csv, _) = run(&["test", &node.url, "--duration", "4", "--csv", "--strict"]);
    assert_eq!(code, 6, "{csv}");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.starts_with("started_at,"), "{csv}");
    let (code, table, _) = run(&["test", &node.url, "--duration", "4", "--min-grade", "f"]);
    assert_eq!(code, 0, "{table}");
    assert!(
        table.contains("Grade ") && !table.contains('\u{1b}'),
        "{table}"
    );
}

//! The real client against the real node, and against what is no node. The daemon is the workspace's own: another package's
//! binary, so it is looked for beside this test's and built once where it is missing.

mod fake_node;
mod harness;
mod household;

use engine::runtime::sys::process::send_signal;
use fake_node::FakeNode;
use harness::{Node, client, daemon, finish, first_lines, run};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

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
    // The idle phase is over, and the download has begun.
    node.wait_until(|stats| stats.total.flows_down > 0);
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
    node.wait_until(|stats| stats.total.flows_down > 0);
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
    node.wait_until(|stats| stats.tests == 1);
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
        &["test", "http://127.0.0.1", "--demand", "standard"],
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
    let (code, stdout, _) = run(&["ping", &node.url, "-c", "2", "-i", "0.05", "-q"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(!stdout.contains("seq="), "{stdout}");
    assert!(stdout.contains("2 probes sent, 2 answered"), "{stdout}");
}

#[test]
fn ctrl_c_ends_ping_with_its_summary() {
    let node = Node::start(&[]);
    let mut child = client(&["ping", &node.url, "-i", "0.05"])
        .spawn()
        .expect("starts");
    // What it probes, and two answers: jitter needs two.
    let (lines, mut rest) = first_lines(&mut child, 3);
    assert!(lines[2].starts_with("seq=1 "), "{lines:?}");
    send_signal(child.id(), SIGINT).expect("a child of ours");
    let (code, _, stderr) = finish(child);
    assert_eq!(code, 0, "{stderr}");
    let mut stdout = String::new();
    rest.read_to_string(&mut stdout).expect("text");
    assert!(
        stdout.contains(" probes sent, ") && stdout.contains("jitter = "),
        "{stdout}"
    );
}

#[test]
fn ping_says_that_the_node_was_lost() {
    let mut node = Node::start(&[]);
    let mut child = client(&["ping", &node.url, "-i", "0.05"])
        .spawn()
        .expect("starts");
    let (_, mut rest) = first_lines(&mut child, 2);
    node.signal(SIGKILL);
    node.wait();
    let (code, _, stderr) = finish(child);
    assert_eq!(code, 7, "{stderr}");
    assert!(
        stderr.contains("the connection to the node was lost"),
        "{stderr}"
    );
    let mut stdout = String::new();
    rest.read_to_string(&mut stdout).expect("text");
    assert!(stdout.contains(" probes sent, "), "{stdout}");
}

#[test]
fn ping_ends_when_nobody_reads_it() {
    let node = Node::start(&[]);
    let mut child = client(&["ping", &node.url, "-i", "0.05"])
        .spawn()
        .expect("starts");
    drop(first_lines(&mut child, 2));
    let (code, _, stderr) = finish(child);
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn repeated_tests_are_lines_below_one_line_of_names_until_ctrl_c() {
    let node = Node::start(&[]);
    let mut child = client(&[
        "test",
        &node.url,
        "--duration",
        "4",
        "--csv",
        "--repeat",
        "0",
        "--interval",
        "4",
    ])
    .spawn()
    .expect("starts");
    let (lines, _rest) = first_lines(&mut child, 3);
    assert!(lines[0].starts_with("started_at,"), "{lines:?}");
    for line in &lines[1..] {
        assert!(line.starts_with("20"), "{lines:?}");
    }
    send_signal(child.id(), SIGINT).expect("a child of ours");
    let (code, _, stderr) = finish(child);
    assert_eq!(code, 130, "{stderr}");
}

#[test]
fn a_grade_worse_than_wanted_has_its_own_code() {
    let node = FakeNode::start();
    let test = |min_grade| {
        run(&[
            "test",
            &node.url,
            "--duration",
            "4",
            "--min-grade",
            min_grade,
        ])
    };
    let (code, table, stderr) = test("C");
    assert_eq!(code, 3, "{table}{stderr}");
    assert!(table.contains("Grade D"), "{table}");
    let (code, table, stderr) = test("D");
    assert_eq!(code, 0, "{table}{stderr}");
}

#[test]
fn bind_is_where_connections_come_from() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = std::thread::spawn(move || listener.accept().expect("a client").1);
    // Every address of 127/8 is this machine's.
    let (code, _, stderr) = run(&["test", &url, "--bind", "127.0.0.2"]);
    assert_eq!(code, 4, "{stderr}");
    let from = server.join().expect("it ends with its client");
    assert_eq!(from.ip().to_string(), "127.0.0.2");
    // An address of documentation (RFC 5737) is nobody's.
    let (code, _, stderr) = run(&["test", &url, "--bind", "192.0.2.1"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("--bind names no address of this machine"),
        "{stderr}"
    );
}

#[test]
fn no_color_wins() {
    let fault = |name: &str| {
        let mut command = client(&["test", "http://127.0.0.1:1", "-6"]);
        command.env("CLICOLOR_FORCE", "1").env(name, "1");
        finish(command.spawn().expect("starts")).2
    };
    assert!(fault("NAME").contains('\u{1b}'));
    assert!(!fault("NO_COLOR").contains('\u{1b}'));
}

#[test]
fn a_certificate_that_proves_nothing_is_told_apart_from_no_tls() {
    let folder = std::env::temp_dir().join(format!("bufferbloat-tls-{}", std::process::id()));
    let made = daemon()
        .arg("make-test-certificate")
        .arg(&folder)
        .status()
        .expect("starts");
    assert!(made.success());
    let path = |name: &str| {
        folder
            .join(name)
            .to_str()
            .expect("a path of ours")
            .to_owned()
    };
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let node = Node::start(&["--ssl-certfile", &certificate, "--ssl-keyfile", &key]);
    let (code, _, stderr) = run(&["ping", &node.url, "-c", "1"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("--insecure goes on anyway"), "{stderr}");
    let (code, stdout, stderr) = run(&["ping", &node.url, "-c", "1", "--insecure"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, _, stderr) = run(&["ping", &node.url.replace("https", "http"), "-c", "1"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("should it be https://?"), "{stderr}");
    let plain = Node::start(&[]);
    let (code, _, stderr) = run(&["ping", &plain.url.replace("http", "https"), "-c", "1"]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("should it be http://?"), "{stderr}");
    let _ = std::fs::remove_dir_all(folder);
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
        "household",
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

#[test]
fn a_result_for_people_names_the_host_and_one_for_programs_does_not() {
    let node = Node::start(&[
        "--sponsor-name",
        "Example Net",
        "--sponsor-city",
        "Springfield",
    ]);
    let (code, table, stderr) = run(&["test", &node.url, "--duration", "4"]);
    assert_eq!(code, 0, "{stderr}");
    let host = "Hosted by Example Net, Springfield";
    assert!(table.lines().any(|line| line == host), "{table}");
    for form in ["--json", "--csv"] {
        let (code, text, stderr) = run(&["test", &node.url, "--duration", "4", form]);
        assert_eq!(code, 0, "{stderr}");
        assert!(!text.contains("Example Net"), "{text}");
    }
}

//! SIGHUP: what a running node changes by its file, what it says of the rest, and that nobody is cut off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::harness::{Node, PATIENCE, eventually};

/// A configuration file of one test, gone when the test is over.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("bufferbloatd-{name}-{}.toml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A whole answer on a connection of its own.
fn request(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn is_told(node: &Node, key: &str, message: &str) -> bool {
    let key = format!("\"key\":\"{key}\"");
    let message = format!("\"message\":\"{message}\"");
    node.log_text()
        .lines()
        .any(|line| line.contains(&key) && line.contains(&message))
}

#[test]
fn a_reload_changes_what_can_be_changed_and_names_what_needs_a_restart() {
    let file = File::new("reload", "node_name = \"before\"\n");
    let node = Node::start(&["--config", file.name()]);
    let children = node.children();
    assert!(request(node.main_port, "GET", "/metrics", "").contains("node=\"before\""));
    // A transfer that is under way during the reload.
    let mut download = TcpStream::connect(("127.0.0.1", node.main_port)).unwrap();
    download
        .write_all(
            b"GET /download?bytes=200000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut first = [0; 1];
    download.read_exact(&mut first).unwrap();
    file.write("node_name = \"after\"\nloops = 7\n[limits]\ntests_max = 1\n");
    node.signal(libc::SIGHUP);
    // Each loop hears of it by itself, and the kernel chooses the loop of a connection.
    eventually("the new name is in force in every loop", PATIENCE, || {
        (0..20).all(|_| request(node.main_port, "GET", "/metrics", "").contains("node=\"after\""))
    });
    assert!(is_told(&node, "node_name", "changed"));
    assert!(is_told(&node, "[limits] tests_max", "changed"));
    assert!(is_told(&node, "loops", "takes effect at a restart"));
    let body = r#"{"mode":"single","client":{"name":"test"}}"#;
    let admit = || request(node.main_port, "POST", "/api/tests", body);
    let (first, second) = (admit(), admit());
    assert!(first.starts_with("HTTP/1.1 201 "), "{first}");
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 200_000_000);
    assert_eq!(node.children(), children);
}

#[test]
fn a_process_that_is_started_after_a_reload_has_what_the_reload_brought() {
    let file = File::new("reload-restart", "node_name = \"before\"\n");
    let node = Node::start(&["--config", file.name()]);
    file.write("node_name = \"after\"\n");
    node.signal(libc::SIGHUP);
    eventually("the change is told", PATIENCE, || {
        is_told(&node, "node_name", "changed")
    });
    engine::runtime::sys::process::send_signal(node.child("main").unwrap(), libc::SIGKILL).unwrap();
    eventually("main is back", PATIENCE, || node.times_ready("main") == 2);
    assert!(request(node.main_port, "GET", "/metrics", "").contains("node=\"after\""));
}

#[test]
fn a_faulty_file_changes_nothing_and_is_told() {
    let file = File::new("reload-fault", "[limits]\ntests_max = 5\n");
    let node = Node::start(&["--config", file.name()]);
    let children = node.children();
    file.write("node_name = \"other\"\n[limits]\ntests_max = 0\n");
    node.signal(libc::SIGHUP);
    eventually("the fault is told", PATIENCE, || {
        node.log_text().contains("tests_max = 0: must be 1 to 1024")
    });
    assert!(!node.log_text().contains("changed"));
    assert_eq!(node.children(), children);
    // The same signal with a good file is heard again.
    file.write("[limits]\ntests_max = 5\n");
    node.signal(libc::SIGHUP);
    eventually("nothing changed", PATIENCE, || {
        node.log_text().contains("nothing changed")
    });
}

#[test]
fn the_log_level_changes_in_every_process() {
    let file = File::new("reload-log", "[log]\nlevel = \"info\"\n");
    let node = Node::start(&["--config", file.name()]);
    file.write("[log]\nlevel = \"error\"\n");
    node.signal(libc::SIGHUP);
    eventually("it is told", PATIENCE, || {
        is_told(&node, "[log] level", "changed")
    });
    // The supervisor's own line about the end of a child is a warning: it is not written any more.
    engine::runtime::sys::process::send_signal(node.child("ping").unwrap(), libc::SIGKILL).unwrap();
    eventually("ping is back", PATIENCE, || node.child("ping").is_some());
    assert!(!node.log_text().contains("ended unasked"));
}

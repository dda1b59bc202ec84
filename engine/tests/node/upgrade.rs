//! Another version of the program, sockets from a service manager, and what that is told: clients that keep on coming are
//! never refused.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::harness::{Node, PATIENCE, daemon, eventually};
use crate::tls_client::{Authority, connect, get, is_resumed};

/// A client that asks for `/ping` on a connection of its own each time, until it is told to stop.
/// A refused or reset connection is a panic of its thread.
struct Customer {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Customer {
    fn of(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicU32::new(0));
        let (told, counted) = (Arc::clone(&stop), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                ask(port);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            answers,
            thread,
        }
    }

    /// Waits until some more of its requests were answered.
    fn go_on(&self) {
        let answers = || self.answers.load(Ordering::Relaxed);
        let before = answers();
        eventually("the customer is served", PATIENCE, || {
            assert!(!self.thread.is_finished(), "the customer was refused");
            answers() >= before + 10
        });
    }

    fn leave(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("nobody was refused");
    }
}

fn ask(port: u16) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("not refused");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("not reset");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("not reset");
    assert!(answer.ends_with("pong"), "{answer:?}");
}

#[test]
fn an_upgrade_refuses_nobody_and_keeps_process_and_ports() {
    let mut node = Node::start(&[]);
    let before = node.children();
    let customers = [node.main_port, node.ping_port].map(Customer::of);
    customers.iter().for_each(Customer::go_on);
    for times in 2..=3 {
        node.signal(libc::SIGRTMIN());
        eventually("the next version is ready", PATIENCE, || {
            node.times_ready("main") == times && node.times_ready("ping") == times
        });
        customers.iter().for_each(Customer::go_on);
    }
    customers.into_iter().for_each(Customer::leave);
    let after = node.children();
    assert_eq!(after.len(), before.len());
    assert!(after.iter().all(|child| !before.contains(child)));
    // The same roles at the same ports, behind the same process: its parent did not lose it.
    let names = |children: &[(u32, String)]| {
        let mut names: Vec<String> = children.iter().map(|(_, name)| name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&after), names(&before));
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
}

#[test]
fn a_tls_session_is_resumed_by_every_later_version() {
    let authority = Authority::new();
    let flags = authority.write(&authority.issue(2020, 2090));
    let node = Node::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let config = authority.any_client();
    let mut first = connect(&config, node.main_port).expect("a handshake");
    assert!(!is_resumed(&first));
    get(&mut first, "/ping");
    for times in 2..=3 {
        node.signal(libc::SIGRTMIN());
        eventually("the next version is ready", PATIENCE, || {
            node.times_ready("main") == times && node.times_ready("ping") == times
        });
        for port in [node.main_port, node.ping_port] {
            let mut stream = connect(&config, port).expect("a handshake");
            assert!(is_resumed(&stream), "port {port}, version {times}");
            get(&mut stream, "/ping");
        }
    }
}

#[test]
fn a_new_version_that_cannot_start_leaves_the_old_one_in_place() {
    // A copy that can be replaced.
    let copy = std::env::temp_dir().join(format!("bufferbloatd-upgrade-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_bufferbloatd"), &copy).unwrap();
    let node = Node::start_program(&copy, &[]);
    let before = node.children();
    let broken = copy.with_extension("broken");
    std::fs::write(&broken, "#!/bin/sh\nexit 3\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&broken, mode).unwrap();
    std::fs::rename(&broken, &copy).unwrap();
    node.signal(libc::SIGRTMIN());
    eventually("the fault is told", PATIENCE, || {
        node.log_text().contains("not upgraded")
    });
    assert!(node.log_text().contains("does not take its configuration"));
    assert_eq!(node.children(), before);
    ask(node.main_port);
    std::fs::remove_file(&copy).unwrap();
}

/// Starts a node as a service manager does, with this socket as descriptor 3.
fn start_with_socket(listener: &TcpListener, arguments: &[&str]) -> std::process::Child {
    let daemon = daemon(arguments);
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    // The shell's number is that of the program that it becomes.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    Command::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .env("BUFFERBLOATD_CONFIG", "")
        .stdin(socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_until_ready(node: &mut std::process::Child) -> String {
    let mut line = String::new();
    let stdout = node.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    line
}

#[test]
fn a_socket_of_the_service_manager_outlives_the_node_and_refuses_nobody() {
    let listener = TcpListener::bind("[::]:0")
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = port.to_string();
    let arguments = [
        "--port",
        &text,
        "--ping-port",
        "0",
        "--profile-ports",
        "0",
        "--loops",
        "3",
    ];
    let mut node = start_with_socket(&listener, &arguments);
    let ready = wait_until_ready(&mut node);
    assert!(
        ready.starts_with(&format!("Ready: http://localhost:{port}/")),
        "{ready}"
    );
    let customer = Customer::of(port);
    for _ in 0..2 {
        customer.go_on();
        engine::runtime::sys::process::send_signal(node.id(), libc::SIGTERM).unwrap();
        node.wait().unwrap();
        node = start_with_socket(&listener, &arguments);
        wait_until_ready(&mut node);
    }
    customer.go_on();
    customer.leave();
    engine::runtime::sys::process::send_signal(node.id(), libc::SIGTERM).unwrap();
    assert_eq!(node.wait().unwrap().code(), Some(0));
}

/// The next message of a node to its service manager that contains `part`.
fn expect_told(manager: &UnixDatagram, part: &str) -> String {
    let mut heard = Vec::new();
    loop {
        let mut message = [0; 4096];
        let length = manager
            .recv(&mut message)
            .unwrap_or_else(|error| panic!("{part} was not told ({error}), but {heard:?}"));
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        if message.contains(part) {
            return message;
        }
        heard.push(message);
    }
}

#[test]
fn a_service_manager_is_told_when_the_node_is_ready_alive_and_stops() {
    let path = std::env::temp_dir().join(format!("bufferbloatd-notify-{}", std::process::id()));
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut node = daemon(&["--port", "0", "--ping-port", "0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let kept = expect_told(&manager, "FDSTORE=1");
    assert!(kept.contains("FDNAME=main-"), "{kept}");
    let ready = expect_told(&manager, "READY=1");
    assert!(ready.contains("STATUS=Serving main :"), "{ready}");
    for _ in 0..2 {
        expect_told(&manager, "WATCHDOG=1");
    }
    engine::runtime::sys::process::send_signal(node.id(), libc::SIGHUP).unwrap();
    expect_told(&manager, "RELOADING=1");
    expect_told(&manager, "READY=1");
    engine::runtime::sys::process::send_signal(node.id(), libc::SIGTERM).unwrap();
    expect_told(&manager, "STOPPING=1");
    assert_eq!(node.wait().unwrap().code(), Some(0));
    std::fs::remove_file(&path).unwrap();
}

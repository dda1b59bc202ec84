//! Certificates that the node gets by itself, from an authority that looks: the first one, its renewal under load, and what
//! becomes of everything that can fail.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::runtime::sys::process::send_signal;
use rcgen::{CertificateParams, KeyPair};

use crate::harness::{Node, PATIENCE, daemon, eventually, run_to_end};
use crate::pebble::{Folder, Pebble, free_port};
use crate::tls_client::{Stream, client_of, connect, get};
use crate::unproven::Unproven;

/// A node for `names` with all that it needs to know, which keeps what it gets in `folder`.
pub(crate) fn start(names: &str, folder: &Folder, more: &[String]) -> Node {
    let storage = folder.path("acme");
    let flags = [
        "--acme",
        names,
        "--acme-storage",
        &storage,
        "--profile-ports",
        "0",
    ];
    let flags: Vec<&str> = flags
        .into_iter()
        .chain(more.iter().map(String::as_str))
        .collect();
    Node::start(&flags)
}

/// For a node on `port` whose authority would be at `nobody`.
fn asking(nobody: u16, port: u16) -> Vec<String> {
    flags(&[
        "--port",
        &port.to_string(),
        "--http-redirect-port",
        "0",
        "--acme-directory",
        &format!("https://localhost:{nobody}/"),
    ])
}

fn flags(list: &[&str]) -> Vec<String> {
    list.iter().map(|flag| (*flag).to_owned()).collect()
}

/// What `/health` says, over the node's own TLS whoever signed it, and with which status.
fn health(port: u16) -> (bool, serde_json::Value) {
    let url = format!("https://127.0.0.1:{port}/health");
    let curl = [
        "--silent",
        "--insecure",
        "--max-time",
        "10",
        "--write-out",
        "\n%{http_code}",
    ];
    let output = std::process::Command::new("curl")
        .args(curl)
        .arg(url)
        .output();
    let text = String::from_utf8(output.expect("curl").stdout).expect("text");
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    (
        status == "200",
        serde_json::from_str(body).unwrap_or_default(),
    )
}

/// The node's certificate, DER, if it is of the authority with this root.
fn shown(root_pem: &str, port: u16) -> Option<Vec<u8>> {
    // A session that is resumed shows none.
    let stream = connect(&client_of(root_pem), port).ok()?;
    Some(stream.conn.peer_certificates()?.first()?.to_vec())
}

/// A client frame with a mask of zeros, which changes nothing.
fn ping_frame(payload: [u8; 4]) -> Vec<u8> {
    [&[0x89, 0x84, 0, 0, 0, 0][..], &payload].concat()
}

/// Reads whatever comes until the pong of this payload has.
fn await_pong(stream: &mut Stream, payload: [u8; 4]) -> std::io::Result<()> {
    let wanted = [&[0x8a, 4][..], &payload].concat();
    let mut read = Vec::new();
    while !read.windows(wanted.len()).any(|bytes| bytes == wanted) {
        let mut buffer = [0; 512];
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            bytes => read.extend_from_slice(&buffer[..bytes]),
        }
    }
    Ok(())
}

#[test]
fn the_first_certificate_comes_over_http_and_is_renewed_under_load_with_no_failed_request() {
    let (port, http_port) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(http_port, port, 24) else {
        return;
    };
    let folder = Folder::new("acme");
    let ports = flags(&[
        "--port",
        &port.to_string(),
        "--http-redirect-port",
        &http_port.to_string(),
        "--acme-email",
        "you@example.net",
    ]);
    let node = start("localhost", &folder, &[pebble.flags(), ports].concat());
    let (is_ok, begun) = health(port);
    assert!(!is_ok, "{begun}");
    assert_eq!(begun["certificate"]["source"], "temporary");
    let client = client_of(&pebble.root_pem);
    let mut first = None;
    eventually("the first certificate is shown", PATIENCE, || {
        first = shown(&pebble.root_pem, port);
        first.is_some()
    });
    let (is_ok, got) = health(port);
    assert!(is_ok, "{got}");
    assert_eq!(got["certificate"]["source"], "acme");
    assert_eq!(got["certificate"]["acme"]["failures_in_a_row"], 0);

    // From now on every handshake and every request has to succeed, with a chain that leads to the authority.
    let is_over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = (0..3)
        .map(|number| {
            let (is_over, done) = (Arc::clone(&is_over), Arc::clone(&done));
            // One of them resumes its sessions, as browsers do; the others make whole handshakes.
            let (root, resuming) = (pebble.root_pem.clone(), number == 0);
            let client = client_of(&root);
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let client = if resuming {
                        Arc::clone(&client)
                    } else {
                        client_of(&root)
                    };
                    let mut stream = connect(&client, port).expect("a handshake");
                    let (head, _) = get(&mut stream, "/ping");
                    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                    done.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    let mut socket = connect(&client, port).expect("a handshake");
    let upgrade = "GET /ws/ping HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket
        .write_all(upgrade.as_bytes())
        .expect("an open socket");
    let mut number = 0_u32;
    eventually("the renewed certificate is shown", PATIENCE, || {
        number += 1;
        let payload = number.to_be_bytes();
        socket
            .write_all(&ping_frame(payload))
            .expect("an open socket");
        await_pong(&mut socket, payload).expect("a WebSocket that stays open");
        std::thread::sleep(Duration::from_millis(20));
        shown(&pebble.root_pem, port).expect("a certificate of the authority")
            != *first.as_ref().expect("one")
    });
    is_over.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().expect("no failed request");
    }
    println!(
        "{} requests and {number} pings, none failed",
        done.load(Ordering::Relaxed)
    );
    assert!(done.load(Ordering::Relaxed) > 100);
    assert_eq!(pebble.log().matches("Issued certificate").count(), 2);
    // Once for both: the account is kept.
    assert_eq!(node.log_lines("account with the authority made").len(), 1);
}

#[test]
fn two_names_are_proven_in_handshakes_and_a_restart_asks_nobody() {
    let port = free_port();
    let Some(pebble) = Pebble::start(free_port(), port, 3600) else {
        return;
    };
    let folder = Folder::new("acme");
    let more = flags(&["--port", &port.to_string(), "--http-redirect-port", ""]);
    let more = [pebble.flags(), more].concat();
    // Pebble's own resolver has an address for every name.
    let mut node = start("localhost,node.example", &folder, &more);
    let mut first = None;
    eventually("the certificate is shown", PATIENCE, || {
        first = shown(&pebble.root_pem, port);
        first.is_some()
    });
    let asking = node.log_lines("asking the authority for a certificate");
    assert_eq!(asking[0]["challenge"], "tls-alpn-01");
    let (_, health_before) = health(port);
    let next = &health_before["certificate"]["acme"]["next_attempt_unix_s"];
    let expires = &health_before["certificate"]["not_after_unix_s"];
    let left = expires.as_u64().expect("a time") - next.as_u64().expect("a time");
    // A third of an hour, less a fiftieth of the hour by chance.
    assert!((1_120..=1_201).contains(&left), "{health_before}");

    // A process that dies is started again and asks nobody either.
    let pid = health_before["certificate"]["acme"]["pid"]
        .as_u64()
        .expect("a process");
    send_signal(u32::try_from(pid).expect("a number"), libc::SIGKILL).expect("a child's child");
    eventually("another process runs", PATIENCE, || {
        let acme = &health(port).1["certificate"]["acme"];
        acme["pid"].as_u64().is_some_and(|now| now != pid) && acme["restarts"] == 1
    });
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
    let mut node = start("localhost,node.example", &folder, &more);
    assert_eq!(shown(&pebble.root_pem, port), first);
    // It has looked at what is stored, and waits.
    let mut told = (false, serde_json::Value::Null);
    eventually("the next attempt is planned", PATIENCE, || {
        told = health(port);
        let next = &told.1["certificate"]["acme"]["next_attempt_unix_s"];
        next.as_u64().is_some_and(|next| next > unix_s())
    });
    let (is_ok, told) = told;
    assert!(is_ok, "{told}");
    assert_eq!(told["certificate"]["source"], "acme");
    assert_eq!(told["certificate"]["acme"]["is_asking"], false);
    let asked = "asking the authority for a certificate";
    assert!(node.log_lines(asked).is_empty());
    assert_eq!(pebble.log().matches("Issued certificate").count(), 1);

    // One more name is asked for at once, for the authority has given what it was asked for so far.
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
    let node = start("localhost,node.example,more.example", &folder, &more);
    eventually("a certificate for all names is in force", PATIENCE, || {
        shown(&pebble.root_pem, port) != first && health(port).1["reasons"] == serde_json::json!([])
    });
    assert_eq!(node.log_lines(asked).len(), 1);
    assert_eq!(pebble.log().matches("Issued certificate").count(), 2);
}

fn unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

#[test]
fn until_a_name_is_covered_health_names_it_and_the_old_certificate_serves() {
    let (port, nobody) = (free_port(), free_port());
    let folder = Folder::new("acme");
    let old = store_old(&folder);
    let more = asking(nobody, port);
    let _node = start("localhost,more.example", &folder, &more);
    let missing = "the certificate is not yet for more.example";
    let (is_ok, told) = health(port);
    assert!(is_ok, "{told}");
    let reasons = told["reasons"].as_array().expect("a list");
    assert!(reasons.contains(&missing.into()), "{told}");
    connect(&client_of(&old), port).expect("the old certificate");
}

#[test]
fn a_stored_certificate_is_in_force_as_soon_as_the_clock_has_come_to_it() {
    let (port, nobody) = (free_port(), free_port());
    let more = asking(nobody, port);
    // As at a start with a clock that is behind, and is put right a moment later: later on a machine that starts slowly.
    let (begins, chain, _folder, node) = [4, 12, 25]
        .into_iter()
        .find_map(|seconds| {
            let folder = Folder::new("acme");
            let begins = SystemTime::now() + Duration::from_secs(seconds);
            let chain = store(&folder, begins, begins + Duration::from_secs(86_400));
            let node = start("localhost", &folder, &more);
            (SystemTime::now() < begins).then_some((begins, chain, folder, node))
        })
        .expect("a start within 25 s");
    assert!(node.log_text().contains("is this machine's clock right?"));
    eventually("the stored certificate is in force", PATIENCE, || {
        health(port).1["certificate"]["source"] == "acme"
    });
    let begins_unix_s = begins.duration_since(UNIX_EPOCH).expect("now").as_secs();
    assert!(unix_s() >= begins_unix_s);
    connect(&client_of(&chain), port).expect("the stored certificate");
}

#[test]
fn the_attempt_after_a_failure_is_made_by_a_process_begun_anew_that_sees_replaced_files() {
    /// A minute and a quarter, and the attempt itself.
    const SECOND_ATTEMPT: Duration = Duration::from_secs(120);
    let (port, http_port) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(http_port, port, 3600) else {
        return;
    };
    let folder = Folder::new("acme");
    // The root of another authority, to be replaced by a rename as resolv.conf is: a sandbox that knows the old file does not
    // know the new one.
    let made = daemon(&["make-test-certificate", &folder.path("other"), "localhost"]).status();
    assert!(made.expect("the daemon starts").success());
    let (root, right) = (folder.path("root.pem"), folder.path("right.pem"));
    std::fs::rename(folder.path("other/certificate.pem"), &root).expect("the same folder");
    let mut more = pebble.flags();
    std::fs::copy(more.pop().expect("the root's path"), &right).expect("a file");
    more.push(root.clone());
    more.extend(flags(&[
        "--port",
        &port.to_string(),
        "--http-redirect-port",
        &http_port.to_string(),
    ]));
    let node = start("localhost", &folder, &more);
    let mut failed = serde_json::Value::Null;
    eventually("the failure is told", PATIENCE, || {
        failed = health(port).1["certificate"]["acme"].clone();
        !failed["last_failure"].is_null()
    });
    std::fs::rename(&right, &root).expect("the same folder");
    eventually("the certificate is shown", SECOND_ATTEMPT, || {
        shown(&pebble.root_pem, port).is_some()
    });
    let acme = &health(port).1["certificate"]["acme"];
    assert_ne!(acme["pid"], failed["pid"]);
    // A machine that is busy may have begun it once more.
    assert!(acme["restarts"].as_u64() >= Some(1), "{acme}");
    let asked = node.log_lines("asking the authority for a certificate");
    assert_eq!(asked.len(), 2);
    // Not before its time.
    let got = acme["last_success_unix_s"].as_u64().expect("a time");
    let next = failed["next_attempt_unix_s"].as_u64().expect("a time");
    assert!(got >= next, "{acme} after {failed}");
}

/// A certificate whose life is over but for a day, as an earlier run would have stored it.
pub(crate) fn store_old(folder: &Folder) -> String {
    let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
    // Well within its last day: what is shown is rounded to the hour.
    store(folder, now - 80 * day, now + day - Duration::from_secs(600))
}

/// A certificate for localhost with this life, as an earlier run would have stored it: the chain.
fn store(folder: &Folder, not_before: SystemTime, not_after: SystemTime) -> String {
    std::fs::create_dir_all(folder.path("acme")).expect("a folder");
    let key = KeyPair::generate().expect("randomness");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    let chain = params.self_signed(&key).expect("signs").pem();
    let text = format!("{}\n{chain}", key.serialize_pem());
    std::fs::write(folder.path("acme/localhost.pem"), text).expect("a file");
    chain
}

/// The node at `port` has failed once to renew what is stored, for a reason that has all of `words` in it; it serves with the
/// old certificate, and says so wherever one can ask.
fn assert_kept(node: &Node, old_chain: &str, words: &[&str]) {
    let port = node.main_port;
    let mut told = serde_json::Value::Null;
    eventually("the failure is told", PATIENCE, || {
        told = health(port).1;
        !told["certificate"]["acme"]["last_failure"].is_null()
    });
    let (is_ok, told) = health(port);
    assert!(is_ok, "{told}");
    let acme = &told["certificate"]["acme"];
    let reason = acme["last_failure"].as_str().expect("a reason");
    for word in words {
        assert!(reason.contains(word), "{word} in {reason}");
    }
    assert_eq!(told["certificate"]["source"], "acme");
    assert_eq!(acme["failures_in_a_row"], 1);
    let pause = acme["next_attempt_unix_s"].as_u64().expect("a time")
        - acme["last_failure_unix_s"].as_u64().expect("a time");
    assert!((60..=76).contains(&pause), "{acme}");
    let kept = format!("no new certificate: {reason}");
    assert!(
        told["reasons"]
            .as_array()
            .expect("a list")
            .contains(&kept.clone().into())
    );
    // The old one is in force.
    let mut stream = connect(&client_of(old_chain), port).expect("the old certificate");
    let (_, metrics) = get(&mut stream, "/metrics");
    let metrics = String::from_utf8(metrics).expect("text");
    for line in [
        "bufferbloatd_acme_failures_total 1",
        "bufferbloatd_acme_failures_in_a_row 1",
        "bufferbloatd_tls_certificate_source{source=\"acme\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let url = format!("https://localhost:{port}");
    let (code, shown, _) = run_to_end(&["status", "--insecure", "--url", &url]);
    assert_eq!(code, 0, "{shown}");
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&kept), "{shown}");
    assert!(
        shown.contains("Certificate by ACME, expires in 23 h"),
        "{shown}"
    );
    let line = &node.log_lines("no new certificate")[0];
    assert_eq!(line["reason"], reason);
}

#[test]
fn a_challenge_that_fails_is_told_and_the_old_certificate_kept() {
    let (port, nobody) = (free_port(), free_port());
    // The authority looks where nobody answers, as it does when a firewall is closed.
    let Some(pebble) = Pebble::start(nobody, nobody, 3600) else {
        return;
    };
    for (how, port, saw) in [
        ("http-01", port, "connection refused"),
        ("tls-alpn-01", free_port(), "Failed to connect to 127.0.0.1"),
    ] {
        let folder = Folder::new("acme");
        let old = store_old(&folder);
        let more = flags(&[
            "--port",
            &port.to_string(),
            "--http-redirect-port",
            "0",
            "--acme-challenge",
            how,
        ]);
        let node = start("localhost", &folder, &[pebble.flags(), more].concat());
        assert_kept(&node, &old, &[how, "localhost failed: ", saw]);
    }
    assert_eq!(pebble.log().matches("Issued certificate").count(), 0);
}

#[test]
fn a_failure_that_is_told_at_once_is_the_challenges_too() {
    let authority = Unproven::start();
    let folder = Folder::new("acme");
    let old = store_old(&folder);
    let more = flags(&["--port", "0", "--http-redirect-port", "0"]);
    let node = start("localhost", &folder, &[authority.flags(), more].concat());
    let failure = "http-01 of localhost failed: nobody was there (connection)";
    assert_kept(&node, &old, &[failure]);
}

#[test]
fn an_authority_that_is_down_or_talks_rubbish_and_a_folder_that_is_none_stop_nobody() {
    let ca = Folder::new("ca");
    let made = daemon(&["make-test-certificate", &ca.path("own"), "localhost"]).status();
    assert!(made.expect("the daemon starts").success());
    let (certificate, key) = (ca.path("own/certificate.pem"), ca.path("own/key.pem"));
    // Its page is no directory.
    let rubbish = Node::start(&["--ssl-certfile", &certificate, "--ssl-keyfile", &key]);
    let down = free_port();
    for (authority_port, words) in [
        (
            rubbish.main_port,
            ["asked for", "its answer is not one of ACME"],
        ),
        (
            down,
            [
                "asked for its directory and an account",
                "Connection refused",
            ],
        ),
    ] {
        let folder = Folder::new("acme");
        let old = store_old(&folder);
        let more = flags(&[
            "--port",
            "0",
            "--http-redirect-port",
            "0",
            "--acme-directory",
            &format!("https://localhost:{authority_port}/"),
            "--acme-directory-ca",
            &certificate,
        ]);
        let node = start("localhost", &folder, &more);
        assert_kept(&node, &old, &words);
    }

    // A file stands where the folder should be: nothing is asked for that could not be stored.
    let folder = Folder::new("acme");
    std::fs::write(folder.path("acme"), "").expect("a file");
    let more = flags(&[
        "--port",
        "0",
        "--http-redirect-port",
        "0",
        "--acme-directory",
        &format!("https://localhost:{}/", rubbish.main_port),
        "--acme-directory-ca",
        &certificate,
    ]);
    let node = start("localhost", &folder, &more);
    let mut told = serde_json::Value::Null;
    eventually("the failure is told", PATIENCE, || {
        told = health(node.main_port).1;
        !told["certificate"]["acme"]["last_failure"].is_null()
    });
    let reason = told["certificate"]["acme"]["last_failure"].to_string();
    assert!(
        reason.contains("acme: cannot be written: Not a directory"),
        "{reason}"
    );
    assert_eq!(told["certificate"]["source"], "temporary");
    assert_eq!(told["status"], "degraded");
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_before_anything_starts() {
    let files = ["--ssl-certfile", "a.pem", "--ssl-keyfile", "b.pem"];
    let none = ["--http-redirect-port", "", "--acme-challenge", "http-01"];
    for (wrong, expected) in [
        (
            &["--acme", "https://a.example"][..],
            "is not a name that an authority can check",
        ),
        (
            &["--acme", "*.a.example"],
            "is not a name that an authority can check",
        ),
        (&["--acme-email", "nobody"], "must be one address such as"),
        (
            &["--acme-directory", "http://a.example/"],
            "begin with https://",
        ),
        (
            &["--acme-challenge", "dns-01"],
            "must be one of auto, tls-alpn-01, http-01",
        ),
        (&none, "needs a port that speaks HTTP"),
        (&files, "give one of the two"),
        (
            &["--acme-directory-ca", "/nowhere.pem"],
            "/nowhere.pem: no root certificate",
        ),
    ] {
        let named: &[&str] = if wrong.contains(&"--acme") {
            &[]
        } else {
            &["--acme", "a.example"]
        };
        let (code, _, error) = run_to_end(&[&["check-config"], named, wrong].concat());
        assert_eq!(code, 2, "{wrong:?}: {error}");
        assert!(error.contains(expected), "{wrong:?}: {error}");
    }
    let (code, shown, _) = run_to_end(&["check-config", "--acme", "a.example"]);
    assert_eq!(code, 0);
    assert!(shown.contains("names = [\"a.example\"]"), "{shown}");
    assert!(shown.contains("port = 443"), "{shown}");
}

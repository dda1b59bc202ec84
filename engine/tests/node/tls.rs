//! HTTPS: what a client of another make sees of the node's TLS, and what the operator does with certificates.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use protocol::limits::TLS_HANDSHAKE_TIMEOUT;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};

use crate::harness::{Node, PATIENCE, eventually, run_to_end};
use crate::http;
use crate::tls_client::{Authority, Stream, connect, exchange, get, is_resumed, replace};

fn start(authority: &Authority, more: &[&str]) -> Node {
    let flags = authority.write(&authority.issue(2020, 2090));
    let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
    arguments.extend(more);
    Node::start(&arguments)
}

/// The serial number of the certificate that the node shows.
fn shown(stream: &Stream) -> Vec<u8> {
    let chain = stream.conn.peer_certificates().expect("a certificate");
    chain[0].to_vec()
}

#[test]
fn every_cipher_of_both_versions_moves_bulk_both_ways() {
    let authority = Authority::new();
    let node = start(&authority, &["--tls-min", "1.2"]);
    let all = aws_lc_rs::default_provider();
    assert!(all.cipher_suites.len() >= 9);
    for suite in &all.cipher_suites {
        let provider = CryptoProvider {
            cipher_suites: vec![*suite],
            ..aws_lc_rs::default_provider()
        };
        let version = if suite.tls13().is_some() {
            &TLS13
        } else {
            &TLS12
        };
        let name = format!("{:?}", suite.suite());
        // The authority's keys are elliptic: suites that sign with RSA find no certificate.
        if name.contains("RSA") {
            continue;
        }
        let config = Arc::new(authority.client(provider, &[version]));
        let mut stream = connect(&config, node.main_port).expect("a handshake");
        let (head, body) = get(&mut stream, "/download?bytes=700001");
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        assert_eq!(body.len(), 700_001, "{name}");
        let mut stream = connect(&config, node.main_port).expect("a handshake");
        let upload = "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n";
        let (_, body) = exchange(&mut stream, upload, &vec![7; 900_000]);
        let counted: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(counted["bytes"], 900_000, "{name}");
    }
}

#[test]
fn a_client_that_knows_no_newer_version_than_configured_is_refused() {
    let authority = Authority::new();
    let node = start(&authority, &[]);
    let old = Arc::new(authority.client(aws_lc_rs::default_provider(), &[&TLS12]));
    let refused = connect(&old, node.main_port).expect_err("TLS 1.3 alone");
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    let new = Arc::new(authority.client(aws_lc_rs::default_provider(), &[&TLS13]));
    connect(&new, node.main_port).expect("a handshake");
}

#[test]
fn a_session_is_resumed_by_another_process_and_by_one_that_was_started_anew() {
    let authority = Authority::new();
    let node = start(&authority, &["--tls-min", "1.2"]);
    for version in [&TLS13, &TLS12] {
        let client = authority.client(aws_lc_rs::default_provider(), &[version]);
        let config = Arc::new(client);
        let mut first = connect(&config, node.main_port).expect("a handshake");
        assert!(!is_resumed(&first));
        get(&mut first, "/ping");
        let mut second = connect(&config, node.ping_port).expect("a handshake");
        assert!(is_resumed(&second), "{version:?}");
        get(&mut second, "/ping");
        let killed = node.child("ping").expect("a process");
        engine::runtime::sys::process::send_signal(killed, libc::SIGKILL).expect("our own child's");
        eventually("another process answers", PATIENCE, || {
            node.child("ping").is_some_and(|pid| pid != killed)
        });
        let third = connect(&config, node.ping_port).expect("a handshake");
        assert!(is_resumed(&third), "{version:?}");
    }
}

#[test]
fn a_new_certificate_takes_over_under_a_running_download_and_a_bad_one_does_not() {
    let authority = Authority::new();
    let node = start(&authority, &[]);
    let config = authority.any_client();
    let mut download = connect(&config, node.main_port).expect("a handshake");
    let first = shown(&download);
    let request =
        "GET /download?bytes=30000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    download
        .write_all(request.as_bytes())
        .expect("an open socket");
    let mut begun = vec![0; 100_000];
    download.read_exact(&mut begun).expect("a download");

    let second = authority.issue(2020, 2091);
    authority.write(&second);
    let now_shown = || shown(&connect(&config, node.main_port).expect("a handshake"));
    eventually("the new certificate is shown", PATIENCE, || {
        now_shown() != first
    });
    let taken = now_shown();

    // Another key: the pair does not match.
    replace(&authority.path("node.key"), &authority.issue(2020, 2091).1);
    let health = || {
        let mut stream = connect(&config, node.main_port).expect("a handshake");
        let (head, body) = get(&mut stream, "/health");
        (head, String::from_utf8(body).expect("text"))
    };
    let reason = "the private key belongs to another certificate";
    eventually("health tells of the bad one", PATIENCE, || {
        health().1.contains(reason)
    });
    assert!(health().0.starts_with("HTTP/1.1 200"));
    assert_eq!(now_shown(), taken);
    let mut stream = connect(&config, node.main_port).expect("a handshake");
    let metrics = String::from_utf8(get(&mut stream, "/metrics").1).expect("text");
    assert!(
        metrics.contains("bufferbloatd_tls_certificate_faulty 1\n"),
        "{metrics}"
    );
    assert!(node.log_text().contains("the old one is kept"));

    // The right one again, and a hangup instead of patience.
    replace(&authority.path("node.key"), &second.1);
    node.signal(libc::SIGHUP);
    eventually("health is content", PATIENCE, || {
        !health().1.contains(reason)
    });

    let mut rest = Vec::new();
    download
        .read_to_end(&mut rest)
        .expect("the rest, and a close_notify");
    let whole = [begun, rest].concat();
    let end = whole
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("a head");
    assert_eq!(whole.len() - end - 4, 30_000_000);
}

#[test]
fn each_certificate_that_cannot_be_used_is_refused_with_its_own_reason() {
    let authority = Authority::new();
    let (chain, key) = authority.issue(2020, 2090);
    let (_, other_key) = authority.issue(2020, 2090);
    let expired = authority.issue(2020, 2021);
    let future = authority.issue(2089, 2090);
    let pairs = [
        (
            (chain.clone(), other_key),
            "the private key belongs to another certificate",
        ),
        ((String::new(), key.clone()), "holds no certificate"),
        (
            (chain.clone(), "nothing".to_owned()),
            "holds no private key",
        ),
        (
            (chain.replacen("MII", "###", 1), key.clone()),
            "holds something that is no certificate",
        ),
        (expired, "the certificate expired at"),
        (future, "the certificate is valid from"),
    ];
    let refusal = |flags: &[String]| {
        let mut arguments = vec!["--port", "0", "--ping-port", "0"];
        arguments.extend(flags.iter().map(String::as_str));
        let (code, stdout, stderr) = run_to_end(&arguments);
        assert_ne!(code, 0, "{stdout}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        stderr
    };
    for (pair, reason) in pairs {
        let mut flags = authority.write(&pair);
        let stderr = refusal(&flags);
        assert!(stderr.contains(reason), "{stderr:?} for {reason:?}");
        // A switch without a value stands before the subcommand.
        flags.extend(["--production", "check-config"].map(str::to_owned));
        let stderr = refusal(&flags);
        assert!(stderr.contains(reason), "{stderr:?} for {reason:?}");
    }
    let flags = authority.write(&(chain, key));
    std::fs::remove_file(authority.path("node.key")).expect("a file");
    let stderr = refusal(&flags);
    assert!(
        stderr.contains("node.key: there is no such file"),
        "{stderr}"
    );
    std::fs::create_dir(authority.path("node.key")).expect("a folder");
    let stderr = refusal(&flags);
    assert!(stderr.contains("node.key: cannot be read: "), "{stderr}");
    let stderr = refusal(&flags[..2]);
    assert!(
        stderr.contains("needs its key: give --ssl-keyfile, too"),
        "{stderr}"
    );
    let stderr = refusal(&["--production".to_owned()]);
    assert!(stderr.contains("needs a certificate"), "{stderr}");
}

#[test]
fn whoever_comes_by_http_is_sent_to_https_and_told_to_stay() {
    let authority = Authority::new();
    let node = start(&authority, &["--http-redirect-port", "0"]);
    let answer = http::get(node.port("redirect"), "/a/path?x=1");
    let port = node.main_port;
    assert_eq!(answer.status, 301);
    let location = format!("https://localhost:{port}/a/path?x=1");
    assert_eq!(answer.field("location"), Some(location.as_str()));
    assert_eq!(answer.field("strict-transport-security"), None);
    let mut stream = connect(&authority.any_client(), port).expect("a handshake");
    let (head, _) = get(&mut stream, "/");
    assert!(
        head.contains("Strict-Transport-Security: max-age=31536000"),
        "{head}"
    );
    assert!(
        head.contains(&format!("wss://localhost:{}", node.ping_port)),
        "{head}"
    );
    let mut stream = connect(&authority.any_client(), port).expect("a handshake");
    let (_, body) = get(&mut stream, "/ws/virtual-household/alex");
    let body = String::from_utf8(body).expect("text");
    assert!(body.contains("\"wss://localhost:"), "{body}");
    let mut stream = connect(&authority.any_client(), port).expect("a handshake");
    let post = "POST /api/tests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 48\r\n\r\n";
    let request = r#"{"mode":"single","client":{"name":"a","kind":""}}"#;
    let (_, body) = exchange(
        &mut stream,
        &post.replace("48", &request.len().to_string()),
        request.as_bytes(),
    );
    let body = String::from_utf8(body).expect("text");
    assert!(body.contains("\"https://localhost/download\""), "{body}");
}

#[test]
fn web_sockets_frame_and_echo_and_keys_change_in_the_middle() {
    let authority = Authority::new();
    let node = start(&authority, &[]);
    let mut stream = connect(&authority.any_client(), node.main_port).expect("a handshake");
    let status = http::upgrade_over(&mut stream, "/ws/bulk-download?bytes=6553700");
    assert_eq!(status, 101);
    for frame in 0..100 {
        if frame % 10 == 5 {
            stream.conn.refresh_traffic_keys().expect("TLS 1.3");
            stream.flush().expect("an open socket");
        }
        let mut header = [0; 10];
        stream.read_exact(&mut header).expect("a frame");
        assert_eq!(header, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], "{frame}");
        let mut payload = vec![0; 65_536];
        stream.read_exact(&mut payload).expect("a payload");
    }
    let mut rest = [0; 2];
    stream.read_exact(&mut rest).expect("the shorter frame");
    assert_eq!(rest, [0x82, 100]);

    let mut probe = connect(&authority.any_client(), node.ping_port).expect("a handshake");
    assert_eq!(http::upgrade_over(&mut probe, "/ws/ping"), 101);
    let mut message = [0_u8; 22];
    message[0] = 0x82;
    message[1] = 0x80 | 16;
    message[6] = 1;
    message[10] = 42;
    probe.write_all(&message).expect("an open socket");
    let mut echo = [0; 34];
    probe.read_exact(&mut echo[..2]).expect("an echo");
    // The node's own pings may come first.
    while echo[0] != 0x82 {
        let mut payload = vec![0; usize::from(echo[1])];
        probe.read_exact(&mut payload).expect("a ping");
        probe.read_exact(&mut echo[..2]).expect("an echo");
    }
    probe.read_exact(&mut echo[2..]).expect("an echo");
    assert_eq!((echo[1], echo[2], echo[6]), (32, 2, 42));
}

#[test]
fn what_is_no_record_ends_the_connection_with_an_alert() {
    let authority = Authority::new();
    let node = start(&authority, &[]);
    let mut stream = connect(&authority.any_client(), node.main_port).expect("a handshake");
    let mut forged = vec![23, 3, 3, 0, 40];
    forged.extend([9; 40]);
    stream.sock.write_all(&forged).expect("an open socket");
    let ended = stream.read(&mut [0; 10]).expect_err("an alert");
    assert!(ended.to_string().contains("BadRecordMac"), "{ended}");

    // Plain HTTP at the port of HTTPS.
    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, node.main_port)).expect("a listener");
    plain
        .set_read_timeout(Some(PATIENCE))
        .expect("an open socket");
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("an open socket");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
}

#[test]
fn a_handshake_that_stalls_is_ended_when_its_time_is_over_and_delays_nobody() {
    let authority = Authority::new();
    let node = start(&authority, &[]);
    let start = std::time::Instant::now();
    let mut stalled: Vec<TcpStream> = (0..20)
        .map(|number| {
            let mut stream =
                TcpStream::connect((Ipv4Addr::LOCALHOST, node.ping_port)).expect("a listener");
            if number % 2 == 0 {
                stream
                    .write_all(&[22, 3, 1, 2, 0, 1])
                    .expect("an open socket");
            }
            stream
                .set_read_timeout(Some(TLS_HANDSHAKE_TIMEOUT + PATIENCE))
                .expect("an open socket");
            stream
        })
        .collect();
    // Nobody waits for them meanwhile.
    connect(&authority.any_client(), node.ping_port).expect("a handshake");
    for stream in &mut stalled {
        // The node's end, and not this test's patience.
        match stream.read(&mut [0; 8]) {
            Ok(bytes) => assert_eq!(bytes, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        assert!(start.elapsed() >= TLS_HANDSHAKE_TIMEOUT, "not before");
    }
}

//! A node behind a proxy: whose connection or request it is, by the PROXY protocol and by `Forwarded`, and that nobody else
//! is believed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Node, PATIENCE, eventually, run_to_end};
use crate::http::{get_with, send};
use crate::tls_client::{self, Authority};

const TRUSTED: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];
const WITH_HEADER: [&str; 4] = [
    "--trusted-proxies",
    "127.0.0.0/8",
    "--proxy-protocol",
    "true",
];

/// As a proxy sends it, with an extension behind the addresses.
fn header(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().expect("an address and a port");
    let (family, addresses) = match client {
        SocketAddr::V4(client) => (0x11, [client.ip().octets(), [203, 0, 113, 1]].concat()),
        SocketAddr::V6(client) => (0x21, [client.ip().octets(), [0; 16]].concat()),
    };
    let ports = [client.port().to_be_bytes(), 8000_u16.to_be_bytes()].concat();
    let extension = [0x05, 0, 3, b'i', b'd', b'1'];
    let rest = [&addresses[..], &ports, &extension].concat();
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &length, &rest].concat()
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a listener");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("an open socket");
    stream
}

/// One request behind the header `before`, in pieces of `piece` bytes: the whole answer, empty where there is none.
fn ask(port: u16, before: &[u8], request: &str, piece: usize) -> String {
    let mut stream = open(port);
    stream.set_nodelay(true).expect("an open socket");
    for piece in [before, request.as_bytes()].concat().chunks(piece) {
        // A node that has had enough closes.
        if stream.write_all(piece).is_err() {
            break;
        }
        // Gives the node a chance to read a small one by itself; nothing depends on whether it does.
        if piece.len() < 20 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(method: &str, path: &str, body: &str) -> String {
    request_with("", method, path, body)
}

/// The same with more fields, each with its end of line.
fn request_with(fields: &str, method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: node.example\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn admission() -> String {
    json!({"mode": "single", "client": {"name": "test"}}).to_string()
}

/// Asks for a test as `client`: the status.
fn admit_as(port: u16, client: &str) -> String {
    let answer = ask(
        port,
        &header(client),
        &request("POST", "/api/tests", &admission()),
        usize::MAX,
    );
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_proxys_header_says_whose_connection_it_is_on_every_port() {
    let mut arguments = WITH_HEADER.to_vec();
    arguments.extend(["--tests-per-address-max", "1", "--log-addresses", "full"]);
    let node = Node::start(&arguments);
    for port in [node.main_port, node.ping_port, node.port("jake")] {
        for piece in [1, 15, usize::MAX] {
            let before = header("[2001:db8::7]:1");
            let answer = ask(port, &before, &request("GET", "/health", ""), piece);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        }
    }
    let port = node.main_port;
    for (client, status) in [
        ("192.0.2.1:1", "201"),
        ("192.0.2.1:2", "429"),
        ("192.0.2.2:1", "201"),
        ("[2001:db8:0:1::1]:1", "201"),
        ("[2001:db8:0:1::2]:1", "429"),
        ("[2001:db8:0:2::1]:1", "201"),
    ] {
        assert_eq!(admit_as(port, client), status, "{client}");
    }
    node.signal(libc::SIGTERM);
    eventually("the tests are told", PATIENCE, || {
        node.log_lines("test ended").len() == 4
    });
    let lines = node.log_lines("test ended");
    let mut addresses: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["address"].as_str())
        .collect();
    addresses.sort_unstable();
    assert_eq!(
        addresses,
        [
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8:0:1::1",
            "2001:db8:0:2::1"
        ]
    );
}

#[test]
fn behind_the_header_a_field_is_believed_of_a_client_that_is_itself_a_trusted_proxy() {
    let mut arguments = WITH_HEADER.to_vec();
    arguments.extend(["--log-addresses", "full"]);
    let mut node = Node::start(&arguments);
    let fields = "Forwarded: for=198.51.100.1;proto=https\r\n";
    let request = request_with(fields, "POST", "/api/tests", &admission());
    for (client, scheme) in [("192.0.2.1:1", "ws"), ("127.0.0.9:1", "wss")] {
        let answer = ask(node.main_port, &header(client), &request, usize::MAX);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer:?}");
        let ping = format!("\"{scheme}://node.example:{}/ws/ping\"", node.ping_port);
        assert!(answer.contains(&ping), "{answer:?}");
    }
    node.signal(libc::SIGTERM);
    node.wait(PATIENCE);
    let lines = node.log_lines("test ended");
    let mut addresses: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["address"].as_str())
        .collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["192.0.2.1", "198.51.100.1"]);
}

#[test]
fn tls_begins_behind_the_header() {
    let authority = Authority::new();
    let flags = authority.write(&authority.issue(2020, 2090));
    let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
    arguments.extend(WITH_HEADER);
    let node = Node::start(&arguments);
    for port in [node.main_port, node.ping_port] {
        let mut socket = open(port);
        socket
            .write_all(&header("192.0.2.1:1"))
            .expect("an open socket");
        let mut stream =
            tls_client::connect_over(&authority.any_client(), socket).expect("a handshake");
        let (head, _) = tls_client::get(&mut stream, "/ping");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }
}

#[test]
fn a_trusted_proxy_without_a_header_is_not_served_and_a_silent_one_delays_nobody() {
    let node = Node::start(&WITH_HEADER);
    let port = node.main_port;
    assert_eq!(ask(port, b"", &request("GET", "/ping", ""), usize::MAX), "");
    assert_eq!(
        ask(port, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "", 9),
        ""
    );
    let mut silent = open(port);
    silent
        .write_all(&header("192.0.2.1:1")[..20])
        .expect("an open socket");
    let began = Instant::now();
    let answer = ask(
        port,
        &header("192.0.2.1:1"),
        &request("GET", "/ping", ""),
        99,
    );
    assert!(answer.ends_with("pong"), "{answer:?}");
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    assert!(began.elapsed() > Duration::from_secs(3));
    let metrics = ask(
        port,
        &header("192.0.2.1:1"),
        &request("GET", "/metrics", ""),
        99,
    );
    for line in [
        "bufferbloatd_connections_closed_total{role=\"main\",reason=\"protocol_error\"} 2",
        "bufferbloatd_connections_closed_total{role=\"main\",reason=\"head_timeout\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}

#[test]
fn a_health_check_of_the_proxys_own_is_answered() {
    let node = Node::start(&WITH_HEADER);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let answer = ask(
        node.main_port,
        local,
        &request("GET", "/health", ""),
        usize::MAX,
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[test]
fn nobody_else_is_believed() {
    let arguments = [
        "--trusted-proxies",
        "192.0.2.0/24",
        "--proxy-protocol",
        "true",
        "--tests-per-address-max",
        "1",
    ];
    let node = Node::start(&arguments);
    let port = node.main_port;
    let refused = ask(
        port,
        &header("192.0.2.1:1"),
        &request("GET", "/ping", ""),
        99,
    );
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused:?}");
    let forwarded = [("Forwarded", "for=198.51.100.1;proto=https")];
    let answer = send(port, ("POST", "/api/tests"), &forwarded, &admission());
    assert_eq!(answer.status, 201);
    let ping = answer.json()["endpoints"]["ping_ws"].clone();
    assert!(ping.as_str().is_some_and(|url| url.starts_with("ws://")));
    let other = [("Forwarded", "for=198.51.100.2")];
    let answer = send(port, ("POST", "/api/tests"), &other, &admission());
    assert_eq!(answer.status, 429);
}

/// What a proxy adds to a request of this client, given as an entry of `Forwarded`.
type Fields = fn(&'static str) -> Vec<(&'static str, &'static str)>;

#[test]
fn a_forwarded_request_counts_for_its_client_and_is_answered_in_its_scheme() {
    let variants: [(&[&str], Fields); 2] = [
        (&["--forwarded-field", "forwarded"], |client| {
            vec![("Forwarded", client)]
        }),
        (&["--forwarded-field", "x-forwarded"], |client| {
            let address = client.split(['=', ';']).nth(1).expect("an address");
            vec![
                ("X-Forwarded-For", address),
                ("X-Forwarded-Proto", "https"),
                // Whatever the client wrote there itself.
                ("Forwarded", "for=198.51.100.99;proto=http"),
            ]
        }),
    ];
    for (arguments, fields) in variants {
        let limit = ["--tests-per-address-max", "1"];
        let arguments = [&TRUSTED[..], &limit, arguments].concat();
        let node = Node::start(&arguments);
        let port = node.main_port;
        for (client, status) in [
            ("for=198.51.100.1;proto=https", 201),
            ("for=198.51.100.1;proto=https", 429),
            ("for=198.51.100.2;proto=https", 201),
        ] {
            let mut fields = fields(client);
            fields.push(("Host", "node.example"));
            let answer = send(port, ("POST", "/api/tests"), &fields, &admission());
            assert_eq!(answer.status, status, "{client}");
            if status == 201 {
                let endpoints = answer.json()["endpoints"].clone();
                let expected = format!("wss://node.example:{}/ws/ping", node.ping_port);
                assert_eq!(endpoints["ping_ws"], expected);
                assert_eq!(endpoints["download"], "https://node.example/download");
            }
        }
        let mut fields = fields("for=198.51.100.1;proto=https");
        fields.push(("Host", "node.example"));
        let redirect = get_with(port, "/ws/virtual-household/jake", &fields).json();
        let url = redirect["websocket_url"].as_str().unwrap_or_default();
        assert!(url.starts_with("wss://node.example:"), "{redirect}");
        let page = get_with(port, "/", &fields);
        let policy = page.field("content-security-policy").unwrap_or_default();
        assert!(policy.contains(" wss://node.example:443"), "{policy}");
    }
}

#[test]
fn a_header_from_nobody_is_a_wrong_configuration() {
    let (code, _, error) = run_to_end(&["check-config", "--proxy-protocol", "true"]);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "--proxy-protocol true: needs [proxy] trusted (--trusted-proxies): nobody else may say who a client is\n"
    );
    let (code, _, error) = run_to_end(&["check-config", "--trusted-proxies", "0.0.0.0/0"]);
    assert_eq!(code, 2);
    assert!(error.contains("is everybody"), "{error}");
}

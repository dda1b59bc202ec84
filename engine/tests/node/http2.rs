//! HTTP/2 from outside: streams are served like connections, and each ends alone.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use serde_json::Value;

use crate::harness::{Node, eventually};
use crate::tls_client::{Authority, Stream, connect};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u8 = 8;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A client that grants windows no test can use up.
struct Client {
    stream: Stream,
    next_stream: u32,
    token: String,
}

impl Client {
    fn connect(authority: &Authority, port: u16) -> Self {
        let mut config = authority.client(aws_lc_rs::default_provider(), rustls::ALL_VERSIONS);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut stream = connect(&Arc::new(config), port).expect("a handshake");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .expect("an open socket");
        let mut client = Self {
            stream,
            next_stream: 1,
            token: String::new(),
        };
        let widest = 0x7fff_ffff_u32;
        let window = [&[0, 4][..], &widest.to_be_bytes()].concat();
        client.send(SETTINGS, 0, 0, &window);
        client.send(SETTINGS, ACK, 0, &[]);
        client.send(WINDOW, 0, 0, &(widest - 65_535).to_be_bytes());
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.stream.write_all(&head).expect("an open socket");
        self.stream.write_all(payload).expect("an open socket");
    }

    /// Sends a request with a body, if there is one; its stream.
    fn request(&mut self, method: &str, path: &str, body: &str) -> u32 {
        let id = self.next_stream;
        self.next_stream += 2;
        let authorization = format!("Bearer {}", self.token);
        let fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
            ("content-type", "application/json"),
            ("authorization", &authorization),
        ];
        let mut block = Vec::new();
        // A value that ends in a space would be malformed.
        for (name, value) in fields
            .into_iter()
            .take(if self.token.is_empty() { 5 } else { 6 })
        {
            assert!(value.len() < 127);
            block.extend([&[0, name.len() as u8], name.as_bytes()].concat());
            block.extend([&[value.len() as u8], value.as_bytes()].concat());
        }
        let end = if body.is_empty() { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, id, &block);
        if !body.is_empty() {
            self.send(DATA, END_STREAM, id, body.as_bytes());
        }
        id
    }

    fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Reads on until a frame of this kind comes on this stream.
    fn until(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.read().expect("the node goes on");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// The body of a response, read to its end past whatever else comes.
    fn answer(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.read().expect("the node goes on");
            if frame.stream == stream {
                assert_ne!(frame.kind, RESET, "stream {stream} is reset");
                if frame.kind == DATA {
                    body.extend(frame.payload);
                }
                if frame.flags & END_STREAM != 0 {
                    return body;
                }
            }
        }
    }

    fn get(&mut self, path: &str) -> Vec<u8> {
        let stream = self.request("GET", path, "");
        self.answer(stream)
    }

    /// Load flows to clients, as the node counts them.
    fn flows_down(&mut self) -> u64 {
        let stats: Value =
            serde_json::from_slice(&self.get("/virtual-household/stats")).expect("JSON");
        stats["total"]["flows_down"].as_u64().expect("a number")
    }
}

fn start(authority: &Authority) -> Node {
    let flags = authority.write(&authority.issue(2020, 2090));
    let mut arguments: Vec<&str> = flags.iter().map(String::as_str).collect();
    arguments.extend(["--http2", "true"]);
    Node::start(&arguments)
}

#[test]
fn the_streams_of_one_connection_are_served_at_once_and_end_alone() {
    let authority = Authority::new();
    let node = start(&authority);
    let mut client = Client::connect(&authority, node.main_port);
    let created = client.request(
        "POST",
        "/api/tests",
        r#"{"mode":"single","client":{"name":"test"}}"#,
    );
    let admission: Value = serde_json::from_slice(&client.answer(created)).expect("JSON");
    let id = admission["test_id"].as_str().expect("an id").to_owned();
    client.token = admission["token"].as_str().expect("a token").to_owned();

    let endless = format!("/download?test_id={id}");
    let flows = [(); 3].map(|()| client.request("GET", &endless, ""));
    for flow in flows {
        assert_eq!(client.until(DATA, flow).payload.len(), 16_375);
    }
    assert_eq!(client.flows_down(), 3);
    assert_eq!(client.get("/ping"), b"pong");

    // The client gives one up.
    client.send(RESET, 0, flows[0], &[0, 0, 0, CANCEL]);
    eventually("a flow ends", Duration::from_secs(10), || {
        client.flows_down() == 2
    });
    client.until(DATA, flows[2]);

    // The test ends, and its flows with it; what else is on the connection goes on.
    let path = format!("/api/tests/{id}");
    let ended = client.request("DELETE", &path, "");
    let mut cut = Vec::new();
    let mut is_answered = false;
    while cut.len() < 2 || !is_answered {
        let frame = client.read().expect("the connection goes on");
        is_answered |= frame.stream == ended && frame.flags & END_STREAM != 0;
        if frame.kind == RESET {
            assert_eq!(frame.payload, [0, 0, 0, CANCEL]);
            cut.push(frame.stream);
        }
    }
    cut.sort_unstable();
    assert_eq!(cut, flows[1..]);
    assert_eq!(client.flows_down(), 0);
}

#[test]
fn a_node_that_stops_says_goodbye_to_its_streams() {
    let authority = Authority::new();
    let mut node = start(&authority);
    let mut client = Client::connect(&authority, node.main_port);
    let flow = client.request("GET", "/download", "");
    client.until(DATA, flow);
    node.signal(libc::SIGTERM);
    let (mut goodbye, mut has_ended) = (None, false);
    while let Some(frame) = client.read() {
        if frame.kind == GO_AWAY {
            goodbye = Some(frame.payload);
        } else if frame.stream == flow {
            has_ended |= frame.flags & END_STREAM != 0;
        }
    }
    assert_eq!(goodbye, Some(vec![0, 0, 0, 1, 0, 0, 0, 0]));
    assert!(has_ended);
    assert!(node.wait(Duration::from_secs(10)).success());
}

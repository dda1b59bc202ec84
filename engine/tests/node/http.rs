//! One HTTP request to a node: what `curl` would be told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A field of the head, by its lower-case name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// `GET path` at a port of this machine; `None` when nobody answers within `patience`.
pub(crate) fn try_get(
    port: u16,
    path: &str,
    fields: &[(&str, &str)],
    patience: Duration,
) -> Option<Answer> {
    try_request(port, ("GET", path), fields, "", patience)
}

/// Any request; `None` when nobody answers within `patience`.
fn try_request(
    port: u16,
    (method, path): (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
    patience: Duration,
) -> Option<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !fields.iter().any(|(name, _)| *name == "Host") {
        request.push_str(&format!("Host: localhost:{port}\r\n"));
    }
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// `GET path`, which must be answered.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    get_with(port, path, &[])
}

/// The same with more fields.
pub(crate) fn get_with(port: u16, path: &str, fields: &[(&str, &str)]) -> Answer {
    try_get(port, path, fields, crate::harness::PATIENCE).expect("an answer")
}

/// Any request with a body, which must be answered.
pub(crate) fn send(
    port: u16,
    method_and_path: (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let patience = crate::harness::PATIENCE;
    try_request(port, method_and_path, fields, body, patience).expect("an answer")
}

/// Asks for a WebSocket. The status of the answer, and the connection, which is open when it is 101.
pub(crate) fn upgrade(port: u16, path: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a listener");
    let patience = Some(crate::harness::PATIENCE);
    stream.set_read_timeout(patience).expect("an open socket");
    let status = upgrade_over(&mut stream, path);
    (status, stream)
}

/// The same on a connection that is there already, whatever it runs over.
pub(crate) fn upgrade_over(stream: &mut (impl Read + Write), path: &str) -> u16 {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .expect("an open socket");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head);
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.expect("a status")
}

/// The first WebSocket frame that arrives: its opcode and its payload.
pub(crate) fn first_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    let length = match head[1] {
        126 => {
            let mut extended = [0; 2];
            stream.read_exact(&mut extended).expect("a length");
            usize::from(u16::from_be_bytes(extended))
        }
        length => usize::from(length),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).expect("a payload");
    (head[0] & 0x0f, payload)
}

//! WebSockets in both roles just after their handshake, and frames as either side sends them.

use protocol::connection::{BinarySink, Connection, Event, MessageKind, WebSocketOptions};
use protocol::time::Instant;

use super::Peer;

pub const NOW: Instant = Instant::ORIGIN;
pub const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
pub const FIN: u8 = 0x80;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

pub fn options(binary: BinarySink) -> WebSocketOptions {
    WebSocketOptions {
        binary,
        extra_fields: Vec::new(),
    }
}

pub fn server(binary: BinarySink) -> Peer {
    let mut peer = Peer::new(Connection::server(NOW));
    peer.input(NOW, UPGRADE.as_bytes());
    assert!(matches!(peer.poll(), Some((Event::Request(_), _))));
    peer.connection
        .accept_websocket(NOW, options(binary))
        .unwrap();
    assert!(peer.connection.is_websocket());
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "the example of RFC 6455, section 1.3, and no extension"
    );
    peer
}

pub fn client() -> Peer {
    let mut peer = Peer::new(Connection::client(NOW));
    peer.connection
        .request_websocket(
            NOW,
            "/ws",
            "a",
            *b"the sample nonce",
            options(BinarySink::Deliver),
        )
        .unwrap();
    let request = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(
        request.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        "{request}"
    );
    assert!(!request.contains("Extensions"));
    peer.input(
        NOW,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    assert_eq!(peer.drain(), [Event::Upgraded]);
    peer
}

pub fn header(first: u8, masked: bool, length: usize) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match length {
        0..=125 => out.push(bit | length as u8),
        126..=65_535 => {
            out.push(bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&MASK);
    }
    out
}

/// A frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, true, payload.len());
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// A frame as a server sends it.
pub fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, false, payload.len()), payload.to_vec()].concat()
}

pub fn closing(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

pub fn message(peer: &mut Peer) -> (MessageKind, Vec<u8>) {
    match peer.poll() {
        Some((Event::Message(kind), payload)) => (kind, payload),
        other => panic!("no message but {other:?}"),
    }
}

//! A client that says exactly the bytes it is told, however wrong they are.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Longer than any of the node's deadlines that these checks wait for.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// An HTTP response, taken apart as far as the checks need.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("connecting to the node")?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_write_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { stream })
    }

    /// Sends as much as the node takes: one that answers before it has heard all may close early.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            result => result.context("sending to the node"),
        }
    }

    /// Closes the connection the hard way when it still has unread input, else with a FIN.
    pub(super) fn vanish(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Everything until the node closes.
    pub(super) fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            // The node's answer came before its reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(bytes),
            result => result
                .map(|_| bytes)
                .context("the node did not close the connection"),
        }
    }

    /// The whole answer of a node that closes after it.
    pub(super) fn last_response(&mut self) -> Result<Response> {
        Response::parse(&self.read_to_end()?)
    }

    /// One response with a Content-Length, on a connection that stays open.
    pub(super) fn response(&mut self) -> Result<Response> {
        let head = self.head()?;
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.stream
            .read_exact(&mut body)
            .context("reading the body")?;
        Response::new(head, body)
    }

    /// Asks for a WebSocket at `path` and reads the answer's head.
    pub(crate) fn upgrade(address: SocketAddr, path: &str) -> Result<Self> {
        let mut raw = Self::connect(address)?;
        raw.send(
            format!(
                "GET {path} HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            .as_bytes(),
        )?;
        let head = raw.head()?;
        ensure!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        Ok(raw)
    }

    /// Sends small messages without waiting for more to send (`TCP_NODELAY`).
    pub(crate) fn send_at_once(&self) -> Result<()> {
        Ok(self.stream.set_nodelay(true)?)
    }

    /// The payload of the next binary message, other frames before it skipped.
    pub(crate) fn binary_message(&mut self) -> Result<Vec<u8>> {
        loop {
            let (opcode, payload) = self.frame()?;
            if opcode == 2 {
                return Ok(payload);
            }
        }
    }

    /// The code of the close frame that comes next, control and data frames before it skipped.
    pub(super) fn close_code(&mut self) -> Result<u16> {
        loop {
            let (opcode, payload) = self.frame()?;
            if opcode == 8 {
                let code = payload
                    .first_chunk::<2>()
                    .context("a close frame without a code")?;
                return Ok(u16::from_be_bytes(*code));
            }
        }
    }

    /// The next frame's opcode and payload.
    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream
            .read_exact(&mut head)
            .context("reading a frame")?;
        let mut extended = [0; 8];
        let length = match head[1] & 0x7f {
            126 => {
                self.stream.read_exact(&mut extended[6..])?;
                u64::from_be_bytes(extended)
            }
            127 => {
                self.stream.read_exact(&mut extended)?;
                u64::from_be_bytes(extended)
            }
            short => u64::from(short),
        };
        let mut payload = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut payload)?;
        Ok((head[0] & 0x0f, payload))
    }

    fn head(&mut self) -> Result<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte).with_context(|| {
                format!("reading a head, after {:?}", String::from_utf8_lossy(&head))
            })?;
            head.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }
}

impl Response {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .with_context(|| format!("no response in {:?}", String::from_utf8_lossy(bytes)))?;
        let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
        Self::new(head, bytes[end + 4..].to_vec())
    }

    fn new(head: String, body: Vec<u8>) -> Result<Self> {
        let status = head
            .split_whitespace()
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("no status in {head:?}"))?;
        Ok(Self { status, head, body })
    }

    /// Whether the head has this field, whatever the case of its name.
    pub(super) fn has_field(&self, field: &str) -> bool {
        self.head.lines().any(|line| {
            line.to_ascii_lowercase()
                .starts_with(&field.to_ascii_lowercase())
        })
    }

    /// Fails unless this is the error reply of the wire protocol, with this status.
    pub(super) fn ensure_error(&self, status: u16) -> Result<()> {
        ensure!(
            self.status == status,
            "status {} instead of {status}",
            self.status
        );
        let body: Value = serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "the body is not JSON: {:?}",
                String::from_utf8_lossy(&self.body)
            )
        })?;
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        ensure!(
            !text("code").is_empty() && text("message").len() > 10,
            "an error without its code or message: {body}"
        );
        Ok(())
    }
}

/// A WebSocket frame as a client sends it; `masked` false breaks the protocol.
pub(crate) fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    let mask_bit = if masked { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => bytes.push(mask_bit | short),
        (_, Ok(medium)) => {
            bytes.push(mask_bit | 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend(key);
        bytes.extend(
            payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
    } else {
        bytes.extend(payload);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_shortest_length_field() {
        assert_eq!(frame(2, &[1; 125], false)[1], 125);
        assert_eq!(frame(2, &[1; 126], false)[1..4], [126, 0, 126]);
        assert_eq!(
            frame(2, &[1; 65_536], false)[1..10],
            [127, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }

    #[test]
    fn a_response_is_taken_apart() {
        let response = Response::parse(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n\r\n{}")
            .expect("a response");
        assert_eq!(
            (response.status, response.body.as_slice()),
            (405, b"{}".as_slice())
        );
        assert!(response.has_field("allow: get"));
    }
}

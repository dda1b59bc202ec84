//! One blocking GET at a time, for what the bench asks the node beside its load. Nothing of this runs on a loop.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;

/// A node that is busy answers late; one that does not answer in this time does not answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Far above any answer of the node; more is not kept.
const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The JSON that the node answers to `GET path`, whatever its status.
///
/// # Errors
/// No connection, no whole answer, or not this JSON.
pub(crate) fn json<T: DeserializeOwned>(node: SocketAddr, path: &str) -> Result<T> {
    let answer = get(node, path).with_context(|| format!("GET {path} at {node}"))?;
    let body = body_of(&answer).with_context(|| format!("GET {path} at {node}"))?;
    serde_json::from_slice(body).with_context(|| format!("the answer to GET {path} at {node}"))
}

fn get(node: SocketAddr, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&node, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(BODY_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// What follows the head, which must announce its length: the node does so for every JSON answer.
pub(crate) fn body_of(answer: &[u8]) -> Result<&[u8]> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("the answer ended within its head");
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let announced = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse::<usize>().ok())
        .context("the answer announces no length")?;
    let body = &answer[end + 4..];
    ensure!(
        body.len() == announced,
        "{} of {announced} bytes came",
        body.len()
    );
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_follows_the_head_and_must_be_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(body_of(answer).expect("whole"), b"{}");
        assert!(body_of(&answer[..answer.len() - 1]).is_err());
        assert!(body_of(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}

//! How long a test waits for its load: from `POST /api/tests` to the first byte of the download that it allows, as a client
//! sees it that opens a connection for each.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use protocol::message::test::TestAdmission;

use super::results::{StartOfLoad, Tail};
use crate::http::body_of;

const PATIENCE: Duration = Duration::from_secs(3);

/// Starts so many tests, one after the other.
///
/// # Errors
/// When one is not admitted, or its download does not start.
pub(crate) fn measure(node: SocketAddr, tests: usize) -> Result<StartOfLoad> {
    let times = (0..tests)
        .map(|_| once(node))
        .collect::<Result<Vec<f64>>>()?;
    let ms = Tail::of(times).context("no test was started")?;
    Ok(StartOfLoad { ms })
}

/// One test's time, ms.
fn once(node: SocketAddr) -> Result<f64> {
    let body = r#"{"mode":"single","client":{"name":"bench"}}"#;
    let begun = Instant::now();
    let post = format!(
        "POST /api/tests HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(node, &post)?;
    let admission: TestAdmission =
        serde_json::from_slice(body_of(&answer)?).context("the answer to POST /api/tests")?;
    let mut load = connect(node)?;
    write!(
        load,
        "GET /download?test_id={} HTTP/1.1\r\nHost: {node}\r\n\r\n",
        admission.test_id
    )?;
    read_first_payload_byte(&mut load)?;
    let elapsed = begun.elapsed();
    drop(load);
    let delete = format!(
        "DELETE /api/tests/{} HTTP/1.1\r\nHost: {node}\r\nAuthorization: Bearer {}\r\n\
         Connection: close\r\n\r\n",
        admission.test_id, admission.token
    );
    let answer = exchange(node, &delete)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "DELETE was refused");
    Ok(elapsed.as_secs_f64() * 1e3)
}

fn connect(node: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&node, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(node: SocketAddr, request: &str) -> Result<Vec<u8>> {
    let mut stream = connect(node)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Reads until something follows the head of a 200.
fn read_first_payload_byte(stream: &mut TcpStream) -> Result<()> {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        ensure!(count > 0, "the download ended within its head");
        answer.extend_from_slice(&piece[..count]);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            ensure!(
                answer.starts_with(b"HTTP/1.1 200"),
                "the download was refused"
            );
            if answer.len() > end + 4 {
                return Ok(());
            }
        }
    }
}

//! What answers as a node does, and reports a line on which load adds 300 ms. It carries neither WebSockets nor load.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use protocol::measure;
use protocol::message::report::NodeSummary;
use protocol::message::samples::TestSamples;
use protocol::message::test::{Endpoints, Phase, TestAdmission};

const ADDED_US: u64 = 300_000;
const TEST_ID: &str = "0123456789abcdef0123456789abcdef";

/// It ends with the test program.
pub(crate) struct FakeNode {
    pub(crate) url: String,
}

impl FakeNode {
    /// On a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let url = format!("http://{address}");
        let admission = admission(&address.to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let admission = admission.clone();
                std::thread::spawn(move || serve(&stream.expect("a client"), &admission));
            }
        });
        Self { url }
    }
}

fn admission(address: &str) -> TestAdmission {
    let http = |path: &str| format!("http://{address}{path}");
    let ws = |path: &str| format!("ws://{address}{path}");
    TestAdmission {
        test_id: TEST_ID.to_owned(),
        token: "token".to_owned(),
        expires_s: 300,
        endpoints: Endpoints {
            ping_ws: ws("/none"),
            ping_ws_fallback: ws("/none"),
            ping_http: http("/ping"),
            warmup: http("/none"),
            download: http("/none"),
            upload: http("/none"),
            bulk_download_ws: ws("/none"),
            bulk_upload_ws: ws("/none"),
            report: http("/report"),
            test: http("/none"),
        },
        phases: measure::phases::single_user(),
        flows_max: 4,
    }
}

/// Answers until the client is gone, or asks for what is not here.
fn serve(mut stream: &TcpStream, admission: &TestAdmission) {
    let mut input = BufReader::new(stream);
    while let Some((path, body)) = next_request(&mut input) {
        let (status, answer) = match path.as_str() {
            "/ping" => (200, b"pong".to_vec()),
            "/api/tests" => (201, serde_json::to_vec(admission).expect("JSON")),
            "/report" => (200, report(&body)),
            _ => (404, Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let sent = stream.write_all(&[head.as_bytes(), &answer].concat());
        if status == 404 || sent.is_err() {
            return;
        }
    }
}

/// Path and body; no body of a request that is not answered anyway.
fn next_request(input: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut path = None;
    let mut length = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
        if path.is_none() {
            path = Some(line.split(' ').nth(1)?.to_owned());
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        } else if line == "\r\n" {
            break;
        }
    }
    let path = path?;
    let mut body = Vec::new();
    if !path.starts_with("/none") {
        input.take(length).read_to_end(&mut body).ok()?;
    }
    Some((path, body))
}

/// As a node computes it, of probes that took longer under load.
fn report(body: &[u8]) -> Vec<u8> {
    let mut samples: TestSamples = serde_json::from_slice(body).expect("samples");
    let loaded = samples
        .phases
        .iter()
        .find(|span| span.phase != Phase::Baseline);
    let loaded_us = loaded.expect("a phase under load").start_us;
    for probe in &mut samples.probes {
        if probe.sent_us >= loaded_us {
            probe.received_us = probe.received_us.map(|at_us| at_us + ADDED_US);
        }
    }
    let report = measure::report::compute(&samples, NodeSummary::default(), TEST_ID);
    serde_json::to_vec(&report.expect("sound samples")).expect("JSON")
}

//! Clients that are wrong, slow or gone: each gets its answer, none leaves anything behind.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Bench;
use super::check::{Check, Verdict};
use super::raw::{Raw, Response, frame};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// The node's own deadlines for a head and for a peer that doesn't read.
const NODE_DEADLINE: Duration = Duration::from_secs(10);
/// What a deadline may be late on a busy machine.
const LATENESS_MAX: Duration = Duration::from_secs(4);
/// A client that vanished is noticed at once.
const NOTICE_LIMIT: Duration = Duration::from_secs(3);

pub(super) const CHECKS: &[Check<Bench>] = &[
    Check {
        name: "a_garbage_request_gets_400",
        run: garbage,
    },
    Check {
        name: "a_header_of_1_mb_gets_431",
        run: huge_header,
    },
    Check {
        name: "a_stalled_head_gets_408_after_10_s",
        run: stalled_head,
    },
    Check {
        name: "a_client_that_vanishes_in_its_upload_leaves_no_flow",
        run: vanishing_upload,
    },
    Check {
        name: "a_client_that_vanishes_in_its_download_leaves_no_flow",
        run: vanishing_download,
    },
    Check {
        name: "a_reader_that_stops_is_ended_after_10_s",
        run: stopped_reader,
    },
    Check {
        name: "an_unmasked_frame_closes_with_1002",
        run: unmasked,
    },
    Check {
        name: "an_oversized_message_closes_with_1009",
        run: oversized,
    },
    Check {
        name: "invalid_utf_8_closes_with_1007",
        run: invalid_utf_8,
    },
    Check {
        name: "a_probe_of_a_wrong_length_closes_with_a_protocol_code",
        run: wrong_probe,
    },
    Check {
        name: "plain_http_to_a_websocket_path_gets_426",
        run: no_upgrade,
    },
    Check {
        name: "an_unknown_path_gets_404",
        run: unknown_path,
    },
    Check {
        name: "a_wrong_method_gets_405_with_allow",
        run: wrong_method,
    },
    Check {
        name: "conflicting_lengths_get_400",
        run: conflicting_lengths,
    },
    Check {
        name: "a_bad_parameter_gets_400",
        run: bad_parameter,
    },
    Check {
        name: "an_upload_without_a_length_gets_411",
        run: no_length,
    },
];

fn passed() -> Result<Verdict> {
    Ok(Verdict::Passed(String::new()))
}

fn answer_to(bench: &Bench, bytes: &[u8]) -> Result<Response> {
    let mut raw = Raw::connect(bench.daemon.main())?;
    raw.send(bytes)?;
    raw.response()
}

fn request(method: &str, path: &str, fields: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: node\r\n{fields}\r\n").into_bytes()
}

fn garbage(bench: &Bench) -> Result<Verdict> {
    let mut raw = Raw::connect(bench.daemon.main())?;
    raw.send(b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n")?;
    raw.last_response()?.ensure_error(400)?;
    passed()
}

fn huge_header(bench: &Bench) -> Result<Verdict> {
    let mut raw = Raw::connect(bench.daemon.main())?;
    let value = "x".repeat(1_000_000);
    raw.send(&request("GET", "/ping", &format!("X-Long: {value}\r\n")))?;
    raw.last_response()?.ensure_error(431)?;
    passed()
}

fn stalled_head(bench: &Bench) -> Result<Verdict> {
    let mut raw = Raw::connect(bench.daemon.main())?;
    let started = Instant::now();
    raw.send(b"GET /ping HTTP/1.1\r\nHo")?;
    raw.last_response()?.ensure_error(408)?;
    after_deadline(started)
}

fn after_deadline(started: Instant) -> Result<Verdict> {
    let elapsed = started.elapsed();
    let is_on_time =
        elapsed > NODE_DEADLINE - Duration::from_secs(1) && elapsed < NODE_DEADLINE + LATENESS_MAX;
    Ok(Verdict::of(
        is_on_time,
        format!("after {:.1} s", elapsed.as_secs_f64()),
    ))
}

fn vanishing_upload(bench: &Bench) -> Result<Verdict> {
    let test = AdmittedTest::new(bench)?;
    let mut raw = Raw::connect(bench.daemon.main())?;
    raw.send(&request(
        "POST",
        &format!("/upload?test_id={}", test.id),
        "Content-Length: 100000000\r\n",
    ))?;
    raw.send(&[0; 1_000_000])?;
    test.wait_for_flows(bench, 1)?;
    raw.vanish();
    test.wait_for_flows(bench, 0)?;
    passed()
}

fn vanishing_download(bench: &Bench) -> Result<Verdict> {
    let test = AdmittedTest::new(bench)?;
    let mut raw = Raw::connect(bench.daemon.main())?;
    raw.send(&request(
        "GET",
        &format!("/download?test_id={}", test.id),
        "",
    ))?;
    test.wait_for_flows(bench, 1)?;
    raw.vanish();
    test.wait_for_flows(bench, 0)?;
    passed()
}

fn stopped_reader(bench: &Bench) -> Result<Verdict> {
    let test = AdmittedTest::new(bench)?;
    let mut raw = Raw::connect(bench.daemon.main())?;
    raw.send(&request(
        "GET",
        &format!("/download?test_id={}", test.id),
        "",
    ))?;
    test.wait_for_flows(bench, 1)?;
    let started = Instant::now();
    test.wait_for_flows_within(bench, 0, NODE_DEADLINE + LATENESS_MAX)?;
    let verdict = after_deadline(started);
    // Until here the connection was open, and nothing was read from it.
    raw.vanish();
    verdict
}

fn close_code_after(bench: &Bench, path: &str, bytes: &[u8], expected: &[u16]) -> Result<Verdict> {
    let mut raw = Raw::upgrade(bench.daemon.main(), path)?;
    raw.send(bytes)?;
    let code = raw.close_code()?;
    Ok(Verdict::of(
        expected.contains(&code),
        format!("close code {code}"),
    ))
}

fn unmasked(bench: &Bench) -> Result<Verdict> {
    close_code_after(bench, "/ws/ping", &frame(BINARY, &[0; 16], false), &[1002])
}

fn oversized(bench: &Bench) -> Result<Verdict> {
    close_code_after(
        bench,
        "/ws/ping",
        &frame(BINARY, &[0; 70_000], true),
        &[1009],
    )
}

fn invalid_utf_8(bench: &Bench) -> Result<Verdict> {
    close_code_after(
        bench,
        "/ws/ping",
        &frame(TEXT, &[0xc3, 0x28], true),
        &[1007],
    )
}

fn wrong_probe(bench: &Bench) -> Result<Verdict> {
    close_code_after(
        bench,
        "/ws/ping",
        &frame(BINARY, &[1; 5], true),
        &[1002, 1003, 1007, 1008],
    )
}

fn no_upgrade(bench: &Bench) -> Result<Verdict> {
    let response = answer_to(bench, &request("GET", "/ws/ping", ""))?;
    response.ensure_error(426)?;
    Ok(Verdict::of(
        response.has_field("Upgrade: websocket"),
        response.head,
    ))
}

fn unknown_path(bench: &Bench) -> Result<Verdict> {
    answer_to(bench, &request("GET", "/no/such/path", ""))?.ensure_error(404)?;
    passed()
}

fn wrong_method(bench: &Bench) -> Result<Verdict> {
    let response = answer_to(bench, &request("DELETE", "/ping", ""))?;
    response.ensure_error(405)?;
    Ok(Verdict::of(response.has_field("Allow:"), response.head))
}

fn conflicting_lengths(bench: &Bench) -> Result<Verdict> {
    let fields = "Content-Length: 5\r\nContent-Length: 6\r\n";
    answer_to(bench, &request("POST", "/upload", fields))?.ensure_error(400)?;
    passed()
}

fn bad_parameter(bench: &Bench) -> Result<Verdict> {
    for query in ["bytes=-1", "bytes=many", "bytes=99999999999999999999"] {
        answer_to(bench, &request("GET", &format!("/download?{query}"), ""))?
            .ensure_error(400)
            .with_context(|| query.to_owned())?;
    }
    passed()
}

fn no_length(bench: &Bench) -> Result<Verdict> {
    answer_to(bench, &request("POST", "/upload", ""))?.ensure_error(411)?;
    passed()
}

/// A test that the node has admitted, whose flows it counts.
struct AdmittedTest {
    id: String,
    token: String,
}

impl AdmittedTest {
    fn new(bench: &Bench) -> Result<Self> {
        let body = r#"{"mode":"single","client":{"name":"xtask"}}"#;
        let fields = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let mut bytes = request("POST", "/api/tests", &fields);
        bytes.extend(body.as_bytes());
        let response = answer_to(bench, &bytes)?;
        ensure!(response.status == 201, "POST /api/tests: {}", response.head);
        let admission: Value = serde_json::from_slice(&response.body)?;
        let text = |name: &str| -> Result<String> {
            Ok(admission[name]
                .as_str()
                .with_context(|| format!("no {name}"))?
                .to_owned())
        };
        Ok(Self {
            id: text("test_id")?,
            token: text("token")?,
        })
    }

    fn open_flows(&self, bench: &Bench) -> Result<u64> {
        let fields = format!("Authorization: Bearer {}\r\n", self.token);
        let response = answer_to(
            bench,
            &request("GET", &format!("/api/tests/{}", self.id), &fields),
        )?;
        let status: Value = serde_json::from_slice(&response.body)?;
        status["open_flows"]
            .as_u64()
            .with_context(|| format!("no open_flows in {status}"))
    }

    fn wait_for_flows(&self, bench: &Bench, flows: u64) -> Result<()> {
        self.wait_for_flows_within(bench, flows, NOTICE_LIMIT)
    }

    fn wait_for_flows_within(&self, bench: &Bench, flows: u64, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let open = self.open_flows(bench)?;
            if open == flows {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{open} flows instead of {flows} after {} s",
                    limit.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

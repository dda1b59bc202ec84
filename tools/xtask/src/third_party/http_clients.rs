//! curl and wrk.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::check::{Check, Verdict};
use crate::process::output;

const GIBIBYTE: u64 = 1 << 30;
/// A transfer of 1 GiB takes seconds; a busy machine may take this long.
const RUN_LIMIT: Duration = Duration::from_secs(90);

pub(super) const CHECKS: &[Check<Bench>] = &[
    Check {
        name: "curl_gets_every_plain_endpoint",
        run: gets,
    },
    Check {
        name: "curl_gets_the_page",
        run: page,
    },
    Check {
        name: "curl_reaches_the_ping_role",
        run: ping_role,
    },
    Check {
        name: "curl_reaches_the_node_by_ipv6",
        run: ipv6,
    },
    Check {
        name: "curl_head_has_the_length_and_no_body",
        run: head,
    },
    Check {
        name: "curl_http_1_0_downloads_to_the_byte",
        run: http_1_0,
    },
    Check {
        name: "curl_range_requests_get_a_true_answer",
        run: range,
    },
    Check {
        name: "curl_reuses_its_connection",
        run: keep_alive,
    },
    Check {
        name: "curl_downloads_1_gib_to_the_byte",
        run: download,
    },
    Check {
        name: "curl_upload_of_1_gib_is_counted_to_the_byte",
        run: upload,
    },
    Check {
        name: "curl_chunked_upload_is_counted_to_the_byte",
        run: chunked,
    },
    Check {
        name: "curl_is_told_to_continue",
        run: expect_continue,
    },
    Check {
        name: "curl_speaks_the_api",
        run: api,
    },
    Check {
        name: "wrk_finds_no_error_on_ping",
        run: wrk_ping,
    },
    Check {
        name: "wrk_finds_no_error_on_small_downloads",
        run: wrk_download,
    },
];

fn curl(arguments: &[&str]) -> Result<String> {
    output(
        Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*"])
            .args(arguments),
        RUN_LIMIT,
    )
}

fn gets(bench: &Bench) -> Result<Verdict> {
    let url = bench.daemon.url();
    let pong = curl(&["--fail", &format!("{url}/ping")])?;
    ensure!(pong.trim() == "pong", "/ping answered {pong:?}");
    curl(&["--fail", &format!("{url}/warmup")])?;
    let health: Value = serde_json::from_str(&curl(&["--fail", &format!("{url}/health")])?)?;
    ensure!(health["status"] == "ok", "/health answered {health}");
    for bytes in [1_u64, 1000, 65_536, 1_000_003] {
        let size = size(&[&format!("{url}/download?bytes={bytes}")])?;
        ensure!(size == bytes, "{size} bytes for bytes={bytes}");
    }
    Ok(Verdict::Passed(String::new()))
}

fn page(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/", bench.daemon.url());
    let html = curl(&["--fail", "--compressed", &url])?;
    ensure!(
        html.to_ascii_lowercase().contains("<!doctype html>"),
        "not a page: {html:.100}"
    );
    let etag = curl(&[
        "--head",
        "--write-out",
        "%header{etag}",
        "--output",
        "/dev/null",
        &url,
    ])?;
    ensure!(!etag.trim().is_empty(), "no ETag");
    let condition = format!("If-None-Match: {}", etag.trim());
    let status = curl(&[
        "--head",
        "--header",
        &condition,
        "--write-out",
        "%{http_code}",
        "--output",
        "/dev/null",
        &url,
    ])?;
    Ok(Verdict::of(
        status == "304",
        format!("{status} to its own ETag"),
    ))
}

fn ping_role(bench: &Bench) -> Result<Verdict> {
    let pong = curl(&["--fail", &format!("http://{}/ping", bench.daemon.ping())])?;
    Ok(Verdict::of(pong.trim() == "pong", pong))
}

fn ipv6(bench: &Bench) -> Result<Verdict> {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return Ok(Verdict::Skipped("this machine has no IPv6".into()));
    }
    let url = format!("http://[::1]:{}/ping", bench.daemon.main().port());
    let pong = curl(&["--fail", "--globoff", &url])?;
    Ok(Verdict::of(pong.trim() == "pong", pong))
}

fn head(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/download?bytes=12345", bench.daemon.url());
    let head = curl(&["--head", "--fail", &url])?.to_ascii_lowercase();
    Ok(Verdict::of(
        head.contains("content-length: 12345\r\n"),
        head,
    ))
}

fn http_1_0(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/download?bytes=100000", bench.daemon.url());
    let size = size(&["--http1.0", &url])?;
    Ok(Verdict::of(size == 100_000, format!("{size} bytes")))
}

/// A server may ignore a range (RFC 9110, section 14.2) but must not then call its answer a part.
fn range(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/download?bytes=1000", bench.daemon.url());
    let seen = curl(&[
        "--range",
        "0-9",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code} %{size_download}",
        &url,
    ])?;
    Ok(Verdict::of(seen == "200 1000" || seen == "206 10", seen))
}

fn keep_alive(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/ping", bench.daemon.url());
    let connects = curl(&[
        "--write-out",
        "%{num_connects} ",
        "--output",
        "/dev/null",
        &url,
        "--output",
        "/dev/null",
        &url,
    ])?;
    Ok(Verdict::of(
        connects.trim() == "1 0",
        format!("new connections: {}", connects.trim()),
    ))
}

fn download(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/download?bytes={GIBIBYTE}", bench.daemon.url());
    let seen = curl(&[
        "--fail",
        "--output",
        "/dev/null",
        "--write-out",
        "%{size_download} %{speed_download}",
        &url,
    ])?;
    let (size, speed) = seen.split_once(' ').context("curl's figures")?;
    Ok(Verdict::of(
        size.parse() == Ok(GIBIBYTE),
        format!("{size} bytes, {}", mbps(speed)),
    ))
}

fn upload(bench: &Bench) -> Result<Verdict> {
    let file = bench.folder.join("gibibyte");
    // Sparse: it takes no room on the disk.
    File::create(&file)?.set_len(GIBIBYTE)?;
    let url = format!("{}/upload", bench.daemon.url());
    let reply = curl(&["--fail", "--upload-file", &file.to_string_lossy(), &url])?;
    let reply: Value = serde_json::from_str(&reply)?;
    let text = format!("{} bytes, {} Mbit/s", reply["bytes"], reply["goodput_mbps"]);
    Ok(Verdict::of(reply["bytes"] == GIBIBYTE, text))
}

fn chunked(bench: &Bench) -> Result<Verdict> {
    let bytes = 50_000_017;
    let file = sparse(bench, "chunked", bytes)?;
    let url = format!("{}/upload", bench.daemon.url());
    // curl sends what it reads from a pipe in chunks: it can't know the length.
    let script = format!(
        "cat '{}' | curl --silent --show-error --noproxy '*' --fail --request POST --upload-file - '{url}'",
        file.display()
    );
    let reply: Value = serde_json::from_str(&output(
        Command::new("sh").args(["-c", &script]),
        RUN_LIMIT,
    )?)?;
    Ok(Verdict::of(reply["bytes"] == bytes, reply.to_string()))
}

fn expect_continue(bench: &Bench) -> Result<Verdict> {
    let file = sparse(bench, "expected", 2_000_000)?;
    let url = format!("{}/upload", bench.daemon.url());
    let heads = bench.folder.join("continue-heads");
    let reply = curl(&[
        "--fail",
        "--header",
        "Expect: 100-continue",
        "--expect100-timeout",
        "5",
        "--dump-header",
        &heads.to_string_lossy(),
        "--upload-file",
        &file.to_string_lossy(),
        &url,
    ])?;
    let reply: Value = serde_json::from_str(&reply)?;
    let heads = std::fs::read_to_string(heads)?;
    let holds = heads.starts_with("HTTP/1.1 100") && reply["bytes"] == 2_000_000;
    Ok(Verdict::of(
        holds,
        heads.lines().next().unwrap_or_default().to_owned(),
    ))
}

fn api(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/api/tests", bench.daemon.url());
    let request = r#"{"mode":"single","client":{"name":"curl"}}"#;
    let admitted = curl(&[
        "--fail",
        "--header",
        "Content-Type: application/json",
        "--data",
        request,
        &url,
    ])?;
    let admitted: Value = serde_json::from_str(&admitted)?;
    let id = admitted["test_id"].as_str().context("no test_id")?;
    let token = admitted["token"].as_str().context("no token")?;
    let authorization = format!("Authorization: Bearer {token}");
    let test = format!("{url}/{id}");
    let status: Value =
        serde_json::from_str(&curl(&["--fail", "--header", &authorization, &test])?)?;
    ensure!(status["open_flows"] == 0, "a new test has flows: {status}");
    let without_token = curl(&[
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--request",
        "DELETE",
        &test,
    ])?;
    ensure!(
        without_token == "401" || without_token == "403",
        "DELETE without a token: {without_token}"
    );
    let deleted = curl(&[
        "--fail",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--request",
        "DELETE",
        "--header",
        &authorization,
        &test,
    ])?;
    Ok(Verdict::of(
        deleted.starts_with("20"),
        format!("DELETE: {deleted}"),
    ))
}

fn wrk_ping(bench: &Bench) -> Result<Verdict> {
    wrk(&format!("{}/ping", bench.daemon.url()))
}

fn wrk_download(bench: &Bench) -> Result<Verdict> {
    wrk(&format!("{}/download?bytes=1000", bench.daemon.url()))
}

fn wrk(url: &str) -> Result<Verdict> {
    let seen = output(
        Command::new("wrk").args([
            "--threads",
            "1",
            "--connections",
            "16",
            "--duration",
            "3s",
            url,
        ]),
        RUN_LIMIT,
    )?;
    let rate = seen
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))
        .map(str::trim)
        .context("wrk printed no rate")?;
    let fault = seen
        .lines()
        .find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
    Ok(match fault {
        None => Verdict::of(!rate.starts_with("0."), format!("{rate} requests/s")),
        Some(fault) => Verdict::Failed(fault.trim().to_owned()),
    })
}

fn size(arguments: &[&str]) -> Result<u64> {
    let always = [
        "--fail",
        "--output",
        "/dev/null",
        "--write-out",
        "%{size_download}",
    ];
    Ok(curl(&[&always, arguments].concat())?.trim().parse()?)
}

fn sparse(bench: &Bench, name: &str, bytes: u64) -> Result<PathBuf> {
    let file = bench.folder.join(name);
    File::create(&file)?.set_len(bytes)?;
    Ok(file)
}

fn mbps(bytes_per_s: &str) -> String {
    bytes_per_s.parse::<f64>().map_or_else(
        |_| bytes_per_s.to_owned(),
        |rate| format!("{:.0} Mbit/s", rate * 8.0 / 1e6),
    )
}

//! curl, nghttp, h2load and Python's h2 over HTTP/2, and peers that break it, against a daemon of their own with TLS.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::check::{Check, Verdict, run_all};
use super::websocket_clients::scripts;
use crate::daemon::{Daemon, Place};
use crate::process::output;
use crate::suite::Counts;

/// The attacks take some 30 s, most of which they wait for deadlines of the node's; a busy machine takes much longer.
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// What the node may have grown by when the attacks are over.
const GROWTH_KIB_MAX: u64 = 8 * 1024;

struct Bench {
    daemon: Daemon,
    folder: PathBuf,
    /// A Python that has `h2`, or why there is none.
    python: Result<PathBuf, String>,
}

const CHECKS: &[Check<Bench>] = &[
    Check {
        name: "curl_agrees_on_http_2_and_gets_the_page",
        run: page,
    },
    Check {
        name: "curl_without_http_2_is_served_as_before",
        run: without,
    },
    Check {
        name: "curl_http_2_downloads_1_gib_to_the_byte",
        run: download,
    },
    Check {
        name: "curl_http_2_upload_is_counted_to_the_byte",
        run: upload,
    },
    Check {
        name: "nghttp_gets_every_plain_endpoint_on_one_connection",
        run: nghttp,
    },
    Check {
        name: "h2load_gets_an_answer_to_every_request",
        run: h2load,
    },
    Check {
        name: "python_h2_downloads_on_many_streams_to_the_byte",
        run: |bench| python(bench, "download", bench.daemon.main().port()),
    },
    Check {
        name: "python_h2_upload_is_counted_to_the_byte",
        run: |bench| python(bench, "upload", bench.daemon.main().port()),
    },
    Check {
        name: "python_h2_speaks_to_every_kind_of_endpoint",
        run: |bench| python(bench, "api", bench.daemon.main().port()),
    },
    Check {
        name: "the_ping_role_offers_no_http_2",
        run: |bench| python(bench, "other_roles", bench.daemon.ping().port()),
    },
    Check {
        name: "attacks_are_answered_as_rfc_9113_says_and_leave_no_memory_behind",
        run: attacks,
    },
];

/// Runs all checks against a daemon that offers HTTP/2; `folder` is for what they write.
///
/// # Errors
/// When it doesn't start, or doesn't stop as it should after all that.
pub(super) fn run(folder: &Path, python: Result<PathBuf, String>) -> Result<Counts> {
    let folder = folder.join("http2");
    std::fs::create_dir_all(&folder)?;
    let (chain, key) = (folder.join("node.pem"), folder.join("node.key"));
    make_certificate(&chain, &key)?;
    let paths = [chain.to_string_lossy(), key.to_string_lossy()];
    let flags = [
        "--profile-ports",
        "0",
        "--http2",
        "true",
        "--ssl-certfile",
        &paths[0],
        "--ssl-keyfile",
        &paths[1],
    ];
    let daemon = Daemon::start_with(Place::Loopback, &folder, "https", &flags)?;
    let bench = Bench {
        daemon,
        folder,
        python,
    };
    let counts = run_all(&bench, CHECKS, 1);
    bench.daemon.stop()?;
    Ok(counts)
}

fn make_certificate(chain: &Path, key: &Path) -> Result<()> {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-out")
        .arg(chain)
        .arg("-keyout")
        .arg(key);
    output(&mut command, RUN_LIMIT).context("openssl makes a certificate")?;
    Ok(())
}

/// What curl says of a transfer: version, status, bytes.
fn curl(bench: &Bench, arguments: &[&str], path: &str) -> Result<String> {
    output(
        Command::new("curl")
            .args(["--silent", "--show-error", "--insecure", "--output"])
            .arg(bench.folder.join("curl.out"))
            .args([
                "--write-out",
                "HTTP/%{http_version} %{http_code} %{size_download}",
            ])
            .args(arguments)
            .arg(format!("{}{path}", bench.daemon.url())),
        RUN_LIMIT,
    )
}

fn page(bench: &Bench) -> Result<Verdict> {
    let seen = curl(bench, &["--http2"], "/")?;
    let text = std::fs::read_to_string(bench.folder.join("curl.out"))?;
    let is_page = seen.starts_with("HTTP/2 200 ") && text.contains("<html");
    Ok(Verdict::of(is_page, seen))
}

fn without(bench: &Bench) -> Result<Verdict> {
    let seen = curl(bench, &["--http1.1"], "/ping")?;
    Ok(Verdict::of(seen.starts_with("HTTP/1.1 200 "), seen))
}

fn download(bench: &Bench) -> Result<Verdict> {
    let seen = curl(bench, &["--http2"], "/download?bytes=1073741824")?;
    std::fs::remove_file(bench.folder.join("curl.out"))?;
    Ok(Verdict::of(seen == "HTTP/2 200 1073741824", seen))
}

fn upload(bench: &Bench) -> Result<Verdict> {
    const BYTES: u64 = 200_000_003;
    let body = bench.folder.join("body");
    std::fs::File::create(&body)?.set_len(BYTES)?;
    let data = format!("@{}", body.display());
    let seen = curl(bench, &["--http2", "--data-binary", &data], "/upload")?;
    let reply: Value = serde_json::from_slice(&std::fs::read(bench.folder.join("curl.out"))?)?;
    let counts = reply["bytes"] == BYTES;
    Ok(Verdict::of(
        counts && seen.starts_with("HTTP/2 200"),
        format!("{seen}: {reply}"),
    ))
}

fn nghttp(bench: &Bench) -> Result<Verdict> {
    let paths = ["/ping", "/health", "/warmup", "/virtual-household/profiles"];
    let mut command = Command::new("nghttp");
    command.args(["--null-out", "--stat", "--verbose", "--no-dep"]);
    for path in paths {
        command.arg(format!("{}{path}", bench.daemon.url()));
    }
    let seen = output(&mut command, RUN_LIMIT)?;
    let answered = seen.matches(":status: 200").count();
    let connected = seen.matches("The negotiated protocol: h2").count();
    Ok(Verdict::of(
        answered == paths.len() && connected == 1,
        format!("{answered} answers on {connected} connections"),
    ))
}

fn h2load(bench: &Bench) -> Result<Verdict> {
    let url = format!("{}/ping", bench.daemon.url());
    let seen = output(
        Command::new("h2load").args(["-n", "20000", "-c", "8", "-m", "50", &url]),
        RUN_LIMIT,
    )?;
    let line = |start: &str| seen.lines().find(|line| line.starts_with(start));
    let requests = line("requests:").context("h2load counts its requests")?;
    ensure!(
        line("Application protocol: h2").is_some(),
        "h2load did not agree on h2:\n{seen}"
    );
    Ok(Verdict::of(
        requests.contains("20000 succeeded, 0 failed, 0 errored"),
        line("finished").unwrap_or(requests).to_owned(),
    ))
}

fn python(bench: &Bench, fact: &str, port: u16) -> Result<Verdict> {
    let python = match &bench.python {
        Ok(python) => python,
        Err(reason) => return Ok(Verdict::Skipped(reason.clone())),
    };
    let seen = output(
        Command::new(python)
            .arg(scripts().join("http2_check.py"))
            .args([fact, "127.0.0.1", &port.to_string()]),
        RUN_LIMIT,
    )?;
    Ok(Verdict::Passed(seen.trim().to_owned()))
}

fn attacks(bench: &Bench) -> Result<Verdict> {
    let before = resident_kib(bench)?;
    let verdict = python(bench, "attacks", bench.daemon.main().port())?;
    let Verdict::Passed(seen) = verdict else {
        return Ok(verdict);
    };
    let after = resident_kib(bench)?;
    Ok(Verdict::of(
        after <= before + GROWTH_KIB_MAX,
        format!("{seen}; {before} KiB before, {after} KiB after"),
    ))
}

/// Memory of all processes but the supervisor, KiB.
fn resident_kib(bench: &Bench) -> Result<u64> {
    let pid = bench.daemon.process_id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let resident = |pid: &str| -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().next());
        Ok(size.context("a process has memory")?.parse()?)
    };
    children.split_whitespace().map(resident).sum()
}

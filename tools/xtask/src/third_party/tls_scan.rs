//! testssl.sh against a node with a certificate: of all that it looks for it may find nothing that is worse than
//! information.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::check::{Check, Verdict, run_all};
use crate::daemon::{Daemon, Place};
use crate::process::{capture, output};
use crate::suite::Counts;

/// Some 20 s; a busy machine takes longer.
const SCAN_LIMIT: Duration = Duration::from_secs(240);
const OPENSSL_LIMIT: Duration = Duration::from_secs(20);

/// Protocols, cipher categories, forward secrecy, the certificate, HTTP headers, vulnerabilities: all but what takes minutes
/// and judges nothing.
const CHECKED: &[&str] = &["-p", "-s", "-f", "-S", "-h", "-U"];

/// What is told of this machine and its name, and not of the node.
const OF_THE_PLACE: &[(&str, &str)] = &[
    // The local openssl has no GOST ciphers.
    ("engine_problem", "WARN"),
    // `localhost` has no zone that could name an authority.
    ("DNS_CAArecord", "LOW"),
    // It hangs up before the ticket comes, now and then: openssl's own server fares the same.
    ("sessionresumption_ticket", "WARN"),
];

/// A scan that did not look at these has seen nothing.
const EXPECTED: &[&str] = &[
    "SSLv3",
    "TLS1",
    "TLS1_2",
    "TLS1_3",
    "cipherlist_3DES_IDEA",
    "cert_chain_of_trust",
    "cert_notAfter",
    "HSTS_time",
    "heartbleed",
    "ROBOT",
    "secure_client_renego",
    "BREACH",
    "LUCKY13",
];

/// Extensions of a certificate as an authority gives it. Of openssl's own file it is not known what it adds.
const EXTENSIONS: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[node]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost
crlDistributionPoints = URI:http://crl.example.net/1.crl
";

struct Bench {
    daemon: Daemon,
    folder: PathBuf,
}

const CHECKS: &[Check<Bench>] = &[Check {
    name: "testssl_finds_nothing_worse_than_information_on_the_main_port",
    run: scan,
}];

/// Scans a daemon that offers all that a node may be told to: TLS 1.2 and HTTP/2.
///
/// # Errors
/// When it doesn't start, or doesn't stop as it should after all that.
pub(super) fn run(folder: &Path) -> Result<Counts> {
    let folder = folder.join("tls-scan");
    std::fs::create_dir_all(&folder)?;
    make_certificates(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (chain, key) = (path("node.pem"), path("node.key"));
    let flags = [
        "--profile-ports",
        "0",
        "--tls-min",
        "1.2",
        "--http2",
        "true",
        "--ssl-certfile",
        &chain,
        "--ssl-keyfile",
        &key,
    ];
    let daemon = Daemon::start_with(Place::Loopback, &folder, "https", &flags)?;
    let bench = Bench { daemon, folder };
    let counts = run_all(&bench, CHECKS, 1);
    bench.daemon.stop()?;
    Ok(counts)
}

/// `root.pem`, and `node.pem` with `node.key` from it.
fn make_certificates(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("openssl.cnf"), EXTENSIONS)?;
    let make = |arguments: &str| {
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-config", "openssl.cnf", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            // testssl warns of less than 60 days, and of more than a year.
            .args(["-days", "89"])
            .args(arguments.split(' '))
            .current_dir(folder);
        output(&mut command, OPENSSL_LIMIT)
            .context("openssl, of version 3 or later, makes a certificate")
    };
    make("-subj /CN=root -extensions root -out root.pem -keyout root.key")?;
    make(
        "-subj /CN=localhost -extensions node -CA root.pem -CAkey root.key -out node.pem -keyout node.key",
    )?;
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Finding {
    id: String,
    severity: String,
    finding: String,
}

impl Finding {
    fn is_worse_than_information(&self) -> bool {
        let of_the_place = (self.id.as_str(), self.severity.as_str());
        !matches!(self.severity.as_str(), "OK" | "INFO") && !OF_THE_PLACE.contains(&of_the_place)
    }
}

fn scan(bench: &Bench) -> Result<Verdict> {
    let found = bench.folder.join("found.json");
    let mut command = Command::new("testssl");
    command
        .args(["--warnings", "off", "--color", "0", "--ip", "127.0.0.1"])
        .args(CHECKED)
        .arg("--add-ca")
        .arg(bench.folder.join("root.pem"))
        .arg("--jsonfile")
        .arg(&found)
        .arg(format!("localhost:{}", bench.daemon.main().port()));
    // Its exit code counts what could not be looked at.
    let said = capture(&mut command, SCAN_LIMIT)?;
    if said.status.is_none() {
        bail!("testssl had not finished after {} s", SCAN_LIMIT.as_secs());
    }
    let text = std::fs::read_to_string(&found).with_context(|| {
        format!(
            "testssl wrote nothing, and said\n{}{}",
            said.stdout, said.stderr
        )
    })?;
    let findings: Vec<Finding> = serde_json::from_str(&text).context("testssl's findings")?;
    for expected in EXPECTED {
        if !findings.iter().any(|finding| finding.id == *expected) {
            bail!("testssl did not look at {expected}:\n{}", said.stdout);
        }
    }
    let worse: Vec<String> = findings
        .iter()
        .filter(|finding| finding.is_worse_than_information())
        .map(|finding| format!("{} {}: {}", finding.severity, finding.id, finding.finding))
        .collect();
    Ok(Verdict::of(
        worse.is_empty(),
        if worse.is_empty() {
            format!("{} findings", findings.len())
        } else {
            worse.join("\n")
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_told_of_this_place_is_passed_over() {
        let is_worse = |id: &str, severity: &str| {
            Finding {
                id: id.to_owned(),
                severity: severity.to_owned(),
                finding: String::new(),
            }
            .is_worse_than_information()
        };
        assert!(!is_worse("BREACH", "OK") && !is_worse("TLS1", "INFO"));
        assert!(!is_worse("DNS_CAArecord", "LOW"));
        for severity in ["WARN", "LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"] {
            assert!(is_worse("BREACH", severity), "{severity}");
        }
        assert!(is_worse("sessionresumption_ticket", "MEDIUM"));
    }
}

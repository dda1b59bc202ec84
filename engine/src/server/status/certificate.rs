//! The certificate in a line: where it comes from, how long it lasts, and how getting the next one fares. Why an attempt
//! failed is among the health's reasons.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::message::node_status::{AcmeHealth, CertificateHealth, CertificateSource};

use super::table::{counted, duration};

/// `Certificate got by ACME 3 d 2 h ago, expires in 86 d 22 h; next attempt in 56 d 22 h`.
pub(super) fn line(certificate: &CertificateHealth, now: SystemTime) -> String {
    let now_unix_s = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let source = match certificate.source {
        CertificateSource::Files => "from files",
        CertificateSource::Acme => "by ACME",
        CertificateSource::Temporary => "temporary, trusted by no browser",
    };
    let expires = moment(certificate.not_after_unix_s, now_unix_s);
    let verb = if certificate.not_after_unix_s < now_unix_s {
        "expired"
    } else {
        "expires"
    };
    let mut line = format!("Certificate {source}, {verb} {expires}");
    if let Some(acme) = &certificate.acme {
        line.push_str(&of_acme(acme, now_unix_s));
    }
    line
}

fn of_acme(acme: &AcmeHealth, now_unix_s: u64) -> String {
    let mut parts = Vec::new();
    if let Some(unix_s) = acme.last_success_unix_s {
        parts.push(format!("got {}", moment(unix_s, now_unix_s)));
    }
    if let Some(unix_s) = acme.last_failure_unix_s {
        let in_a_row = match acme.failures_in_a_row {
            0 | 1 => String::new(),
            failures => format!(" ({} in a row)", counted(failures, "failure")),
        };
        parts.push(format!(
            "last failed {}{in_a_row}",
            moment(unix_s, now_unix_s)
        ));
    }
    if acme.pid.is_none() {
        parts.push("the process that gets it does not run".to_owned());
    } else if acme.is_asking {
        parts.push("the authority is being asked".to_owned());
    } else if let Some(unix_s) = acme.next_attempt_unix_s {
        parts.push(format!("next attempt {}", moment(unix_s, now_unix_s)));
    }
    parts.iter().map(|part| format!("; {part}")).collect()
}

/// `in 3 d 2 h`, or `5 min 0 s ago`.
fn moment(unix_s: u64, now_unix_s: u64) -> String {
    if unix_s > now_unix_s {
        format!("in {}", duration(unix_s - now_unix_s))
    } else {
        format!("{} ago", duration(now_unix_s - unix_s))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_line_tells_expiry_success_failure_and_the_next_attempt() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let acme = AcmeHealth {
            is_asking: false,
            last_success_unix_s: Some(1_000_000 - 3 * 86_400),
            last_failure_unix_s: None,
            last_failure: None,
            failures_in_a_row: 0,
            next_attempt_unix_s: Some(1_000_000 + 57 * 86_400),
            pid: Some(7),
            restarts: 0,
        };
        let mut certificate = CertificateHealth {
            source: CertificateSource::Acme,
            not_after_unix_s: 1_000_000 + 87 * 86_400,
            acme: Some(acme.clone()),
        };
        assert_eq!(
            line(&certificate, now),
            "Certificate by ACME, expires in 87 d 0 h; got 3 d 0 h ago; next attempt in 57 d 0 h"
        );
        certificate.acme = Some(AcmeHealth {
            last_failure_unix_s: Some(999_990),
            failures_in_a_row: 2,
            next_attempt_unix_s: Some(1_000_110),
            ..acme.clone()
        });
        assert!(
            line(&certificate, now).ends_with(
                "; last failed 10 s ago (2 failures in a row); next attempt in 1 min 50 s"
            )
        );
        certificate.acme = Some(AcmeHealth { pid: None, ..acme });
        assert!(line(&certificate, now).ends_with("the process that gets it does not run"));
        let files = CertificateHealth {
            source: CertificateSource::Files,
            not_after_unix_s: 999_940,
            acme: None,
        };
        assert_eq!(
            line(&files, now),
            "Certificate from files, expired 1 min 0 s ago"
        );
    }
}

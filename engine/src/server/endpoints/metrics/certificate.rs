//! The families about the node's certificate, and about getting it; none where it has none, or does not get it itself.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::server::scoreboard::{AcmeSlot, CertificateSource, Counter, TlsSlot};

pub(super) fn encode(
    tls: &TlsSlot,
    acme: &AcmeSlot,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    if tls.is_used() {
        of_certificate(tls, encoder)?;
    }
    if acme.is_used() {
        of_acme(acme, encoder)?;
    }
    Ok(())
}

fn of_certificate(tls: &TlsSlot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    times(
        encoder,
        &[
            (
                "tls_certificate_not_after_timestamp",
                "When the certificate in force expires, since 1970",
                tls.not_after_unix_s(),
            ),
            (
                "tls_certificate_installed_timestamp",
                "When the certificate in force was put in force, since 1970",
                tls.installed_unix_s(),
            ),
        ],
    )?;
    let mut sources = encoder.encode_descriptor(
        "tls_certificate_source",
        "1 for where the certificate in force comes from: files, acme or temporary",
        None,
        MetricType::Gauge,
    )?;
    for source in CertificateSource::ALL {
        let is_source = u32::from(tls.source() == Some(source));
        sources
            .encode_family(&[("source", source.name())])?
            .encode_gauge(&is_source)?;
    }
    encoder
        .encode_descriptor(
            "tls_certificate_faulty",
            "1 when the newest certificate cannot be used and an older one is kept",
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&u32::from(!tls.fault().is_empty()))?;
    counters(
        encoder,
        &[
            (
                "tls_certificate_installs",
                "Certificates put in force, the first included",
                &tls.installs,
            ),
            (
                "tls_certificate_failures",
                "Certificates that could not be used",
                &tls.failures,
            ),
        ],
    )
}

fn of_acme(acme: &AcmeSlot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauges = [
        (
            "acme_process_up",
            "1 when the process that gets certificates runs",
            u64::from(acme.pid() != 0),
        ),
        (
            "acme_failures_in_a_row",
            "Attempts to get a certificate that failed since the last that did not",
            acme.failures_in_a_row(),
        ),
    ];
    for (name, help, value) in gauges {
        encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)?;
    }
    times(
        encoder,
        &[
            (
                "acme_last_success_timestamp",
                "When a certificate was last got, since 1970; 0 when none ever was",
                acme.last_success_unix_s(),
            ),
            (
                "acme_last_failure_timestamp",
                "When an attempt to get a certificate last failed, since 1970; 0 when none did",
                acme.last_failure_unix_s(),
            ),
            (
                "acme_next_attempt_timestamp",
                "When the certificate authority is asked next, since 1970",
                acme.next_attempt_unix_s(),
            ),
        ],
    )?;
    counters(
        encoder,
        &[
            (
                "acme_successes",
                "Certificates got from the authority since the node started",
                &acme.successes,
            ),
            (
                "acme_failures",
                "Attempts to get a certificate that failed since the node started",
                &acme.failures,
            ),
            (
                "acme_process_restarts",
                "How many times the process that gets certificates was started again",
                &acme.restarts,
            ),
        ],
    )
}

fn times(encoder: &mut DescriptorEncoder<'_>, rows: &[(&str, &str, u64)]) -> fmt::Result {
    for (name, help, unix_s) in rows {
        encoder
            .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&(*unix_s as f64))?;
    }
    Ok(())
}

fn counters(encoder: &mut DescriptorEncoder<'_>, rows: &[(&str, &str, &Counter)]) -> fmt::Result {
    for (name, help, counter) in rows {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&counter.value(), None)?;
    }
    Ok(())
}

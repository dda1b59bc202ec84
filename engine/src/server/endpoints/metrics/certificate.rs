//! The families about the node's certificate; none where it has none.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::server::scoreboard::{Counter, TlsSlot};

pub(super) fn encode(tls: &TlsSlot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if !tls.is_used() {
        return Ok(());
    }
    let times = [
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
    ];
    for (name, help, unix_s) in times {
        encoder
            .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&(unix_s as f64))?;
    }
    encoder
        .encode_descriptor(
            "tls_certificate_faulty",
            "1 when the newest certificate cannot be used and an older one is kept",
            None,
            MetricType::Gauge,
        )?
        .encode_gauge(&u32::from(!tls.fault().is_empty()))?;
    let counts: [(_, _, &Counter); 2] = [
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
    ];
    for (name, help, counter) in counts {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&counter.value(), None)?;
    }
    Ok(())
}

//! Phases, figures and endings in words.

use client::outcome::Partial;
use protocol::message::branding::Sponsor;
use protocol::message::profile::HouseholdPhase;
use protocol::message::report::Grade;
use protocol::message::samples::ProbeTransport;
use protocol::message::test::Phase;

/// A phase, short enough for a narrow table.
pub(crate) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Baseline => "idle",
        Phase::DownloadWarmup | Phase::Download => "download",
        Phase::UploadWarmup | Phase::Upload => "upload",
        Phase::Bidirectional => "both",
    }
}

/// A phase of a household test.
pub(crate) const fn household_phase(phase: HouseholdPhase) -> &'static str {
    match phase {
        HouseholdPhase::Baseline => "idle",
        HouseholdPhase::CapacityDown | HouseholdPhase::CapacityUp => "capacity",
        HouseholdPhase::Traffic => "everybody",
    }
}

/// A grade as people write it.
pub(crate) const fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::APlus => "A+",
        Grade::A => "A",
        Grade::B => "B",
        Grade::C => "C",
        Grade::D => "D",
        Grade::F => "F",
    }
}

/// Which way the probes go.
pub(crate) const fn transport(transport: ProbeTransport) -> &'static str {
    match transport {
        ProbeTransport::PingRole => "a process of its own",
        ProbeTransport::MainRole => "the main port: the ping port does not answer",
        ProbeTransport::Http => "by HTTP: no WebSocket gets through",
    }
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn ms(value: f64) -> String {
    let digits = if value.abs() < 9.95 { 1 } else { 0 };
    let text = format!("{value:.digits$}");
    // A tenth below nothing is nothing.
    if text == "-0.0" {
        "0.0".to_owned()
    } else {
        text
    }
}

/// The same with the sign of what was added.
pub(crate) fn signed_ms(increase_ms: f64) -> String {
    let sign = if increase_ms >= 0.05 { "+" } else { "" };
    format!("{sign}{}", ms(increase_ms))
}

/// A latency of the moment, as wide as most are.
pub(crate) fn latency(value_ms: Option<f64>) -> String {
    let figure = value_ms.map_or_else(|| "-".to_owned(), ms);
    format!("{figure:>4} ms")
}

/// Mbit/s with three digits or so.
pub(crate) fn mbps(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// Whose node it is.
pub(crate) fn host(sponsor: &Sponsor) -> String {
    let city = sponsor.city.iter().map(|city| format!(", {city}"));
    format!("Hosted by {}{}", sponsor.name, city.collect::<String>())
}

/// Why a result is a part of one.
pub(crate) fn partial(partial: &Partial) -> String {
    match partial {
        Partial::Interrupted => "interrupted: this is what was measured until then".to_owned(),
        Partial::NodeLost(fault) => format!("{fault}: this is what was measured until then"),
        Partial::NoReport(fault) => {
            format!("the node gave no report, so its own counts are missing: {fault}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_its_city() {
        let sponsor = |name: &str, city: Option<&str>| Sponsor {
            name: name.to_owned(),
            link: Some("https://example.net/".to_owned()),
            city: city.map(str::to_owned),
        };
        assert_eq!(host(&sponsor("Alpnet", None)), "Hosted by Alpnet");
        assert_eq!(
            host(&sponsor("Alpnet", Some("Bolzano"))),
            "Hosted by Alpnet, Bolzano"
        );
    }

    #[test]
    fn figures_have_as_many_digits_as_mean_something() {
        let all: Vec<String> = [-0.04, 0.26, 9.94, 9.96, 123.4].map(ms).to_vec();
        assert_eq!(all, ["0.0", "0.3", "9.9", "10", "123"]);
        let all: Vec<String> = [0.5, 12.34, 99.96, 940.2].map(mbps).to_vec();
        assert_eq!(all, ["0.50", "12.3", "100", "940"]);
    }
}

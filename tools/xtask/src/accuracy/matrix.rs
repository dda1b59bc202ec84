//! The lines that the product is proven on. Owns what a line is like; knows nothing of how it is measured.

use linklab::{DirectionSpec, LineSpec, QueueSpec, RateStep};

use super::record::Instrument;
use super::strain::Strain;

/// A line of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The line; its name is the case's.
    pub(crate) spec: LineSpec,
    /// What it stands for.
    pub(crate) purpose: &'static str,
    /// Whether everything on it goes by IPv6.
    pub(crate) is_ipv6: bool,
    /// How the product talks on it.
    pub(crate) transport: Transport,
    /// Whose truth is its own, where it is the same line as another.
    pub(crate) same_as: Option<&'static str>,
    /// What else than the line is slow, and what the product is to say of it.
    pub(crate) strain: Option<Strained>,
}

/// How the product talks on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Https,
    /// HTTP/2 over TLS, where it isn't a WebSocket.
    Http2,
}

/// A case in which the line isn't what the product meets first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strained {
    pub(crate) strain: Strain,
    /// The reasons for a reduced confidence that are right, by code; one of them must be given.
    pub(crate) reasons: &'static [&'static str],
    /// What measures it.
    pub(crate) instruments: &'static [Instrument],
}

/// From here on, in Mbit/s of both directions together, a line is measured alone: two such on one machine share its cores.
const ALONE_MBPS: f64 = 150.0;

impl Case {
    fn new(name: &str, purpose: &'static str, down: DirectionSpec, up: DirectionSpec) -> Self {
        Self {
            spec: LineSpec {
                name: name.into(),
                down,
                up,
                ..LineSpec::default()
            },
            purpose,
            is_ipv6: false,
            transport: Transport::Http,
            same_as: None,
            strain: None,
        }
    }

    fn strained(
        self,
        strain: Strain,
        reasons: &'static [&'static str],
        by: &'static [Instrument],
    ) -> Self {
        Self {
            strain: Some(Strained {
                strain,
                reasons,
                instruments: by,
            }),
            ..self
        }
    }

    /// The case under whose name an instrument's runs of it are kept.
    #[must_use]
    pub(crate) fn measured_as(&self, instrument: Instrument) -> &str {
        match self.same_as {
            Some(other) if instrument == Instrument::Truth => other,
            _ => &self.spec.name,
        }
    }

    /// What measures it.
    #[must_use]
    pub(crate) fn instruments(&self) -> Vec<Instrument> {
        match (self.strain, self.same_as) {
            (Some(strained), _) => strained.instruments.to_vec(),
            (None, Some(_)) => vec![Instrument::Page, Instrument::Client],
            (None, None) => vec![Instrument::Truth, Instrument::Page, Instrument::Client],
        }
    }

    /// Whether nothing else should run beside it.
    #[must_use]
    pub(crate) fn is_alone(&self) -> bool {
        self.strain.is_some() || self.spec.down.rate_mbps + self.spec.up.rate_mbps >= ALONE_MBPS
    }
}

/// All lines, in the order of the table, and the strained ones.
#[must_use]
pub(crate) fn all() -> Vec<Case> {
    lines().into_iter().chain(strained()).collect()
}

/// Where the confidence has to be reduced.
fn strained() -> Vec<Case> {
    const CLIENT: &[Instrument] = &[Instrument::Client];
    const BOTH: &[Instrument] = &[Instrument::Page, Instrument::Client];
    let line = |name, purpose, rate_mbps: f64, delay_ms, loss_ratio| {
        let direction = |rate_mbps| DirectionSpec {
            delay_ms,
            loss_ratio,
            ..DirectionSpec::drop_tail(rate_mbps, 50.0)
        };
        Case::new(name, purpose, direction(rate_mbps), direction(rate_mbps))
    };
    vec![
        line(
            "slow-browser",
            "Chromium has a sixth of this machine's processors",
            300.0,
            5.0,
            0.0,
        )
        .strained(
            Strain::SlowBrowser,
            &["device_slow", "device_timer_late", "receiver_limited"],
            &[Instrument::Page],
        ),
        line(
            "busy-node",
            "the node shares its processors with two busy loops of higher priority",
            50.0,
            5.0,
            0.0,
        )
        .strained(Strain::BusyNode, &["node_busy"], CLIENT),
        line(
            "send-buffer",
            "the node's send buffers are at most 16 KiB",
            300.0,
            40.0,
            0.0,
        )
        .strained(Strain::SendBuffer, &["sender_limited"], BOTH),
        line(
            "receive-window",
            "the home's receive buffers are at most 16 KiB",
            50.0,
            40.0,
            0.0,
        )
        .strained(Strain::ReceiveWindow, &["receiver_limited"], BOTH),
        line(
            "unfillable",
            "one packet in thirty is lost",
            300.0,
            30.0,
            0.033,
        )
        .strained(Strain::Nothing, &["load_not_saturated"], BOTH),
    ]
}

/// The lines, in the order of the table.
#[must_use]
fn lines() -> Vec<Case> {
    let tail = DirectionSpec::drop_tail;
    let both = |depth_ms| (tail(50.0, depth_ms), tail(10.0, depth_ms));
    let symmetric = |name, purpose, (down, up)| Case::new(name, purpose, down, up);
    let with = |mut direction: DirectionSpec, change: fn(&mut DirectionSpec)| {
        change(&mut direction);
        direction
    };
    let satellite = |direction| with(direction, |direction| direction.delay_ms = 300.0);
    let lossy = |direction| {
        with(direction, |direction| {
            direction.loss_ratio = 0.005;
            direction.delay_ms = 10.0;
        })
    };
    let jittery = |direction| {
        with(direction, |direction| {
            direction.jitter_ms = 8.0;
            direction.delay_ms = 10.0;
        })
    };
    let mut bbr = symmetric("bbr", "the node's host prefers BBR", both(200.0));
    bbr.spec.node_congestion = "bbr".into();
    let mut ipv6 = symmetric("ipv6", "IPv6", both(100.0));
    ipv6.is_ipv6 = true;
    let mut stepping = symmetric(
        "step-down",
        "the downlink falls from 50 to 25 Mbit/s in the middle of the download",
        both(100.0),
    );
    // Counted from the first load on: five seconds of warm-up, and half of the graded ten.
    stepping.spec.down.steps = vec![RateStep {
        at_s: 10.0,
        rate_mbps: 25.0,
    }];
    let over = |name, purpose, transport| Case {
        transport,
        same_as: Some("tail-200"),
        ..symmetric(name, purpose, both(200.0))
    };
    vec![
        symmetric("tail-20", "drop-tail 20 ms", both(20.0)),
        symmetric("tail-50", "drop-tail 50 ms", both(50.0)),
        symmetric("tail-200", "drop-tail 200 ms", both(200.0)),
        symmetric("tail-500", "drop-tail 500 ms", both(500.0)),
        symmetric("tail-800", "drop-tail 800 ms", both(800.0)),
        Case::new(
            "up-only",
            "bloat upstream only",
            tail(50.0, 5.0),
            tail(10.0, 300.0),
        ),
        Case::new(
            "down-only",
            "bloat downstream only",
            tail(50.0, 300.0),
            tail(10.0, 5.0),
        ),
        Case::new(
            "dsl",
            "DSL with 1.5 s upstream",
            tail(12.0, 100.0),
            tail(1.0, 1500.0),
        ),
        Case::new(
            "fast",
            "300/300 with 4 ms",
            tail(300.0, 4.0),
            tail(300.0, 4.0),
        ),
        symmetric(
            "codel",
            "CoDel",
            (
                DirectionSpec::with_queue(50.0, QueueSpec::codel()),
                DirectionSpec::with_queue(10.0, QueueSpec::codel()),
            ),
        ),
        symmetric(
            "fq-codel",
            "FQ-CoDel",
            (
                DirectionSpec::with_queue(50.0, QueueSpec::fq_codel()),
                DirectionSpec::with_queue(10.0, QueueSpec::fq_codel()),
            ),
        ),
        Case::new(
            "satellite",
            "600 ms of propagation",
            satellite(tail(50.0, 200.0)),
            satellite(tail(10.0, 200.0)),
        ),
        Case::new(
            "loss",
            "0.5 % random loss, 20 ms of propagation",
            lossy(tail(50.0, 100.0)),
            lossy(tail(10.0, 100.0)),
        ),
        Case::new(
            "jitter",
            "8 ms of jitter, 20 ms of propagation",
            jittery(tail(50.0, 100.0)),
            jittery(tail(10.0, 100.0)),
        ),
        stepping,
        bbr,
        ipv6,
        over("https", "drop-tail 200 ms, over TLS", Transport::Https),
        over(
            "http2",
            "drop-tail 200 ms, HTTP/2 over TLS",
            Transport::Http2,
        ),
    ]
}

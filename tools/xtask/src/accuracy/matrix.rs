//! The lines that the accuracy of the product is shown on.

use linklab::{DirectionSpec, LineSpec, QueueSpec, RateStep};

/// When the rate of [`Case::is_timed`]'s line falls: in the middle of the graded download.
const STEP_S: f64 = 15.0;
/// Propagation of a usual line, each way, in ms.
const NEAR_MS: f64 = 5.0;
/// Above this sum of both rates a line is measured with nothing beside it, in Mbit/s.
const ALONE_MBPS: f64 = 150.0;

/// One line of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What `--line` and the table call it.
    pub(crate) name: &'static str,
    /// What it is, in the table.
    pub(crate) what: &'static str,
    /// The line itself.
    pub(crate) line: LineSpec,
    /// Measured over IPv6.
    pub(crate) is_v6: bool,
    /// Its rate changes at a time of the test.
    pub(crate) is_timed: bool,
    /// The one direction that has a deep queue, if only one has.
    pub(crate) bloated: Option<Bloated>,
}

/// A direction with a deep queue, where the other's is shallow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bloated {
    /// From the node to the home.
    Down,
    /// From the home to the node.
    Up,
}

impl Case {
    fn new(name: &'static str, what: &'static str, down: DirectionSpec, up: DirectionSpec) -> Self {
        Self {
            name,
            what,
            line: LineSpec {
                name: name.into(),
                down: far(down, NEAR_MS),
                up: far(up, NEAR_MS),
                ..LineSpec::default()
            },
            is_v6: false,
            is_timed: false,
            bloated: None,
        }
    }

    fn both(name: &'static str, what: &'static str, queue: QueueSpec) -> Self {
        Self::new(
            name,
            what,
            DirectionSpec::with_queue(50.0, queue),
            DirectionSpec::with_queue(10.0, queue),
        )
    }

    fn drop_tail(name: &'static str, what: &'static str, depth_ms: f64) -> Self {
        Self::both(name, what, QueueSpec::DropTail { depth_ms })
    }

    fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Whether it needs the machine for itself.
    #[must_use]
    pub(crate) fn is_fast(&self) -> bool {
        self.line.down.rate_mbps + self.line.up.rate_mbps > ALONE_MBPS
    }
}

fn far(mut direction: DirectionSpec, delay_ms: f64) -> DirectionSpec {
    direction.delay_ms = delay_ms;
    direction
}

/// All of them.
#[must_use]
pub(crate) fn cases() -> Vec<Case> {
    let deep = |rate_mbps| DirectionSpec::drop_tail(rate_mbps, 300.0);
    let shallow = |rate_mbps| DirectionSpec::drop_tail(rate_mbps, 10.0);
    vec![
        Case::drop_tail("tail-20", "50/10, drop-tail 20 ms", 20.0),
        Case::drop_tail("tail-50", "50/10, drop-tail 50 ms", 50.0),
        Case::drop_tail("tail-200", "50/10, drop-tail 200 ms", 200.0),
        Case::drop_tail("tail-500", "50/10, drop-tail 500 ms", 500.0),
        Case::drop_tail("tail-800", "50/10, drop-tail 800 ms", 800.0),
        Case::new(
            "deep-down",
            "50/20, 300 ms down, 10 ms up",
            deep(50.0),
            shallow(20.0),
        )
        .changed(|case| case.bloated = Some(Bloated::Down)),
        Case::new(
            "deep-up",
            "50/20, 10 ms down, 300 ms up",
            shallow(50.0),
            deep(20.0),
        )
        .changed(|case| case.bloated = Some(Bloated::Up)),
        Case::new(
            "dsl",
            "12/1 DSL, 150 ms down, 1500 ms up",
            DirectionSpec::drop_tail(12.0, 150.0),
            DirectionSpec::drop_tail(1.0, 1500.0),
        ),
        Case::new(
            "fibre",
            "300/300, drop-tail 4 ms",
            DirectionSpec::drop_tail(300.0, 4.0),
            DirectionSpec::drop_tail(300.0, 4.0),
        ),
        Case::both("codel", "50/10, CoDel", QueueSpec::codel()),
        Case::both("fq-codel", "50/10, FQ-CoDel", QueueSpec::fq_codel()),
        Case::drop_tail(
            "satellite",
            "50/10, 600 ms round trip, drop-tail 100 ms",
            100.0,
        )
        .changed(|case| {
            case.line.down.delay_ms = 300.0;
            case.line.up.delay_ms = 300.0;
        }),
        Case::drop_tail("loss", "50/10, drop-tail 100 ms, 0.5 % lost", 100.0).changed(|case| {
            case.line.down.loss_ratio = 0.005;
            case.line.up.loss_ratio = 0.005;
        }),
        Case::drop_tail("jitter", "50/10, drop-tail 100 ms, 8 ms of jitter", 100.0).changed(
            |case| {
                case.line.down.jitter_ms = 8.0;
                case.line.up.jitter_ms = 8.0;
            },
        ),
        Case::drop_tail(
            "step",
            "50/10, drop-tail 100 ms, 25 down from second 15 on",
            100.0,
        )
        .changed(|case| {
            case.is_timed = true;
            case.line.down.steps.push(RateStep {
                at_s: STEP_S,
                rate_mbps: 25.0,
            });
        }),
        Case::drop_tail(
            "bbr",
            "50/10, drop-tail 200 ms, the node's host prefers BBR",
            200.0,
        )
        .changed(|case| case.line.node_congestion = "bbr".into()),
        Case::drop_tail("ipv6", "50/10, drop-tail 200 ms, IPv6", 200.0)
            .changed(|case| case.is_v6 = true),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut names: Vec<_> = cases().iter().map(|case| case.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

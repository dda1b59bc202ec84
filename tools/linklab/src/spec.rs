//! What a line is like, as people write it: Mbit/s and milliseconds, in TOML or in code.

use std::time::Duration;

use protocol::simulate::link::LinkConfig;
use protocol::simulate::queue::{CoDelConfig, FqCoDelConfig, QueueConfig};
use protocol::simulate::rate;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Ethernet's header, which the packets would have on a wire.
const ETHERNET_BYTES: u32 = 14;
/// Neither a rate above this, in Mbit/s, nor a time above [`MS_MAX`] describes an access line.
const MBPS_MAX: f64 = 10_000.0;
/// A minute, in milliseconds; see [`MBPS_MAX`].
const MS_MAX: f64 = 60_000.0;

/// A line between a home and a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSpec {
    /// What it is called in records.
    pub name: String,
    /// From the node to the home.
    pub down: DirectionSpec,
    /// From the home to the node.
    pub up: DirectionSpec,
    /// TCP congestion control of the home's hosts, by route; empty for the system's own.
    pub home_congestion: String,
    /// TCP congestion control of the node's hosts, by route; empty for the system's own.
    pub node_congestion: String,
    /// Bytes that a packet takes on the wire besides IP; 14 for Ethernet's header, as Linux's queues count.
    pub overhead_bytes: u32,
    /// The same seed gives the same losses, jitter and hash of flows.
    pub seed: u64,
}

/// One direction of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectionSpec {
    /// The rate that it begins with, in Mbit/s on the wire.
    pub rate_mbps: f64,
    /// Later rates, in the order of their times.
    pub steps: Vec<RateStep>,
    /// When the steps begin anew, in seconds after their start; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_s: Option<f64>,
    /// What happens to packets that can't be sent yet.
    pub queue: QueueSpec,
    /// One-way propagation delay, in ms.
    pub delay_ms: f64,
    /// The most that is added to it, in ms. Packets keep their order; half of it is added on average.
    pub jitter_ms: f64,
    /// Share of packets that are lost at random behind the queue, 0 to 1.
    pub loss_ratio: f64,
}

/// A change of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateStep {
    /// Seconds after the start of the line or of [`crate::Line::restart_schedule`].
    pub at_s: f64,
    /// The rate from then on, in Mbit/s; 0 is an outage.
    pub rate_mbps: f64,
}

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum QueueSpec {
    /// First in, first out, bounded.
    DropTail {
        /// The longest wait at the direction's first rate, in ms.
        depth_ms: f64,
    },
    /// RFC 8289.
    #[serde(rename = "codel")]
    CoDel {
        /// Acceptable standing delay, in ms.
        #[serde(default = "rfc::target_ms")]
        target_ms: f64,
        /// About the longest round trip, in ms.
        #[serde(default = "rfc::interval_ms")]
        interval_ms: f64,
        /// Packets that it holds at most.
        #[serde(default = "rfc::codel_limit_packets")]
        limit_packets: usize,
    },
    /// RFC 8290.
    #[serde(rename = "fq-codel")]
    FqCodel {
        /// Acceptable standing delay of each flow, in ms.
        #[serde(default = "rfc::target_ms")]
        target_ms: f64,
        /// About the longest round trip, in ms.
        #[serde(default = "rfc::interval_ms")]
        interval_ms: f64,
        /// Bytes that a flow sends in its turn.
        #[serde(default = "rfc::quantum_bytes")]
        quantum_bytes: u32,
        /// How many queues flows are spread over.
        #[serde(default = "rfc::flows")]
        flows: usize,
        /// Packets that all queues hold together at most.
        #[serde(default = "rfc::fq_codel_limit_packets")]
        limit_packets: usize,
    },
}

/// The RFCs' values, where a specification leaves them out.
mod rfc {
    use super::{CoDelConfig, FqCoDelConfig};

    pub(super) fn target_ms() -> f64 {
        CoDelConfig::RFC.target.as_secs_f64() * 1e3
    }

    pub(super) fn interval_ms() -> f64 {
        CoDelConfig::RFC.interval.as_secs_f64() * 1e3
    }

    pub(super) const fn codel_limit_packets() -> usize {
        CoDelConfig::RFC.limit_packets
    }

    pub(super) const fn quantum_bytes() -> u32 {
        FqCoDelConfig::RFC.quantum_bytes
    }

    pub(super) const fn flows() -> usize {
        FqCoDelConfig::RFC.flows
    }

    pub(super) const fn fq_codel_limit_packets() -> usize {
        FqCoDelConfig::RFC.limit_packets
    }
}

impl Default for LineSpec {
    /// 50 Mbit/s down and 10 up, with drop-tail queues of 200 ms and cubic at both ends.
    fn default() -> Self {
        Self {
            name: "line".into(),
            down: DirectionSpec::drop_tail(50.0, 200.0),
            up: DirectionSpec::drop_tail(10.0, 200.0),
            home_congestion: "cubic".into(),
            node_congestion: "cubic".into(),
            overhead_bytes: ETHERNET_BYTES,
            seed: 1,
        }
    }
}

impl Default for DirectionSpec {
    /// 50 Mbit/s with a drop-tail queue of 200 ms.
    fn default() -> Self {
        Self::drop_tail(50.0, 200.0)
    }
}

impl QueueSpec {
    /// CoDel with the RFC's values.
    #[must_use]
    pub fn codel() -> Self {
        Self::CoDel {
            target_ms: rfc::target_ms(),
            interval_ms: rfc::interval_ms(),
            limit_packets: rfc::codel_limit_packets(),
        }
    }

    /// FQ-CoDel with the RFC's values.
    #[must_use]
    pub fn fq_codel() -> Self {
        Self::FqCodel {
            target_ms: rfc::target_ms(),
            interval_ms: rfc::interval_ms(),
            quantum_bytes: rfc::quantum_bytes(),
            flows: rfc::flows(),
            limit_packets: rfc::fq_codel_limit_packets(),
        }
    }
}

impl LineSpec {
    /// Reads a line from TOML.
    ///
    /// # Errors
    /// When the text is no such TOML or describes no line.
    pub fn from_toml(text: &str) -> Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|error| Error::Spec(error.to_string()))?;
        spec.link_configs()?;
        Ok(spec)
    }

    /// The two directions as the model wants them, down and up.
    pub(crate) fn link_configs(&self) -> Result<[LinkConfig; 2]> {
        Ok([
            self.down.link_config("down", self.seed)?,
            self.up.link_config("up", !self.seed)?,
        ])
    }
}

impl DirectionSpec {
    /// A drop-tail queue before a constant rate, and nothing else.
    #[must_use]
    pub const fn drop_tail(rate_mbps: f64, depth_ms: f64) -> Self {
        Self::with_queue(rate_mbps, QueueSpec::DropTail { depth_ms })
    }

    /// This queue before a constant rate, and nothing else.
    #[must_use]
    pub const fn with_queue(rate_mbps: f64, queue: QueueSpec) -> Self {
        Self {
            rate_mbps,
            steps: Vec::new(),
            repeat_s: None,
            queue,
            delay_ms: 0.0,
            jitter_ms: 0.0,
            loss_ratio: 0.0,
        }
    }

    fn link_config(&self, direction: &str, seed: u64) -> Result<LinkConfig> {
        let fault = |what: &str| Error::Spec(format!("{direction}: {what}"));
        let ms = |name: &str, value: f64| {
            if (0.0..=MS_MAX).contains(&value) {
                Ok(Duration::from_secs_f64(value / 1e3))
            } else {
                Err(fault(&format!("{name} is from 0 to {MS_MAX}")))
            }
        };
        let mut steps = vec![RateStep {
            at_s: 0.0,
            rate_mbps: self.rate_mbps,
        }];
        steps.extend(&self.steps);
        let seconds = |at_s: f64| {
            Duration::try_from_secs_f64(at_s).map_err(|_| fault("a step's time is from 0 s on"))
        };
        let steps = steps
            .into_iter()
            .map(|step| {
                if !(0.0..=MBPS_MAX).contains(&step.rate_mbps) {
                    return Err(fault(&format!("a rate is from 0 to {MBPS_MAX} Mbit/s")));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked to be a rate"
                )]
                let rate_bps = (step.rate_mbps * 1e6).round() as u64;
                Ok(rate::RateStep {
                    at: seconds(step.at_s)?,
                    rate_bps,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let period = self.repeat_s.map(seconds).transpose()?;
        let rate = rate::RateSchedule::new(steps, period).map_err(|why| {
            fault(match why {
                rate::RateFault::NoStart | rate::RateFault::Order => {
                    "steps are in the order of their times, after 0 s and before repeat_s"
                }
                rate::RateFault::Silence => "the rate stays at 0",
            })
        })?;
        if !(0.0..=1.0).contains(&self.loss_ratio) {
            return Err(fault("loss_ratio is from 0 to 1"));
        }
        let queue = match self.queue {
            QueueSpec::DropTail { depth_ms } => QueueConfig::DropTail {
                depth: ms("depth_ms", depth_ms)?,
            },
            QueueSpec::CoDel {
                target_ms,
                interval_ms,
                limit_packets,
            } => QueueConfig::CoDel(CoDelConfig {
                target: ms("target_ms", target_ms)?,
                interval: ms("interval_ms", interval_ms)?,
                limit_packets,
            }),
            QueueSpec::FqCodel {
                target_ms,
                interval_ms,
                quantum_bytes,
                flows,
                limit_packets,
            } => QueueConfig::FqCoDel(FqCoDelConfig {
                target: ms("target_ms", target_ms)?,
                interval: ms("interval_ms", interval_ms)?,
                quantum_bytes,
                flows: flows.clamp(1, 65_536),
                limit_packets,
            }),
        };
        Ok(LinkConfig {
            rate,
            propagation: ms("delay_ms", self.delay_ms)?,
            jitter: ms("jitter_ms", self.jitter_ms)?,
            loss_ratio: self.loss_ratio,
            queue,
            seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_its_toml_says() {
        let spec = LineSpec::from_toml(
            r#"
            name = "lte"
            node_congestion = "bbr"
            [down]
            rate_mbps = 40
            steps = [{ at_s = 5, rate_mbps = 10 }, { at_s = 6.5, rate_mbps = 0 }]
            repeat_s = 8
            delay_ms = 20
            jitter_ms = 8
            loss_ratio = 0.005
            queue = { kind = "fq-codel", target_ms = 10 }
            [up]
            rate_mbps = 8.5
            queue = { kind = "drop-tail", depth_ms = 500 }
            "#,
        )
        .expect("a line");
        let [down, up] = spec.link_configs().expect("a line");
        assert_eq!(down.rate.at(Duration::from_secs(7)), 0);
        assert_eq!(down.rate.at(Duration::from_secs(8)), 40_000_000);
        assert_eq!(down.jitter, Duration::from_millis(8));
        assert_eq!(
            down.queue,
            QueueConfig::FqCoDel(FqCoDelConfig {
                target: Duration::from_millis(10),
                ..FqCoDelConfig::RFC
            })
        );
        assert_eq!(up.rate.initial_bps(), 8_500_000);
        let depth = Duration::from_millis(500);
        assert_eq!(up.queue, QueueConfig::DropTail { depth });
        assert_eq!(spec.home_congestion, "cubic");
        let again: LineSpec = toml::from_str(&toml::to_string(&spec).expect("TOML")).expect("same");
        assert_eq!(again, spec);
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_place() {
        for (toml, text) in [
            ("down = { rate_mbps = 0 }", "down: the rate stays at 0"),
            ("up = { rate_mbps = -1 }", "up: a rate"),
            ("up = { loss_ratio = 2 }", "up: loss_ratio"),
            ("up = { delay_ms = 1e9 }", "up: delay_ms"),
            ("up = { repeat_s = -1 }", "up: a step"),
            (
                "up = { steps = [{ at_s = 0, rate_mbps = 1 }] }",
                "up: steps",
            ),
            ("up = { speed = 1 }", "speed"),
            ("up = { queue = { kind = \"red\" } }", "red"),
        ] {
            let error = LineSpec::from_toml(toml).expect_err(toml).to_string();
            assert!(error.contains(text), "{toml}: {error}");
        }
    }
}

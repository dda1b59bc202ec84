//! What one run said of a line: the truth, the page or the client, in one shape.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who looked at the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Witness {
    /// ICMP ping under iperf3.
    Truth,
    /// The page in Chromium.
    Page,
    /// The terminal client.
    Client,
}

/// The loaded phases, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Towards the home.
    Download,
    /// Towards the node.
    Upload,
    /// Both at once.
    Bidirectional,
}

/// All of them.
pub(crate) const PHASES: [Phase; 3] = [Phase::Download, Phase::Upload, Phase::Bidirectional];

impl Phase {
    /// As reports name it.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Bidirectional => "bidirectional",
        }
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// [`super::matrix::Case::name`].
    pub(crate) line: String,
    /// Who looked.
    pub(crate) witness: Witness,
    /// Which time, from 1.
    pub(crate) repetition: u32,
    /// Of the unloaded line, in ms.
    pub(crate) idle_latency_ms: f64,
    /// In the order of [`PHASES`].
    pub(crate) phases: [PhaseReading; 3],
    /// What the product says of its own certainty: the codes of its reasons. Empty for high confidence, and for the truth.
    pub(crate) doubts: Vec<String>,
}

/// One phase of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PhaseReading {
    /// Above idle, in ms.
    pub(crate) increase_ms: f64,
    /// The product's grade; the truth has none of its own.
    pub(crate) grade: Option<String>,
    /// The part of the increase on the way to the node, in ms.
    pub(crate) up_increase_ms: Option<f64>,
    /// The part on the way back, in ms.
    pub(crate) down_increase_ms: Option<f64>,
    /// What the home received, in Mbit/s.
    pub(crate) goodput_down_mbps: Option<f64>,
    /// What the node received, in Mbit/s.
    pub(crate) goodput_up_mbps: Option<f64>,
}

impl Reading {
    /// Reads the product's report.
    ///
    /// # Errors
    /// Names what the report lacks.
    pub(crate) fn of_report(
        line: &str,
        witness: Witness,
        repetition: u32,
        report: &Value,
    ) -> Result<Self> {
        let phase = |phase: Phase| -> Result<PhaseReading> {
            let at = |field: &str| report.pointer(&format!("/phases/{}/{field}", phase.name()));
            let number = |field: &str| at(field).and_then(Value::as_f64);
            Ok(PhaseReading {
                increase_ms: number("latency_increase_ms")
                    .with_context(|| format!("the report has no increase for {}", phase.name()))?,
                grade: at("grade").and_then(Value::as_str).map(str::to_owned),
                up_increase_ms: number("up_increase_ms"),
                down_increase_ms: number("down_increase_ms"),
                goodput_down_mbps: number("goodput_down_mbps"),
                goodput_up_mbps: number("goodput_up_mbps"),
            })
        };
        let reasons = report
            .pointer("/confidence/reasons")
            .and_then(Value::as_array);
        Ok(Self {
            line: line.to_owned(),
            witness,
            repetition,
            idle_latency_ms: report["idle_latency_ms"]
                .as_f64()
                .context("the report has no idle latency")?,
            phases: [
                phase(Phase::Download)?,
                phase(Phase::Upload)?,
                phase(Phase::Bidirectional)?,
            ],
            doubts: reasons
                .context("the report has no confidence")?
                .iter()
                .filter_map(|reason| reason["code"].as_str().map(str::to_owned))
                .collect(),
        })
    }
}

//! What one run of one instrument on one line gave, and the file in which all of them are kept.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::workspace;

/// What measures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Instrument {
    /// ICMP ping under iperf3's flows.
    Truth,
    /// The page in Chromium.
    Page,
    /// The terminal client.
    Client,
}

impl Instrument {
    /// Its name in a table.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Page => "page",
            Self::Client => "client",
        }
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The line, or the scenario, by name.
    pub(crate) case: String,
    pub(crate) instrument: Instrument,
    /// Counted from 1.
    pub(crate) repetition: u32,
    /// When it ended, seconds since 1970.
    pub(crate) ended_unix_s: u64,
    /// The commit that was measured, with a `+` where files had been changed since; empty of runs before it was noted.
    #[serde(default)]
    pub(crate) commit: String,
    pub(crate) idle_ms: f64,
    pub(crate) download: PhaseFigures,
    pub(crate) upload: PhaseFigures,
    pub(crate) bidirectional: PhaseFigures,
    /// What the truth saw later, when both directions had settled; only of the truth.
    #[serde(default)]
    pub(crate) settled: Option<PhaseFigures>,
    /// The machine's one-minute load average at its end; absent of runs before it was noted.
    #[serde(default)]
    pub(crate) load_average: Option<f64>,
    /// The grade that the instrument gave the whole; the truth's by the published table.
    pub(crate) total_grade: String,
    /// Reasons why the confidence is reduced, as `code value unit`; empty when it is high.
    #[serde(default)]
    pub(crate) reasons: Vec<String>,
}

/// One loaded phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseFigures {
    /// Working latency above idle latency.
    pub(crate) increase_ms: f64,
    /// The parts of it that the instrument attributes to each direction; only of the product.
    pub(crate) up_ms: Option<f64>,
    pub(crate) down_ms: Option<f64>,
    /// What the receiver counted; only of the product.
    pub(crate) goodput_down_mbps: Option<f64>,
    pub(crate) goodput_up_mbps: Option<f64>,
    /// The emulator's own mean queueing delay over the phase, each way.
    pub(crate) queue_down_ms: Option<f64>,
    pub(crate) queue_up_ms: Option<f64>,
    /// What the emulator carried, on the wire.
    pub(crate) wire_down_mbps: f64,
    pub(crate) wire_up_mbps: f64,
}

impl Record {
    /// The three phases with their names.
    #[must_use]
    pub(crate) fn phases(&self) -> [(&'static str, &PhaseFigures); 3] {
        [
            ("download", &self.download),
            ("upload", &self.upload),
            ("bidirectional", &self.bidirectional),
        ]
    }
}

/// The file of all runs: a line of JSON for each, written as it comes, so that an interrupted matrix goes on.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    file: Mutex<File>,
}

impl Results {
    /// Opens the file of this name in the build folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let folder = workspace::target().join("accuracy");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self {
            path,
            file: Mutex::new(file),
        })
    }

    /// Everything so far.
    ///
    /// # Errors
    /// When the file can't be read or a line of it isn't a record.
    pub(crate) fn load(&self) -> Result<Vec<Record>> {
        std::fs::read_to_string(&self.path)?
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| self.path.display().to_string()))
            .collect()
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn append(&self, record: &Record) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(record)?);
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(line.as_bytes())?;
        Ok(file.flush()?)
    }
}

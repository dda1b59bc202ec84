//! What was measured: kept as JSON, so that a run of some scenarios replaces only those.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context as _, Result};
use protocol::measure::statistics::Sorted;
use serde::{Deserialize, Serialize};
use socket2::SockRef;

/// Everything, by scenario.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Where the newest of these was measured.
    pub(crate) machine: Machine,
    /// Peers by name: their version, or `None` where they are missing.
    pub(crate) peers: BTreeMap<String, Option<String>>,
    pub(crate) transfers: BTreeMap<String, Transfer>,
    pub(crate) openings: BTreeMap<String, Opening>,
    pub(crate) idle: BTreeMap<String, Idle>,
    pub(crate) start_of_load: Option<StartOfLoad>,
    pub(crate) households: BTreeMap<usize, Households>,
    /// Plain downloads of the node by event loops of its main process.
    pub(crate) loops: BTreeMap<usize, SideCost>,
    /// Plain downloads of the node by flows.
    pub(crate) flows: BTreeMap<usize, SideCost>,
}

/// The machine, as the kernel names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// What TCP's senders go by on loopback.
    #[serde(default)]
    pub(crate) congestion_control: String,
}

/// A transfer of the node and of its peers, in turns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    /// In words.
    pub(crate) what: String,
    pub(crate) flows: usize,
    pub(crate) is_upload: bool,
    pub(crate) node: Side,
    pub(crate) nginx: Option<Side>,
    pub(crate) iperf3: Option<Side>,
}

/// One server's turns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) gbit_per_s: Vec<f64>,
    pub(crate) cpu_s_per_gb: Vec<f64>,
    pub(crate) machine_cpu_s_per_gb: Vec<f64>,
    pub(crate) pss_kib_peak: u64,
    /// Of the small requests of all turns, µs.
    pub(crate) rtt_us: Option<Tail>,
}

/// How long something took, in few numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Counts by powers of two of a microsecond, from 1 µs; the last one holds the rest.
    pub(crate) histogram: Vec<u64>,
}

/// Connections opened as fast as they can be, each with a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) per_s: Vec<f64>,
    pub(crate) cpu_us_each: Vec<f64>,
    pub(crate) first_byte_us: Tail,
}

/// Connections that do nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
    pub(crate) pss_kib_before: u64,
    pub(crate) pss_kib_with: u64,
    /// Of the kernel's own memory, slabs and socket buffers; both ends' together.
    pub(crate) kernel_kib_each: f64,
}

/// From `POST /api/tests` to the first byte of the load that it allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartOfLoad {
    pub(crate) ms: Tail,
}

/// Households at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Households {
    pub(crate) duration_s: f64,
    pub(crate) aggregate_mbps: f64,
    pub(crate) expected_mbps: f64,
    /// Of the household and user that miss their profile most, percent.
    pub(crate) worst_error_percent: f64,
    pub(crate) node_cores: f64,
    pub(crate) pss_kib_peak: u64,
    pub(crate) probe_p50_us: f64,
    pub(crate) probe_p99_us: f64,
    pub(crate) ended_early: usize,
    /// Messages that this bench itself gave up because the machine had no time for it.
    pub(crate) own_skipped: u64,
}

/// The node's cost and probes at one point of a curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SideCost {
    pub(crate) gbit_per_s: f64,
    pub(crate) cpu_s_per_gb: f64,
    pub(crate) probe_p50_us: f64,
    pub(crate) probe_p99_us: f64,
}

/// A median and where most of the turns are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) p10: f64,
    pub(crate) p90: f64,
}

const HISTOGRAM_BINS: usize = 18;

impl Results {
    /// What is kept in `path`, or nothing yet.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{}: not the results of this bench; remove it",
                    path.display()
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(path, text).with_context(|| path.display().to_string())
    }
}

impl Side {
    /// One more turn. `rtts_us` collects those of all turns.
    pub(crate) fn push(&mut self, sample: super::transfer::Sample, rtts_us: &mut Vec<f64>) {
        self.gbit_per_s.push(sample.gbit_per_s);
        self.cpu_s_per_gb.push(sample.cpu_s_per_gb);
        self.machine_cpu_s_per_gb
            .extend(sample.machine_cpu_s_per_gb);
        self.pss_kib_peak = self.pss_kib_peak.max(sample.pss_kib);
        rtts_us.extend(sample.rtts_us);
    }
}

impl Idle {
    /// Of the server's own memory, KiB a connection.
    pub(crate) fn kib_each(&self) -> f64 {
        let grown = self.pss_kib_with as f64 - self.pss_kib_before as f64;
        grown / self.connections.max(1) as f64
    }
}

impl Tail {
    /// `None` of no samples.
    pub(crate) fn of(samples: Vec<f64>) -> Option<Self> {
        let mut histogram = vec![0; HISTOGRAM_BINS];
        for sample in &samples {
            let bin = sample.max(1.0).log2() as usize;
            histogram[bin.min(HISTOGRAM_BINS - 1)] += 1;
        }
        let sorted = Sorted::new(samples)?;
        Some(Self {
            count: sorted.samples().len(),
            p50: sorted.median(),
            p90: sorted.percentile(90.0),
            p99: sorted.percentile(99.0),
            max: sorted.max(),
            histogram,
        })
    }
}

impl Middle {
    /// `None` of no samples.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let sorted = Sorted::new(samples.to_vec())?;
        Some(Self {
            median: sorted.median(),
            p10: sorted.percentile(10.0),
            p90: sorted.percentile(90.0),
        })
    }

    /// Of the ratios of turns that followed each other.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        Self::of(&ratios)
    }
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: f64 = memory
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0.0);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: memory_kib / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: congestion_control().unwrap_or_else(|error| {
                format!("a congestion control that can't be told ({error})")
            }),
        }
    }
}

/// That of a connection over loopback: a route may name another than the machine's.
fn congestion_control() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    let name = SockRef::from(&stream).tcp_congestion()?;
    let name = String::from_utf8_lossy(&name);
    Ok(name.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_turns_that_followed_each_other() {
        let middle = Middle::of_ratios(&[1.0, 4.0, 3.0], &[2.0, 4.0, 1.0]).expect("turns");
        assert_eq!(middle.median, 1.0);
        assert!(middle.p10 < 1.0 && middle.p90 > 1.0);
        assert_eq!(Middle::of_ratios(&[], &[]), None);
    }

    #[test]
    fn a_histogram_holds_every_sample() {
        let tail = Tail::of(vec![0.2, 1.0, 3.0, 1e9]).expect("samples");
        assert_eq!(tail.histogram.iter().sum::<u64>(), 4);
        assert_eq!((tail.histogram[0], tail.histogram[1]), (2, 1));
        assert_eq!(tail.histogram[HISTOGRAM_BINS - 1], 1);
    }
}

//! A line on the command line: a catalogue's line or a file's, with single properties changed; and what is written of it.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::line::Line;
use crate::spec::{DirectionSpec, LineSpec, QueueSpec};

/// The lines that have a name.
const CATALOGUE: &[(&str, &str)] = &[
    ("cable", include_str!("../lines/cable.toml")),
    ("dsl", include_str!("../lines/dsl.toml")),
    ("fibre", include_str!("../lines/fibre.toml")),
    ("lte", include_str!("../lines/lte.toml")),
    ("satellite", include_str!("../lines/satellite.toml")),
    ("wifi", include_str!("../lines/wifi.toml")),
];

/// A queue by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum QueueKind {
    DropTail,
    Codel,
    FqCodel,
}

/// The line's properties; what is not said is the base line's.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Line")]
pub struct LineArguments {
    /// The line to begin with: cable, dsl, fibre, lte, satellite, wifi, or a TOML file; 50/10 Mbit/s with queues of
    /// 200 ms when absent
    #[arg(long, value_name = "NAME|FILE.toml")]
    line: Option<String>,
    /// Rate from the node to the home, in Mbit/s; takes the place of its steps
    #[arg(long, value_name = "MBPS")]
    down: Option<f64>,
    /// Rate from the home to the node, in Mbit/s; takes the place of its steps
    #[arg(long, value_name = "MBPS")]
    up: Option<f64>,
    /// The queue in each direction
    #[arg(long, value_name = "KIND")]
    queue: Option<QueueKind>,
    /// Depth of the drop-tail queues, in ms at their direction's rate
    #[arg(long, value_name = "MS")]
    queue_ms: Option<f64>,
    /// Depth of the downward queue alone
    #[arg(long, value_name = "MS")]
    down_queue_ms: Option<f64>,
    /// Depth of the upward queue alone
    #[arg(long, value_name = "MS")]
    up_queue_ms: Option<f64>,
    /// One-way propagation delay in each direction, in ms
    #[arg(long, value_name = "MS")]
    delay_ms: Option<f64>,
    /// The most that jitter adds to it, in ms
    #[arg(long, value_name = "MS")]
    jitter_ms: Option<f64>,
    /// Share of packets lost at random in each direction, 0 to 1
    #[arg(long, value_name = "RATIO")]
    loss: Option<f64>,
    /// TCP congestion control of the home's hosts
    #[arg(long, value_name = "NAME")]
    home_congestion: Option<String>,
    /// TCP congestion control of the node's hosts
    #[arg(long, value_name = "NAME")]
    node_congestion: Option<String>,
    /// Bytes of each packet on the wire besides IP
    #[arg(long, value_name = "BYTES")]
    overhead_bytes: Option<u32>,
    /// Seed of losses, jitter and flow hash
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl LineArguments {
    /// The line that they describe.
    ///
    /// # Errors
    /// When there is no such line or file, or what it says is no line.
    pub fn spec(&self) -> Result<LineSpec> {
        let mut spec = match &self.line {
            Some(name) => named(name)?,
            None => LineSpec::default(),
        };
        for (direction, rate_mbps, depth_ms) in [
            (&mut spec.down, self.down, self.down_queue_ms),
            (&mut spec.up, self.up, self.up_queue_ms),
        ] {
            self.change(direction, rate_mbps, depth_ms.or(self.queue_ms));
        }
        if let Some(name) = &self.home_congestion {
            spec.home_congestion.clone_from(name);
        }
        if let Some(name) = &self.node_congestion {
            spec.node_congestion.clone_from(name);
        }
        spec.overhead_bytes = self.overhead_bytes.unwrap_or(spec.overhead_bytes);
        spec.seed = self.seed.unwrap_or(spec.seed);
        spec.link_configs()?;
        Ok(spec)
    }

    fn change(&self, direction: &mut DirectionSpec, rate_mbps: Option<f64>, depth_ms: Option<f64>) {
        if let Some(rate_mbps) = rate_mbps {
            direction.rate_mbps = rate_mbps;
            direction.steps.clear();
            direction.repeat_s = None;
        }
        let default_depth_ms = 200.0;
        match (self.queue, depth_ms) {
            (Some(QueueKind::Codel), _) => direction.queue = QueueSpec::codel(),
            (Some(QueueKind::FqCodel), _) => direction.queue = QueueSpec::fq_codel(),
            (Some(QueueKind::DropTail), depth_ms) => {
                let depth_ms = depth_ms.unwrap_or(default_depth_ms);
                direction.queue = QueueSpec::DropTail { depth_ms };
            }
            (None, Some(depth_ms)) => direction.queue = QueueSpec::DropTail { depth_ms },
            (None, None) => {}
        }
        direction.delay_ms = self.delay_ms.unwrap_or(direction.delay_ms);
        direction.jitter_ms = self.jitter_ms.unwrap_or(direction.jitter_ms);
        direction.loss_ratio = self.loss.unwrap_or(direction.loss_ratio);
    }
}

fn named(name: &str) -> Result<LineSpec> {
    if let Some((_, text)) = CATALOGUE.iter().find(|(known, _)| *known == name) {
        return LineSpec::from_toml(text);
    }
    if Path::new(name)
        .extension()
        .is_none_or(|extension| extension != "toml")
    {
        let known: Vec<&str> = CATALOGUE.iter().map(|(known, _)| *known).collect();
        return Err(Error::Spec(format!(
            "there is no line {name}; there are {}, and files that end in .toml",
            known.join(", ")
        )));
    }
    let text =
        std::fs::read_to_string(name).map_err(|error| Error::Spec(format!("{name}: {error}")))?;
    LineSpec::from_toml(&text).map_err(|error| Error::Spec(format!("{name}: {error}")))
}

/// What is written of a line.
#[derive(Clone, Debug, Default, Args)]
pub struct RecordArguments {
    /// Where to write the true queueing delay of each 100 ms, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Where to write what the line did altogether, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

impl RecordArguments {
    /// Begins the CSV file where one is wanted; [`Line::finish`] completes it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn begin(&self, line: &mut Line) -> Result<()> {
        let Some(path) = &self.csv else {
            return Ok(());
        };
        line.record(BufWriter::new(File::create(path).map_err(refused(path))?))
    }

    /// Writes what the line has done so far, where that is wanted.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn summarize(&self, line: &Line) -> Result<()> {
        let Some(path) = &self.summary else {
            return Ok(());
        };
        let summary = serde_json::json!({
            "line": line.spec(),
            "is_realtime": line.is_realtime(),
            "statistics": line.statistics()?,
        });
        std::fs::write(path, format!("{summary:#}\n")).map_err(refused(path))
    }
}

fn refused(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::refused(&path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_catalogue_is_one_and_bears_its_name() {
        for (name, text) in CATALOGUE {
            let spec = LineSpec::from_toml(text).expect(name);
            assert_eq!(spec.name, *name);
        }
    }

    #[test]
    fn an_argument_changes_only_what_it_names() {
        let arguments = LineArguments {
            line: Some("dsl".into()),
            up: Some(2.0),
            down_queue_ms: Some(50.0),
            ..LineArguments::default()
        };
        let base = named("dsl").expect("a line");
        let spec = arguments.spec().expect("a line");
        assert_eq!(spec.up.rate_mbps, 2.0);
        assert_eq!(spec.up.queue, base.up.queue);
        assert_eq!(spec.down.rate_mbps, base.down.rate_mbps);
        assert_eq!(spec.down.queue, QueueSpec::DropTail { depth_ms: 50.0 });
    }

    #[test]
    fn a_line_that_is_not_there_is_said_with_those_that_are() {
        let error = named("carrier-pigeon").expect_err("no line").to_string();
        assert!(error.contains("dsl"), "{error}");
        let error = named("no/such.toml").expect_err("no file").to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }
}

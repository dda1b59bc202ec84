//! iperf3 as a peer: its own server and its own client, as people use it, for as long as one transfer takes.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::programs;
use super::transfer::Sample;
use crate::process_tree::ProcessTree;

const START: Duration = Duration::from_millis(300);

/// The server, running.
#[derive(Debug)]
pub(crate) struct Iperf3 {
    child: Child,
    port: u16,
}

/// What of its client's report is used.
#[derive(Debug, Deserialize)]
struct ClientReport {
    end: End,
}

#[derive(Debug, Deserialize)]
struct End {
    sum_received: Sum,
}

#[derive(Debug, Deserialize)]
struct Sum {
    bytes: f64,
    bits_per_second: f64,
}

impl Iperf3 {
    /// Starts the iperf3 that `PATH` leads to; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and does not start.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Some(program) = programs::find("iperf3") else {
            return Ok(None);
        };
        let port = programs::free_port()?;
        let child = Command::new(program)
            .args(["-s", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("iperf3 -s")?;
        sleep(START);
        Ok(Some(Self { child, port }))
    }

    /// One transfer of that length and its server's cost, its set-up included.
    pub(crate) fn measure(
        &self,
        is_upload: bool,
        flows: usize,
        window: Duration,
    ) -> Result<Sample> {
        let mut tree = ProcessTree::new(self.child.id());
        let before = (tree.exact_cpu_s(), Instant::now());
        let mut command = Command::new("iperf3");
        command.args(["-c", "127.0.0.1", "-p", &self.port.to_string(), "-J"]);
        command.args([
            "-t",
            &window.as_secs().max(1).to_string(),
            "-P",
            &flows.to_string(),
        ]);
        if !is_upload {
            command.arg("-R");
        }
        let output = command.output().context("iperf3 -c")?;
        let cpu_s = tree.exact_cpu_s() - before.0;
        ensure!(output.status.success(), "iperf3 -c: {}", output.status);
        let report: ClientReport = serde_json::from_slice(&output.stdout)?;
        let sum = report.end.sum_received;
        Ok(Sample {
            gbit_per_s: sum.bits_per_second / 1e9,
            cpu_s_per_gb: cpu_s / (sum.bytes / 1e9),
            machine_cpu_s_per_gb: None,
            pss_kib: tree.pss_kib(),
            rtts_us: Vec::new(),
        })
    }
}

impl Drop for Iperf3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The truth of a line: ICMP ping at 20 a second under four cubic iperf3 flows each way, on the timeline of the product.
//!
//! The uploads go on when the downloads join them, and the same warm-ups are left out. iperf3 needs many round trips to
//! start a transfer and the product two, so a phase is counted from two round trips before its first load. Four flows alone
//! take some twenty round trips more to fill a long path; the truth waits for them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use linklab::{Line, NODE_ADDRESS, NODE_ADDRESS_V6};
use rustix::process::{Signal, kill_process};

use super::matrix::Case;
use super::record::{Instrument, PhaseFigures, Record};
use super::verdict::grade;
use super::watch::{Watch, Way, now_s};
use crate::ending;
use crate::lab::ping::Pings;
use crate::process::Group;

const IDLE_S: f64 = 5.0;
const WARMUP_S: f64 = 5.0;
/// What four flows need besides to fill a line, in round trips of the idle line.
const FILLING_ROUND_TRIPS: f64 = 20.0;
const LOADED_S: f64 = 10.0;
/// What is left out of the phase in which the downloads join the uploads, and its length.
const JOIN_RAMP_S: f64 = 1.5;
const JOINED_S: f64 = 5.0;
/// How long the joined load goes on for a look at how it settles.
const SETTLED_S: f64 = 12.0;
/// iperf3 must have begun to send within this time: ten round trips of the longest queue.
const START_LIMIT_S: f64 = 30.0;
const PING_INTERVAL_S: f64 = 0.05;
/// One server serves one transfer at a time, and the last phase has two.
const PORTS: [&str; 2] = ["5201", "5202"];

/// Measures; takes about a minute and a quarter.
///
/// # Errors
/// When a program on the line fails or no load comes about.
pub(crate) fn measure(case: &Case, line: &Line, watch: &Watch, folder: &Path) -> Result<Record> {
    let run = Run { case, line, watch };
    let _servers = PORTS
        .iter()
        .map(|port| run.serve(port))
        .collect::<Result<Vec<_>>>()?;
    let log = folder.join("ping.log");
    let ping = run.start_ping(&log)?;
    let start_s = now_s();
    sleep(IDLE_S + 0.5);
    let idle = (start_s + 0.3, start_s + IDLE_S);

    let downloads = run.transfer(PORTS[0], true)?;
    let round_trip_s = (case.spec.down.delay_ms + case.spec.up.delay_ms) / 1e3;
    let warmup_s = WARMUP_S + FILLING_ROUND_TRIPS * round_trip_s;
    let zero_s = run.wait_for_load(Way::Down, start_s)? - 2.0 * round_trip_s;
    let download = (zero_s + warmup_s, zero_s + warmup_s + LOADED_S);
    sleep_until(download.1);
    drop(downloads);
    // The queue has to be empty before the uploads begin.
    sleep(1.5);

    let uploads_s = now_s();
    let _uploads = run.transfer(PORTS[1], false)?;
    let zero_s = run.wait_for_load(Way::Up, uploads_s)? - 2.0 * round_trip_s;
    let upload = (zero_s + warmup_s, zero_s + warmup_s + LOADED_S);
    sleep_until(upload.1);

    let joined_s = now_s();
    let _downloads = run.transfer(PORTS[0], true)?;
    let loaded_s = run.wait(joined_s, || watch.joined_since(line, Way::Down, joined_s))?;
    let seen = Answers::read(&log)?;
    let rtt_ms = seen
        .within(joined_s - 1.0, joined_s)
        .median_ms()
        .unwrap_or(0.0);
    let zero_s = (loaded_s - 2.0 * rtt_ms / 1e3).max(joined_s);
    let bidirectional = (zero_s + JOIN_RAMP_S, zero_s + JOINED_S);
    let settled = (zero_s + JOINED_S, zero_s + SETTLED_S);
    sleep_until(settled.1);
    // The last answers of a long queue.
    sleep(3.0);
    stop_ping(ping)?;

    let answers = Answers::read(&log)?;
    let idle_ms = answers
        .within(idle.0, idle.1)
        .median_ms()
        .context("the idle line answered no ping")?;
    let figures = |(from_s, to_s): (f64, f64)| -> Result<PhaseFigures> {
        let working_ms = answers
            .within(from_s, to_s)
            .trimmed_mean_ms()
            .context("the loaded line answered no ping")?;
        let mut figures = PhaseFigures {
            increase_ms: working_ms - idle_ms,
            ..PhaseFigures::default()
        };
        watch.fill(&mut figures, from_s, to_s);
        Ok(figures)
    };
    let (download, upload, bidirectional) = (
        figures(download)?,
        figures(upload)?,
        figures(bidirectional)?,
    );
    let worst = [&download, &upload, &bidirectional]
        .map(|phase| phase.increase_ms)
        .into_iter()
        .fold(0.0, f64::max);
    Ok(Record {
        case: case.spec.name.clone(),
        instrument: Instrument::Truth,
        repetition: 0,
        ended_unix_s: 0,
        commit: String::new(),
        load_average: None,
        idle_ms,
        download,
        upload,
        bidirectional,
        settled: Some(figures(settled)?),
        total_grade: grade(worst).into(),
        reasons: Vec::new(),
    })
}

struct Run<'a> {
    case: &'a Case,
    line: &'a Line,
    watch: &'a Watch,
}

impl Run<'_> {
    const fn address(&self) -> &'static str {
        if self.case.is_ipv6 {
            NODE_ADDRESS_V6
        } else {
            NODE_ADDRESS
        }
    }

    fn serve(&self, port: &str) -> Result<Group> {
        let mut command = self.line.at_node("iperf3");
        command.args(["--server", "--port", port]);
        silence(&mut command);
        Group::spawn(&mut command)
    }

    fn transfer(&self, port: &str, is_down: bool) -> Result<Group> {
        let mut command = self.line.at_home("iperf3");
        command.args(["--client", self.address(), "--port", port]);
        command.args(["--congestion", "cubic", "--parallel", "4", "--time", "90"]);
        if is_down {
            command.arg("--reverse");
        }
        silence(&mut command);
        Group::spawn(&mut command)
    }

    fn start_ping(&self, log: &Path) -> Result<Group> {
        let mut command = self.line.at_home("ping");
        command.args(["-D", "-n", "-i", "0.05", "-W", "4", self.address()]);
        command
            .stdin(Stdio::null())
            .stdout(File::create(log)?)
            .stderr(Stdio::null());
        Group::spawn(&mut command)
    }

    fn wait_for_load(&self, way: Way, since_s: f64) -> Result<f64> {
        self.wait(since_s, || self.watch.loaded_since(self.line, way, since_s))
    }

    fn wait(&self, since_s: f64, look: impl Fn() -> Option<f64>) -> Result<f64> {
        loop {
            if let Some(at_s) = look() {
                return Ok(at_s);
            }
            if now_s() > since_s + START_LIMIT_S {
                bail!("iperf3 did not load the line within {START_LIMIT_S} s");
            }
            sleep(0.05);
        }
    }
}

/// ICMP answers by the time at which their requests were sent.
struct Answers(BTreeMap<u32, (f64, f64)>);

impl Answers {
    fn read(log: &Path) -> Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(log)?))
    }

    /// Lines of `ping -D`: `[received] 64 bytes from …: icmp_seq=N ttl=64 time=T ms`.
    fn parse(text: &str) -> Self {
        let answer = |line: &str| {
            let (received, rest) = line.strip_prefix('[')?.split_once(']')?;
            let word = |name: &str| rest.split_once(name)?.1.split_whitespace().next();
            let received_s: f64 = received.parse().ok()?;
            let rtt_ms: f64 = word(" time=")?.parse().ok()?;
            let number: u32 = word("icmp_seq=")?.parse().ok()?;
            Some((number, (received_s - rtt_ms / 1e3, rtt_ms)))
        };
        Self(text.lines().filter_map(answer).collect())
    }

    /// The requests of a time; those without an answer count as sent.
    fn within(&self, from_s: f64, to_s: f64) -> Pings {
        let inside: Vec<(u32, f64)> = self
            .0
            .iter()
            .filter(|(_, (sent_s, _))| (from_s..to_s).contains(sent_s))
            .map(|(&number, &(_, rtt_ms))| (number, rtt_ms))
            .collect();
        let by_number = match (inside.first(), inside.last()) {
            (Some(first), Some(last)) => (last.0 - first.0 + 1) as usize,
            _ => 0,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundreds"
        )]
        let by_time = ((to_s - from_s) / PING_INTERVAL_S * 0.98) as usize;
        Pings {
            // Unanswered ones at the edges are known by the time alone; ping's clock is allowed two in a hundred.
            sent: by_number.max(by_time),
            rtts_ms: inside.into_iter().map(|(_, rtt_ms)| rtt_ms).collect(),
        }
    }
}

fn stop_ping(mut ping: Group) -> Result<()> {
    let pid = ending::pid(ping.child.id()).context("ping's process id")?;
    kill_process(pid, Signal::INT).context("SIGINT to ping")?;
    ensure!(
        ping.wait_for(Duration::from_secs(5))?.is_some(),
        "ping did not end"
    );
    Ok(())
}

fn silence(command: &mut std::process::Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
}

fn sleep(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds.max(0.0)));
}

fn sleep_until(unix_s: f64) {
    sleep(unix_s - now_s());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_the_time_of_its_request_and_a_missing_one_counts_as_sent() {
        let text = "\
PING 198.18.0.2 (198.18.0.2) 56(84) bytes of data.
[100.000500] 64 bytes from 198.18.0.2: icmp_seq=1 ttl=64 time=0.500 ms
[100.250000] 64 bytes from 198.18.0.2: icmp_seq=2 ttl=64 time=200 ms
[100.350000] 64 bytes from 198.18.0.2: icmp_seq=4 ttl=64 time=200 ms
";
        let answers = Answers::parse(text);
        let pings = answers.within(100.04, 100.2);
        assert_eq!(pings.rtts_ms, [200.0, 200.0]);
        assert_eq!(pings.sent, 3, "number 3 was sent and never answered");
        assert_eq!(answers.within(0.0, 100.01).rtts_ms, [0.5]);
    }
}

//! One transfer: so many flows to one server for a while, and what they moved, cost and did to small requests meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, available_parallelism, sleep};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::payload::Payload;
use engine::runtime::sys::clock;
use protocol::time::Instant;

use super::bulk::{Action, Bulk, Kind, Layer, Moved};
use super::pulse::{Pulse, Pulses};
use super::sealed::Sealed;
use super::secure;
use super::server::Server;
use crate::load;
use crate::process_tree::{ProcessTree, machine_cpu_s};

/// Until windows and buffers have grown.
const WARM_UP: Duration = Duration::from_millis(400);
/// A loop tells what it has moved ten times a second.
const TELL_LIMIT: Duration = Duration::from_secs(5);

/// What one transfer was.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) gbit_per_s: f64,
    /// Of the server's whole process tree.
    pub(crate) cpu_s_per_gb: f64,
    /// Of everything on the machine: server, client and the kernel's own work.
    pub(crate) machine_cpu_s_per_gb: Option<f64>,
    /// Proportional set size of the server's process tree while it serves.
    pub(crate) pss_kib: u64,
    /// Of the small requests that were answered, those that were due in the measured time. A server that is too busy may
    /// have answered none.
    pub(crate) rtts_us: Vec<f64>,
}

/// Runs one transfer and measures it for `window` after it has warmed up. Zero flows: only the small requests.
///
/// # Errors
/// When a flow breaks, or a loop can't be run.
pub(crate) fn measure(
    server: &Server,
    kind: Kind,
    flows: usize,
    window: Duration,
) -> Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let (pulses_told, pulses) = channel();
    let connector = match kind.layer {
        Layer::Plain => None,
        Layer::Tls | Layer::Http2 { .. } => Some(secure::connector(secure::HTTP1)?),
    };
    let question = server.question(kind.layer);
    let pulse = Pulse::new(question, connector, Arc::clone(&stop), pulses_told);
    let mut threads = vec![load::spawn("pulse", pulse)?];
    let (told, moved) = channel();
    let loops = flows.min(available_parallelism()?.get());
    for number in 0..loops {
        let share = flows / loops + usize::from(number < flows % loops);
        let route = server.route(kind)?;
        let (stop, told) = (Arc::clone(&stop), told.clone());
        let streams = match kind.layer {
            Layer::Http2 { streams } => Some(streams),
            Layer::Plain | Layer::Tls => None,
        };
        threads.push(if kind.layer == Layer::Plain || kind.action.is_upload() {
            spawn(Bulk::new(number, route, share, stop, told))?
        } else {
            let sealed = Sealed {
                number,
                route,
                streams,
                flows: share,
                stop,
                told,
            };
            sealed.spawn()?
        });
    }
    drop(told);
    sleep(WARM_UP);
    let sample = watch(server, kind.action, loops, window, &moved);
    stop.store(true, Ordering::Relaxed);
    let answered = pulses
        .recv_timeout(TELL_LIMIT)
        .context("no small request was told of");
    for thread in threads {
        // It has said why on standard error.
        let _ = thread.join();
    }
    let (mut sample, begun) = sample?;
    let Pulses { answers, lost } = answered?;
    ensure!(lost == 0, "{lost} connections of small requests broke");
    let end = begun + window;
    let due = |due: Instant| due >= begun && due < end;
    let within = answers.iter().filter(|answer| due(answer.due));
    sample.rtts_us = within
        .map(|answer| answer.rtt.as_secs_f64() * 1e6)
        .collect();
    Ok(sample)
}

/// A client loop that has a payload to send from.
fn spawn(bulk: Bulk) -> Result<JoinHandle<()>> {
    let payload = Arc::new(Payload::create()?);
    let thread = std::thread::Builder::new().name("bulk".to_owned());
    Ok(thread.spawn(move || {
        let run = EventLoop::new(bulk, Vec::new(), Some(payload))
            .and_then(|mut event_loop| event_loop.run());
        if let Err(error) = run {
            eprintln!("a loop of the bench failed: {error}");
        }
    })?)
}

/// The measured time, and when it began.
fn watch(
    server: &Server,
    action: Action,
    loops: usize,
    window: Duration,
    moved: &Receiver<Moved>,
) -> Result<(Sample, Instant)> {
    let mut tree = ProcessTree::new(server.pid()?);
    let before = latest(moved, loops)?;
    let begun = clock::monotonic_now();
    let cpu_before_s = tree.exact_cpu_s();
    let machine_before_s = machine_cpu_s();
    sleep(window);
    let elapsed_s = (clock::monotonic_now() - begun).as_secs_f64();
    let cpu_s = tree.exact_cpu_s() - cpu_before_s;
    let machine_s = machine_cpu_s().zip(machine_before_s);
    let after = latest(moved, loops)?;
    let pss_kib = tree.pss_kib();
    let bytes_per_s: f64 = before
        .iter()
        .zip(&after)
        .map(|(b, a)| rate(action, b, a))
        .sum();
    let broken: usize = after.iter().map(|moved| moved.broken).sum();
    ensure!(broken == 0, "{broken} flows broke");
    ensure!(loops == 0 || bytes_per_s > 0.0, "nothing was moved");
    // Without flows there is no cost of a byte.
    let per_gb = |cpu_s: f64| match loops {
        0 => 0.0,
        _ => cpu_s / elapsed_s / (bytes_per_s / 1e9),
    };
    let sample = Sample {
        gbit_per_s: bytes_per_s * 8.0 / 1e9,
        cpu_s_per_gb: per_gb(cpu_s),
        machine_cpu_s_per_gb: machine_s.map(|(after, before)| per_gb(after - before)),
        pss_kib,
        rtts_us: Vec::new(),
    };
    Ok((sample, begun))
}

/// What each loop told last, in their order. One that has ended tells nothing while the others go on: the wait is for all.
fn latest(moved: &Receiver<Moved>, loops: usize) -> Result<Vec<Moved>> {
    let mut latest: Vec<Option<Moved>> = vec![None; loops];
    let deadline = clock::monotonic_now() + TELL_LIMIT;
    while latest.iter().any(Option::is_none) {
        let told = moved
            .recv_timeout(deadline - clock::monotonic_now())
            .context("a loop told nothing")?;
        latest[told.number] = Some(told);
    }
    while let Ok(told) = moved.try_recv() {
        latest[told.number] = Some(told);
    }
    Ok(latest.into_iter().flatten().collect())
}

/// Bytes a second between two moments of one loop.
fn rate(action: Action, before: &Moved, after: &Moved) -> f64 {
    let bytes = if action.is_upload() {
        after.sent_bytes - before.sent_bytes
    } else {
        after.received_bytes - before.received_bytes
    };
    let elapsed = after.at - before.at;
    if elapsed.is_zero() {
        0.0
    } else {
        bytes as f64 / elapsed.as_secs_f64()
    }
}

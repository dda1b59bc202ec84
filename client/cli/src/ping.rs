//! The probes alone, without a test and without load.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use engine::runtime::sys::clock;
use protocol::message::node_status::ProcessHealthReport;
use protocol::message::samples::ProbeTransport;
use protocol::time::Instant;

use crate::address::Site;
use crate::api::{self, Reach};
use crate::fault::Fault;
use crate::interrupt::Interrupt;
use crate::probe::{
    LATE_ANSWER_LIMIT, LOOK_INTERVAL, ProbeLink, ProbeNotice, ProbeOrder, ProbeRoutes, TELL_LIMIT,
};
use crate::sample_log::{SampleLog, round_trip_ms};

/// From the decision to start to the first probe: the loop looks at its orders every 100 ms.
const START_LEAD: Duration = Duration::from_millis(150);
/// After Ctrl-C, how long answers that are still out are waited for.
const STOPPED_ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct PingOptions {
    /// Which node.
    pub reach: Reach,
    /// From one probe to the next.
    pub interval: Duration,
    /// How many; `None` goes on until Ctrl-C.
    pub count: Option<u32>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PingEvent {
    /// Probes have a way.
    Connected {
        /// The node's address.
        ip: IpAddr,
        /// Its port.
        port: u16,
        /// Which way it is.
        transport: ProbeTransport,
    },
    /// An answer came.
    Answered {
        /// Of which probe, from 0.
        sequence: u32,
        /// Less the time inside the node, ms.
        round_trip_ms: f64,
    },
}

/// What came of the probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinged {
    /// Of each probe in the order of sending, ms; `None` of those never answered.
    pub round_trips_ms: Vec<Option<f64>>,
    /// Why they ended before they were to, if they did.
    pub lost: Option<Fault>,
}

/// Probes the node until it is told to end by the count, by Ctrl-C or by `tell`.
///
/// # Errors
/// No probe got a way to the node, or it was lost before it answered any.
pub fn run(
    options: &PingOptions,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(PingEvent) -> ControlFlow<()>,
) -> Result<Pinged, Fault> {
    let (site, ping_port) = find_ping_port(&options.reach, interrupt)?;
    let main_role = site.path("/ws/ping");
    let mut ping_role = main_role.clone();
    ping_role.peer.set_port(ping_port);
    let http = site.path("/ping");
    let main_port = main_role.peer.port();
    let routes = ProbeRoutes {
        ping_role,
        main_role,
        http,
    };
    let (link, transport) = ProbeLink::connect(routes, interrupt, &mut || {})?;
    let mut wish = tell(PingEvent::Connected {
        ip: site.ip(),
        port: match transport {
            ProbeTransport::PingRole => ping_port,
            ProbeTransport::MainRole | ProbeTransport::Http => main_port,
        },
        transport,
    });
    let interval_us = u64::try_from(options.interval.as_micros())
        .unwrap_or(u64::MAX)
        .max(1);
    let end_us = options.count.map_or(u64::MAX, |count| {
        u64::from(count).saturating_mul(interval_us)
    });
    let start = clock::monotonic_now() + START_LEAD;
    link.order(ProbeOrder::Run {
        start,
        interval_us,
        end_us,
    });
    let mut log = SampleLog::default();
    // Since when the last answers are waited for, and how long at most.
    let mut settling: Option<(Instant, Duration)> = None;
    let is_lost = loop {
        match link.notices.recv_timeout(LOOK_INTERVAL) {
            Ok(ProbeNotice::Batch(batch)) => {
                let answered: Vec<u32> = batch
                    .answered
                    .iter()
                    .map(|answer| answer.sequence)
                    .collect();
                log.handle_batch(batch);
                if wish.is_continue() {
                    wish = tell_answers(&log, &answered, tell);
                }
            }
            Ok(ProbeNotice::Lost { .. }) | Err(RecvTimeoutError::Disconnected) => break true,
            Ok(ProbeNotice::Connected(_) | ProbeNotice::Unreachable)
            | Err(RecvTimeoutError::Timeout) => {}
        }
        let now = clock::monotonic_now();
        let now_us = u64::try_from((now - start).as_micros()).unwrap_or(u64::MAX);
        let Some((since, limit)) = settling else {
            if interrupt.is_set() || wish.is_break() {
                link.order(ProbeOrder::Hush);
                settling = Some((now, STOPPED_ANSWER_LIMIT));
            } else if now_us >= end_us {
                settling = Some((now, LATE_ANSWER_LIMIT));
            }
            continue;
        };
        let waited = now - since;
        if waited >= limit || (waited >= TELL_LIMIT && log.unanswered() == 0) {
            break false;
        }
    };
    link.end();
    let round_trips_ms: Vec<Option<f64>> = log.probes.iter().map(round_trip_ms).collect();
    let lost = is_lost.then(|| Fault::NoAnswer("the connection to the node was lost".to_owned()));
    match lost {
        Some(fault) if round_trips_ms.iter().all(Option::is_none) => Err(fault),
        lost => Ok(Pinged {
            round_trips_ms,
            lost,
        }),
    }
}

fn tell_answers(
    log: &SampleLog,
    answered: &[u32],
    tell: &mut dyn FnMut(PingEvent) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for &sequence in answered {
        let found = log
            .probes
            .binary_search_by_key(&sequence, |probe| probe.sequence);
        let round_trip = found
            .ok()
            .and_then(|index| round_trip_ms(&log.probes[index]));
        if let Some(round_trip_ms) = round_trip {
            tell(PingEvent::Answered {
                sequence,
                round_trip_ms,
            })?;
        }
    }
    ControlFlow::Continue(())
}

/// The node at the first address that answers, and its port for probes; main's where it names none.
fn find_ping_port(reach: &Reach, interrupt: &Interrupt) -> Result<(Site, u16), Fault> {
    let (site, health) = api::at_first_site(reach, |site| {
        api::get::<ProcessHealthReport>(site, "/virtual-household/process-health", interrupt)
    })?;
    let main_port = site.path("/").peer.port();
    let row = health.processes.iter().find(|row| row.role == "ping");
    Ok((site, row.map_or(main_port, |row| row.port)))
}

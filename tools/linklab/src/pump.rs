//! One direction's thread: reads packets from one device, lets the link have them, and writes them to the other on time.
//!
//! The link's clock is exact whatever this thread does: a packet that is handed over late delays no other. What the thread
//! adds is its own lateness, which it counts.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use protocol::simulate::link::{Link, LinkConfig, Loss};
use protocol::simulate::queue::Packet;
use protocol::time::Instant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;

use crate::device::{Device, Frame};
use crate::error::{Error, Result};
use crate::flow::flow_of;
use crate::namespace::run;
use crate::record::{BIN, Row};
use crate::statistics::{Counters, Snapshot};

/// Packets that are read before those that are due are written.
const READ_BATCH: usize = 32;
/// Buffers that are kept for reuse.
const SPARE_MAX: usize = 4_096;
/// Requests that may wait for a thread.
const REQUESTS_MAX: usize = 16;
/// The thread's priority under SCHED_FIFO: above anything that has none, and below what others may find important.
const PRIORITY: &str = "10";

/// What a line asks of a direction's thread.
enum Request {
    Snapshot(Sender<Snapshot>),
    RestartSchedule,
    Record(Sender<Row>),
    Stop,
}

/// A running direction; it ends when this is dropped.
pub(crate) struct Direction {
    requests: Sender<Request>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread runs before all others.
    pub(crate) is_realtime: bool,
}

/// What a direction is made of.
pub(crate) struct Parts {
    /// Its name in records.
    pub(crate) name: &'static str,
    /// The link that packets go through.
    pub(crate) link: LinkConfig,
    /// Bytes that a packet takes on the wire besides IP.
    pub(crate) overhead_bytes: u32,
    /// Where packets come from.
    pub(crate) from: Arc<Device>,
    /// Where they go.
    pub(crate) to: Arc<Device>,
    /// The line's time 0.
    pub(crate) origin: std::time::Instant,
}

impl Direction {
    /// Starts a direction's thread, before all others where the system allows it.
    ///
    /// # Errors
    /// When the system refuses the thread or its waker.
    pub(crate) fn start(parts: Parts) -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags).map_err(|error| Error::refused("eventfd", error))?);
        let (requests, receiver) = bounded(REQUESTS_MAX);
        let (ready, started) = bounded(1);
        let name = format!("linklab-{}", parts.name);
        let waker = Arc::clone(&wake);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                let thread_id = rustix::thread::gettid().as_raw_nonzero().get();
                // The starter waits for it.
                let _ = ready.send(thread_id);
                Pump::new(parts, receiver, waker).run();
            })
            .map_err(|error| Error::refused("a thread", error))?;
        let thread_id = started.recv().map_err(|_| Error::Ended)?.to_string();
        let is_realtime =
            run(std::process::Command::new("chrt").args(["--fifo", "--pid", PRIORITY, &thread_id]))
                .is_ok();
        Ok(Self {
            requests,
            wake,
            thread: Some(thread),
            is_realtime,
        })
    }

    /// Its counters now.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let (sender, receiver) = bounded(1);
        self.ask(Request::Snapshot(sender))?;
        receiver.recv().map_err(|_| Error::Ended)
    }

    /// Begins the schedule of its rate anew.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn restart_schedule(&self) -> Result<()> {
        self.ask(Request::RestartSchedule)
    }

    /// Sends a row to `rows` every [`BIN`] from now on.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn record(&self, rows: Sender<Row>) -> Result<()> {
        self.ask(Request::Record(rows))
    }

    fn ask(&self, request: Request) -> Result<()> {
        self.requests.send(request).map_err(|_| Error::Ended)?;
        // Its counter can't overflow, and a full one wakes as well.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        Ok(())
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        // A thread that has ended needs no asking.
        let _ = self.ask(Request::Stop);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Pump {
    parts: Parts,
    link: Link<Frame>,
    requests: Receiver<Request>,
    wake: Arc<OwnedFd>,
    spare: Vec<Frame>,
    total: Counters,
    recording: Option<Recording>,
}

/// A record being made.
struct Recording {
    rows: Sender<Row>,
    bin: Counters,
    bin_end: Instant,
}

impl Pump {
    fn new(parts: Parts, requests: Receiver<Request>, wake: Arc<OwnedFd>) -> Self {
        let mut link = Link::new(parts.link.clone());
        link.keep_departures();
        Self {
            link,
            requests,
            wake,
            spare: Vec::new(),
            total: Counters::new(),
            recording: None,
            parts,
        }
    }

    fn run(&mut self) {
        let mut has_input = true;
        let mut has_request = true;
        loop {
            if has_request && !self.handle_requests() {
                return;
            }
            let may_have_more = has_input && self.read();
            let now = self.now();
            self.write(now);
            self.account(now);
            let timeout = if may_have_more {
                Some(Duration::ZERO)
            } else {
                let bin_end = self.recording.as_ref().map(|recording| recording.bin_end);
                let deadline = self.link.poll_timeout().into_iter().chain(bin_end).min();
                deadline.map(|deadline| deadline - self.now())
            };
            (has_input, has_request) = self.wait(timeout);
            has_input |= may_have_more;
        }
    }

    fn now(&self) -> Instant {
        let elapsed = self.parts.origin.elapsed();
        Instant::ORIGIN + elapsed
    }

    /// Waits for a packet, a request, or the time; says which of the first two came.
    fn wait(&self, timeout: Option<Duration>) -> (bool, bool) {
        let mut fds = [
            PollFd::new(&*self.parts.from, PollFlags::IN),
            PollFd::new(&*self.wake, PollFlags::IN),
        ];
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // Interrupted is as good as awoken.
        let _ = poll(&mut fds, timeout.as_ref());
        (!fds[0].revents().is_empty(), !fds[1].revents().is_empty())
    }

    /// Carries requests out; false when it is time to end.
    fn handle_requests(&mut self) -> bool {
        let mut count = [0; 8];
        // Empty when this is the first turn.
        let _ = rustix::io::read(&*self.wake, &mut count);
        while let Ok(request) = self.requests.try_recv() {
            let now = self.now();
            match request {
                Request::Snapshot(reply) => {
                    self.write(now);
                    self.account(now);
                    // A caller that has gone needs no answer.
                    let _ = reply.send(Snapshot {
                        at: now,
                        counters: self.total.clone(),
                        backlog_bytes: self.link.queued_bytes(),
                    });
                }
                Request::RestartSchedule => self.link.restart_schedule(now),
                Request::Record(rows) => {
                    self.recording = Some(Recording {
                        rows,
                        bin: Counters::new(),
                        bin_end: now + BIN,
                    });
                }
                Request::Stop => return false,
            }
        }
        true
    }

    /// Takes packets that have come; true when there may be more.
    fn read(&mut self) -> bool {
        for _ in 0..READ_BATCH {
            let mut frame = self.spare.pop().unwrap_or_else(Frame::new);
            if !self.parts.from.read(&mut frame) {
                self.spare.push(frame);
                return false;
            }
            let ip_bytes = u32::try_from(frame.packet().len()).unwrap_or(u32::MAX);
            let packet = Packet {
                bytes: ip_bytes.saturating_add(self.parts.overhead_bytes),
                flow: flow_of(frame.packet()),
                payload: frame,
            };
            let now = self.now();
            if let Err(packet) = self.link.send(now, packet) {
                self.count(|counters| counters.dropped_packets += 1);
                self.recycle(packet.payload);
            }
        }
        true
    }

    /// Hands over every packet that has arrived.
    fn write(&mut self, now: Instant) {
        while let Some((arrival, frame)) = self.link.poll_arrival(now) {
            let is_taken = self.parts.to.write(&frame);
            let lateness = self.now() - arrival;
            self.count(|counters| {
                counters.count_lateness(lateness);
                counters.refused_packets += u64::from(!is_taken);
            });
            self.recycle(frame);
        }
    }

    /// Counts what left the queue and what was lost, and closes the record's bin when its time is over.
    fn account(&mut self, now: Instant) {
        while let Some(departure) = self.link.poll_departure() {
            self.close_bins(departure.at);
            self.count(|counters| counters.count(departure.bytes, departure.queueing_delay));
        }
        while let Some(loss) = self.link.poll_loss() {
            match loss {
                Loss::Dropped(_) => self.count(|counters| counters.dropped_packets += 1),
                Loss::Lost(_) => self.count(|counters| counters.lost_packets += 1),
            }
            self.recycle(loss.into_payload());
        }
        self.close_bins(now);
    }

    fn close_bins(&mut self, now: Instant) {
        let Some(recording) = &mut self.recording else {
            return;
        };
        while recording.bin_end <= now {
            let statistics = recording.bin.statistics(BIN, self.link.queued_bytes());
            let row = Row {
                end: recording.bin_end,
                direction: self.parts.name,
                statistics,
            };
            recording.bin.clear();
            recording.bin_end = recording.bin_end + BIN;
            // A writer that is too slow loses rows, which their times show; the packets must not wait for it.
            let _ = recording.rows.try_send(row);
        }
    }

    fn count(&mut self, count: impl Fn(&mut Counters)) {
        count(&mut self.total);
        if let Some(recording) = &mut self.recording {
            count(&mut recording.bin);
        }
    }

    fn recycle(&mut self, frame: Frame) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(frame);
        }
    }
}

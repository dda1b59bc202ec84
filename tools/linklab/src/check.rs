//! The emulator measured from outside: timed UDP packets of this process between the two ends of its lines.
//!
//! Both ends are threads of one process and read one clock, so a packet's one-way time is known without a reply. What the
//! hosts' own network stacks and the receiver's wake-up take is in it.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::line::{HOME_ADDRESS_V6, Line, NODE_ADDRESS};
use crate::priority;
use crate::spec::{DirectionSpec, LineSpec, QueueSpec};

/// The rates that are tried when none is named, in Mbit/s.
pub const RATES_MBPS: &[f64] = &[10.0, 100.0, 300.0, 500.0];
/// What is allowed: this share of what was asked …
const SHARE: f64 = 0.01;
/// … or, of a time, so many ms.
const TIME_MS: f64 = 0.2;
/// The lines' propagation and the depth of their queues.
const DELAY_MS: f64 = 20.0;
const DEPTH_MS: f64 = 50.0;
/// UDP's payload in a packet that is full over IPv6, and in a small one.
const FULL_BYTES: usize = 1_452;
const SMALL_BYTES: usize = 64;
/// Bytes of IP and UDP headers and of Ethernet's, over IPv4 and over IPv6.
const HEADER_BYTES: [usize; 2] = [42, 62];
/// Packets of a measurement of delay, and the time between them.
const TIMED_PACKETS: u32 = 200;
const TIMED_INTERVAL: Duration = Duration::from_millis(5);
/// A flood is looked at in its last second: the queue is full by then.
const FLOOD_WARMUP: Duration = Duration::from_millis(700);
const FLOOD: Duration = Duration::from_millis(1_700);
/// How much more than the rate a flood is.
const FLOOD_SHARE: f64 = 1.15;

/// One figure: what was asked of the emulator and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is, with its line.
    pub name: String,
    /// What was asked, in `unit`.
    pub asked: f64,
    /// What was measured.
    pub got: f64,
    /// How far they may be apart.
    pub allowed: f64,
    /// Of all three.
    pub unit: &'static str,
}

impl Figure {
    /// Whether what came is near enough to what was asked.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.got - self.asked).abs() <= self.allowed
    }
}

/// Measures lines of these rates, in Mbit/s, about six seconds for each, and FQ-CoDel.
///
/// # Errors
/// When a line can't be made or a socket of the check fails.
pub fn run(rates_mbps: &[f64]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &rate_mbps in rates_mbps {
        let direction = DirectionSpec {
            delay_ms: DELAY_MS,
            ..DirectionSpec::drop_tail(rate_mbps, DEPTH_MS)
        };
        let line = Line::create(&LineSpec {
            down: direction.clone(),
            up: direction,
            ..LineSpec::default()
        })?;
        for way in [Way::Up, Way::Down] {
            let name = format!("{way:?}, {rate_mbps} Mbit/s").to_lowercase();
            figures.push(delay(&line, way, rate_mbps, &name)?);
            figures.extend(flood(&line, way, rate_mbps, &name)?);
        }
    }
    figures.push(sparse_flow()?);
    Ok(figures)
}

/// From the home to the node over IPv4, or back over IPv6: both are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A packet that came: when it was sent and when it was received, since the beginning.
#[derive(Clone, Copy, Debug)]
struct Passed {
    sent: Duration,
    received: Duration,
}

impl Passed {
    fn one_way_ms(self) -> f64 {
        (self.received.saturating_sub(self.sent)).as_secs_f64() * 1e3
    }
}

/// Single packets on an idle line: their bits and the propagation.
fn delay(line: &Line, way: Way, rate_mbps: f64, name: &str) -> Result<Figure> {
    let (sender, receiver) = sockets(line, way)?;
    let (passed, ()) = exchange(&receiver, || {
        for _ in 0..TIMED_PACKETS {
            thread::sleep(TIMED_INTERVAL);
            send(&sender, SMALL_BYTES);
        }
    });
    let asked = DELAY_MS + wire_ms(SMALL_BYTES, way, rate_mbps);
    Ok(Figure {
        name: format!("delay {name}"),
        asked,
        got: median(passed.iter().map(|passed| passed.one_way_ms()))?,
        allowed: (asked * SHARE).max(TIME_MS),
        unit: "ms",
    })
}

/// More than the line carries: its rate, the queue's depth, and the wait that the emulator says beside what packets had.
fn flood(line: &Line, way: Way, rate_mbps: f64, name: &str) -> Result<[Figure; 3]> {
    let (sender, receiver) = sockets(line, way)?;
    let (passed, seen) = exchange(&receiver, || {
        let begin = Instant::now();
        let gap_s = wire_ms(FULL_BYTES, way, rate_mbps) / 1e3 / FLOOD_SHARE;
        let mut sent = 0_u32;
        let mut mark = None;
        while begin.elapsed() < FLOOD {
            if mark.is_none() && begin.elapsed() > FLOOD_WARMUP {
                mark = Some((line.mark(), since_start()));
            }
            if begin.elapsed().as_secs_f64() < gap_s * f64::from(sent) {
                thread::sleep(Duration::from_micros(100));
                continue;
            }
            send(&sender, FULL_BYTES);
            sent += 1;
        }
        mark.map(|(mark, at)| {
            let statistics = mark.and_then(|mark| line.since(&mark));
            (statistics, at, since_start())
        })
    });
    let (statistics, from, until) =
        seen.ok_or_else(|| Error::Refused("the flood was too short".into()))?;
    let statistics = match way {
        Way::Up => statistics?.up,
        Way::Down => statistics?.down,
    };
    let late: Vec<Passed> = passed
        .into_iter()
        .filter(|passed| (from..until).contains(&passed.received))
        .collect();
    let (Some(first), Some(last)) = (late.first(), late.last()) else {
        return Err(Error::Refused(format!("{name}: the flood did not arrive")));
    };
    let packet_ms = wire_ms(FULL_BYTES, way, rate_mbps);
    let seconds = (last.received - first.received).as_secs_f64();
    let got_mbps = (late.len() - 1) as f64 * packet_ms / 1e3 * rate_mbps / seconds;
    let waits_ms = late
        .iter()
        .map(|passed| passed.one_way_ms() - DELAY_MS - packet_ms);
    let mean_wait_ms = waits_ms.sum::<f64>() / late.len() as f64;
    let said_ms = statistics.mean_ms.unwrap_or_default();
    Ok([
        Figure {
            name: format!("rate {name}"),
            asked: rate_mbps,
            got: got_mbps,
            allowed: rate_mbps * SHARE,
            unit: "Mbit/s",
        },
        Figure {
            name: format!("deepest wait {name}"),
            asked: DEPTH_MS,
            got: statistics.max_ms.unwrap_or_default(),
            // A queue holds whole packets, and its last may come while one is half out.
            allowed: (DEPTH_MS * SHARE).max(TIME_MS) + packet_ms,
            unit: "ms",
        },
        Figure {
            name: format!("mean wait {name}: said, and had by packets"),
            asked: said_ms,
            got: mean_wait_ms,
            allowed: (said_ms * SHARE).max(TIME_MS),
            unit: "ms",
        },
    ])
}

/// A packet every 5 ms beside a flood in another flow, behind FQ-CoDel: within the time of a few of the flood's packets.
fn sparse_flow() -> Result<Figure> {
    let rate_mbps = 50.0;
    let direction = DirectionSpec::with_queue(rate_mbps, QueueSpec::fq_codel());
    let line = Line::create(&LineSpec {
        down: direction.clone(),
        up: direction,
        ..LineSpec::default()
    })?;
    let (flooder, sink) = sockets(&line, Way::Up)?;
    let (sender, receiver) = sockets(&line, Way::Up)?;
    let (passed, ()) = exchange(&receiver, || {
        let begin = Instant::now();
        let gap_s = wire_ms(FULL_BYTES, Way::Up, rate_mbps) / 1e3 / FLOOD_SHARE;
        let (mut flooded, mut timed) = (0_u32, 0_u32);
        while begin.elapsed() < FLOOD {
            let elapsed = begin.elapsed();
            if elapsed.as_secs_f64() >= gap_s * f64::from(flooded) {
                send(&flooder, FULL_BYTES);
                flooded += 1;
            } else if elapsed >= TIMED_INTERVAL * timed {
                send(&sender, SMALL_BYTES);
                timed += 1;
            } else {
                thread::sleep(Duration::from_micros(100));
            }
        }
    });
    drop(sink);
    let got = median(passed.iter().map(|passed| passed.one_way_ms()))?;
    let packet_ms = wire_ms(FULL_BYTES, Way::Up, rate_mbps);
    Ok(Figure {
        name: "one-way time of a sparse flow beside a flood, fq-codel, 50 Mbit/s".into(),
        // On average half a packet is on the wire before it; its own bits follow.
        asked: packet_ms / 2.0 + wire_ms(SMALL_BYTES, Way::Up, rate_mbps),
        got,
        allowed: packet_ms + TIME_MS,
        unit: "ms",
    })
}

/// A socket at each end of the line, the first one connected to the second.
fn sockets(line: &Line, way: Way) -> Result<(UdpSocket, UdpSocket)> {
    let fault = |error: std::io::Error| Error::refused("a UDP socket of the check", error);
    let bind = |address: &str| -> std::io::Result<UdpSocket> {
        let address: std::net::IpAddr = address.parse().map_err(std::io::Error::other)?;
        UdpSocket::bind(SocketAddr::new(address, 0))
    };
    let (sender, receiver) = match way {
        Way::Up => (
            line.enter_home(|| bind("0.0.0.0"))?,
            line.enter_node(|| bind(NODE_ADDRESS))?,
        ),
        Way::Down => (
            line.enter_node(|| bind("::"))?,
            line.enter_home(|| bind(HOME_ADDRESS_V6))?,
        ),
    };
    let (sender, receiver) = (sender.map_err(fault)?, receiver.map_err(fault)?);
    sender
        .connect(receiver.local_addr().map_err(fault)?)
        .map_err(fault)?;
    receiver
        .set_read_timeout(Some(Duration::from_millis(300)))
        .map_err(fault)?;
    Ok((sender, receiver))
}

/// Runs `sending` while another thread receives, until nothing more comes.
fn exchange<T: Send>(receiver: &UdpSocket, sending: impl FnOnce() -> T + Send) -> (Vec<Passed>, T) {
    let is_over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            // Measured is the emulator, not who else keeps the machine busy; where that is refused both are.
            priority::raise(rustix::thread::gettid(), priority::MEASURING);
            let mut passed = Vec::new();
            let mut packet = [0; FULL_BYTES];
            loop {
                match receiver.recv(&mut packet) {
                    Ok(_) => passed.push(Passed {
                        sent: sent_at(&packet),
                        received: since_start(),
                    }),
                    Err(_) if is_over.load(std::sync::atomic::Ordering::Acquire) => return passed,
                    Err(_) => {}
                }
            }
        });
        let sent = scope.spawn(|| {
            priority::raise(rustix::thread::gettid(), priority::MEASURING);
            let result = sending();
            is_over.store(true, std::sync::atomic::Ordering::Release);
            result
        });
        match sent.join() {
            Ok(result) => (receiving.join().unwrap_or_default(), result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Sends a packet that says when it was sent. One that the host has no room for is one that was not sent.
fn send(sender: &UdpSocket, bytes: usize) {
    let mut packet = [0; FULL_BYTES];
    let now_ns = u64::try_from(since_start().as_nanos()).unwrap_or(u64::MAX);
    packet[..8].copy_from_slice(&now_ns.to_be_bytes());
    let _ = sender.send(&packet[..bytes]);
}

/// When a packet says that it was sent.
fn sent_at(packet: &[u8; FULL_BYTES]) -> Duration {
    let mut now_ns = [0; 8];
    now_ns.copy_from_slice(&packet[..8]);
    Duration::from_nanos(u64::from_be_bytes(now_ns))
}

/// Time since this was first asked: the check's clock.
fn since_start() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The time of a packet's bits on the wire, in ms.
fn wire_ms(payload_bytes: usize, way: Way, rate_mbps: f64) -> f64 {
    (payload_bytes + HEADER_BYTES[way as usize]) as f64 * 8.0 / rate_mbps / 1e3
}

fn median(values: impl Iterator<Item = f64>) -> Result<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len() / 2)
        .copied()
        .ok_or_else(|| Error::Refused("no packet of the check arrived".into()))
}

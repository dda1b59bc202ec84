//! Clients that misbehave, each alone, from an address of its own where there is one: its neighbours must not share its
//! limits.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use engine::runtime::sys::clock;
use protocol::time::Instant;

use crate::node::Node;
use crate::raw_socket::RawSocket;

const PATIENCE: Duration = Duration::from_secs(1);
/// Loopback is a whole network: this is another client to the node.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const SESSIONS: usize = 1_000;
/// Between two connections of the one that sends garbage: a flood would take the processor from all, by the sender's own
/// doing.
const GARBAGE_PAUSE: Duration = Duration::from_millis(10);
const GARBAGE_BYTES: usize = 64 * 1024;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadClient {
    StopsReading,
    SendsGarbage,
    NeverFinishesHandshake,
    OpensAThousandSessions,
}

impl BadClient {
    pub(super) const ALL: [Self; 4] = [
        Self::StopsReading,
        Self::SendsGarbage,
        Self::NeverFinishesHandshake,
        Self::OpensAThousandSessions,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::StopsReading => "stops reading",
            Self::SendsGarbage => "sends garbage",
            Self::NeverFinishesHandshake => "never finishes its handshake",
            Self::OpensAThousandSessions => "opens a thousand sessions",
        }
    }

    /// Misbehaves until `end`; what became of it.
    pub(super) fn misbehave(self, node: &Node, end: Instant) -> String {
        let users = match users(node) {
            Ok(users) => users,
            Err(error) => return format!("not done: {error:#}"),
        };
        let fate = match self {
            Self::StopsReading => stop_reading(&users, end),
            Self::SendsGarbage => send_garbage(&users, end),
            Self::NeverFinishesHandshake => never_finish(&users, end),
            Self::OpensAThousandSessions => open_a_thousand(&users, end),
        };
        fate.unwrap_or_else(|error| format!("not done: {error}"))
    }
}

/// The users' own ports and the paths of their sessions, the fastest user first.
fn users(node: &Node) -> anyhow::Result<Vec<(SocketAddr, String)>> {
    let mut profiles = node.catalogue()?.profiles;
    profiles.sort_by(|a, b| b.mean_down_mbps.total_cmp(&a.mean_down_mbps));
    Ok(profiles
        .iter()
        .map(|profile| {
            let peer = SocketAddr::new(node.main.ip(), profile.port);
            let target = format!("/ws/virtual-household/{}", profile.user_id);
            (peer, target)
        })
        .collect())
}

fn connect(peer: SocketAddr) -> io::Result<RawSocket> {
    let from = match peer.ip() {
        IpAddr::V4(address) if address.is_loopback() => Some(OTHER_ADDRESS),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    RawSocket::connect(peer, from, PATIENCE)
}

/// A session of the fastest user, started, of which nothing is read; pings say that the client is alive. (A slow user's
/// messages fit into the kernel's buffers for longer than this takes.)
fn stop_reading(users: &[(SocketAddr, String)], end: Instant) -> io::Result<String> {
    let Some((peer, target)) = users.first() else {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    };
    let begun = clock::monotonic_now();
    let mut socket = connect(*peer)?;
    socket.open(target)?;
    socket.wait_for(b"\"welcome\"")?;
    socket.say("{\"type\":\"start\"}")?;
    let mut fate = "not ended".to_owned();
    while clock::monotonic_now() < end {
        if socket.ping().is_err() {
            let after_s = (clock::monotonic_now() - begun).as_secs_f64();
            fate = format!("ended after {after_s:.1} s");
            break;
        }
        sleep(Duration::from_millis(100));
    }
    sleep(end - clock::monotonic_now());
    Ok(format!("a session of {}: {fate}", user_of(target)))
}

fn user_of(target: &str) -> &str {
    target.rsplit('/').next().unwrap_or(target)
}

/// Random bytes in place of a request, and in place of frames, to each role in turn.
fn send_garbage(users: &[(SocketAddr, String)], end: Instant) -> io::Result<String> {
    let mut garbage = vec![0; GARBAGE_BYTES];
    getrandom::fill(&mut garbage)?;
    let mut connections = 0_u64;
    let mut not_ended = 0_u64;
    for (turn, (peer, target)) in users.iter().cycle().enumerate() {
        if clock::monotonic_now() >= end {
            break;
        }
        let mut socket = connect(*peer)?;
        connections += 1;
        if turn / users.len() % 2 == 1 {
            socket.open(target)?;
        }
        // The node may have ended it before all of it is sent.
        let sent = socket.send(&garbage);
        let read = socket.wait_for(b"never sent by a node");
        let ran_out = |result: &io::Result<()>| matches!(result, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        not_ended += u64::from(sent.is_ok() && ran_out(&read));
        sleep(GARBAGE_PAUSE);
    }
    Ok(format!(
        "{connections} connections with 64 KiB of garbage each, {not_ended} of them not ended within 1 s"
    ))
}

/// Half a request to each role, and then a byte a second.
fn never_finish(users: &[(SocketAddr, String)], end: Instant) -> io::Result<String> {
    let begun = clock::monotonic_now();
    let mut open = Vec::new();
    for (peer, target) in users {
        let mut socket = connect(*peer)?;
        socket.send(format!("GET {target} HTTP/1.1\r\nHost: node\r\nX: ").as_bytes())?;
        // Each of them is looked at for a moment in turn.
        socket.set_patience(Duration::from_millis(50))?;
        open.push((target, socket));
    }
    let mut fates = Vec::new();
    let mut next_byte = begun;
    while clock::monotonic_now() < end {
        let now = clock::monotonic_now();
        let is_byte_due = now >= next_byte;
        if is_byte_due {
            next_byte = now + Duration::from_secs(1);
        }
        open.retain_mut(|(target, socket)| {
            let sent = if is_byte_due {
                socket.send(b"x")
            } else {
                Ok(())
            };
            let read = socket.wait_for(b"never sent by a node");
            let is_over = sent.is_err()
                || read.is_err_and(|error| {
                    !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    )
                });
            if is_over {
                let after_s = (clock::monotonic_now() - begun).as_secs_f64();
                fates.push(format!("{} ended after {after_s:.1} s", user_of(target)));
            }
            !is_over
        });
        if open.is_empty() {
            break;
        }
    }
    fates.extend(
        open.iter()
            .map(|(target, _)| format!("{} not ended", user_of(target))),
    );
    sleep(end - clock::monotonic_now());
    Ok(fates.join(", "))
}

/// As fast as they are let in, shared evenly among the users; they stay open and are not started.
fn open_a_thousand(users: &[(SocketAddr, String)], end: Instant) -> io::Result<String> {
    let begun = clock::monotonic_now();
    let mut open = Vec::new();
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for (peer, target) in users.iter().cycle().take(SESSIONS) {
        if clock::monotonic_now() >= end {
            break;
        }
        let answer = connect(*peer).and_then(|mut socket| {
            let status = socket.open(target)?;
            open.push(socket);
            Ok(status)
        });
        let answer = match answer {
            Ok(101) => "let in".to_owned(),
            Ok(status) => format!("answered {status}"),
            Err(error) => error.kind().to_string(),
        };
        *answers.entry(answer).or_insert(0) += 1;
    }
    let took_s = (clock::monotonic_now() - begun).as_secs_f64();
    sleep(end - clock::monotonic_now());
    let answers: Vec<String> = answers
        .iter()
        .map(|(answer, count)| format!("{count} {answer}"))
        .collect();
    Ok(format!("{} in {took_s:.1} s", answers.join(", ")))
}

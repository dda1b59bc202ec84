//! What a child is handed: one JSON document in a memfd, and descriptors under the numbers that it names.
//!
//! Nothing of it is on the command line, where every user of the machine could read it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::notice::NoticeReader;
use crate::runtime::sys::process::{die_with_parent, inherited_descriptor, name_thread};
use crate::runtime::sys::shared_memory::memfd;
use crate::runtime::tls::{Acceptor, MinVersion};
use crate::server::config::{Config, TlsVersion};
use crate::server::context::{DrainSignal, LoopSeat, RoleContext, RolePort};
use crate::server::live_config::LiveConfig;
use crate::server::os_error;
use crate::server::roles::Role;
use crate::server::scoreboard::Scoreboard;
use crate::server::tls::HandedCredentials;

/// The environment variable that names the document's descriptor; who has it is a child.
pub const HANDOVER_VARIABLE: &str = "BUFFERBLOATD_HANDOVER_FD";

/// The document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handover {
    /// Whose death is the child's.
    pub supervisor_pid: u32,
    /// The node's configuration.
    pub config: Config,
    /// Where the node listens.
    pub ports: Vec<RolePort>,
    /// What this child serves.
    pub roles: Vec<HandedRole>,
    /// The scoreboard's descriptor.
    pub scoreboard_fd: RawFd,
    /// The descriptor that notices come on while the child runs.
    pub notices_fd: RawFd,
    /// What handshakes are made with; without it the node speaks plain HTTP.
    pub credentials: Option<HandedCredentials>,
}

/// What a child has to work with.
#[derive(Debug)]
pub struct Opened {
    /// One for each role.
    pub contexts: Vec<RoleContext>,
    /// What all of them read.
    pub config: LiveConfig,
    /// What the supervisor says from now on.
    pub notices: NoticeReader,
    /// What handshakes are made with, if the node speaks TLS.
    pub acceptor: Option<Arc<Acceptor>>,
}

/// One role with its loops.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedRole {
    /// Which.
    pub role: Role,
    /// Its loops.
    pub loops: Vec<HandedLoop>,
}

/// One loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedLoop {
    /// Its slot on the scoreboard.
    pub slot: usize,
    /// Its listeners' descriptors.
    pub listener_fds: Vec<RawFd>,
}

impl HandedLoop {
    /// The seat of the supervisor's as a child is told it.
    #[must_use]
    pub fn of(seat: &LoopSeat) -> Self {
        Self {
            slot: seat.slot,
            listener_fds: seat.listeners.iter().map(AsRawFd::as_raw_fd).collect(),
        }
    }
}

/// Every descriptor of the seats, to be left open in the child.
pub fn descriptors(seats: &[LoopSeat]) -> impl Iterator<Item = BorrowedFd<'_>> {
    seats
        .iter()
        .flat_map(|seat| seat.listeners.iter().map(AsFd::as_fd))
}

/// Any document in a memfd, ready to be read from its beginning.
///
/// # Errors
/// No memory, or no descriptor left.
pub(super) fn to_memfd(document: &impl Serialize) -> io::Result<OwnedFd> {
    let mut file = memfd(c"bufferbloatd-handover")?;
    file.write_all(&serde_json::to_vec(document)?)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(OwnedFd::from(file))
}

/// Any document whose descriptor has this number, once.
///
/// # Errors
/// The number names no such descriptor, or the document is not one.
pub(super) fn take<T: DeserializeOwned>(number: &str) -> io::Result<T> {
    let number: RawFd = number.parse().map_err(io::Error::other)?;
    let mut file = std::fs::File::from(inherited_descriptor(number)?);
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Begins the life of a process of the supervisor's: takes the document whose descriptor has this number, which
/// `variable` named, and dies with the supervisor that `supervisor_pid` reads from it. `None` when this process has to end;
/// why is told, unless nobody wants it any more.
pub(in crate::server) fn begin<T: DeserializeOwned>(
    variable: &str,
    number: &str,
    supervisor_pid: impl FnOnce(&T) -> u32,
) -> Option<T> {
    // It was started as /proc/self/exe, which would be its name in `top`.
    name_thread("bufferbloatd".as_ref());
    match take(number) {
        // An error: the supervisor is gone.
        Ok(document) => die_with_parent(supervisor_pid(&document))
            .is_ok()
            .then_some(document),
        Err(error) => {
            let reason = os_error::reason(&error);
            os_error::complain(&format!(
                "{variable}={number}: {reason}; the supervisor sets this variable for its own processes, unset it"
            ));
            None
        }
    }
}

impl Handover {
    /// Writes the document into a memfd, ready to be read from its beginning.
    ///
    /// # Errors
    /// No memory, or no descriptor left.
    pub fn to_memfd(&self) -> io::Result<OwnedFd> {
        to_memfd(self)
    }

    /// Takes over every descriptor that the document names.
    ///
    /// # Errors
    /// A descriptor is missing, or the scoreboard is another version's.
    pub fn open(self, drain: Arc<std::sync::atomic::AtomicBool>) -> io::Result<Opened> {
        let scoreboard = Scoreboard::open(inherited_descriptor(self.scoreboard_fd)?)?;
        let notices = NoticeReader::new(inherited_descriptor(self.notices_fd)?);
        let acceptor = self
            .credentials
            .map(|credentials| acceptor(&credentials, self.config.tls_min))
            .transpose()?;
        let config = LiveConfig::new(self.config);
        let context = |handed: HandedRole| {
            let seats: io::Result<Vec<LoopSeat>> = handed.loops.iter().map(open_loop).collect();
            Ok(RoleContext {
                role: handed.role,
                config: config.clone(),
                ports: self.ports.clone(),
                loops: seats?,
                scoreboard: scoreboard.clone(),
                acceptor: acceptor.clone(),
                drain: DrainSignal::new(Arc::clone(&drain), scoreboard.clone()),
            })
        };
        let contexts: io::Result<Vec<RoleContext>> = self.roles.into_iter().map(context).collect();
        Ok(Opened {
            contexts: contexts?,
            config,
            notices,
            acceptor,
        })
    }
}

/// What every role speaks over TLS.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

fn acceptor(credentials: &HandedCredentials, min: TlsVersion) -> io::Result<Arc<Acceptor>> {
    let min = match min {
        TlsVersion::Tls12 => MinVersion::Tls12,
        TlsVersion::Tls13 => MinVersion::Tls13,
    };
    let credentials = credentials.open().map_err(io::Error::other)?;
    let acceptor = Acceptor::new(min, PROTOCOLS, credentials).map_err(io::Error::other)?;
    Ok(Arc::new(acceptor))
}

fn open_loop(handed: &HandedLoop) -> io::Result<LoopSeat> {
    let listeners: io::Result<Vec<TcpListener>> = handed
        .listener_fds
        .iter()
        .map(|fd| inherited_descriptor(*fd).map(TcpListener::from))
        .collect();
    Ok(LoopSeat {
        slot: handed.slot,
        listeners: listeners?,
    })
}

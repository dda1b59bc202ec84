//! Listening sockets that this process was started with: from a service manager (socket activation, or what it kept for a
//! node that was here before), or from the node that became this one by an upgrade.
//!
//! They are why a restart refuses nobody: a connection that comes while no node runs waits in their backlog.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::{SockRef, Type};

use crate::runtime::sys::process::inherited_descriptor;
use crate::server::os_error;

/// Names the descriptors that an upgrade hands on: `main=7,main=8,ping=9`.
pub(super) const LISTENERS_VARIABLE: &str = "BUFFERBLOATD_LISTENERS";

/// Sockets in search of their roles.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<Given>);

#[derive(Debug)]
struct Given {
    /// What whoever gave it calls it; the role's name after an upgrade.
    name: String,
    address: SocketAddr,
    listener: TcpListener,
}

/// One that no role has a use for, closed.
#[derive(Debug)]
pub(super) struct Unclaimed {
    /// As it was called.
    pub(super) name: String,
    /// Where it listened.
    pub(super) address: SocketAddr,
}

impl Inherited {
    /// Takes over what the environment names. To be called once, before any other descriptor is opened. What is no
    /// listening TCP socket is told and left alone.
    pub(super) fn take() -> Self {
        let mut given = Vec::new();
        match sd_notify::listen_fds_with_names() {
            Ok(named) => given.extend(named.map(|(fd, name)| (name, fd))),
            Err(error) => {
                let reason = os_error::reason(&error);
                tracing::error!(reason, "LISTEN_FDS is not understood: opening sockets anew");
            }
        }
        if let Ok(list) = std::env::var(LISTENERS_VARIABLE) {
            given.extend(parse(&list));
        }
        let mut taken = Vec::new();
        for (name, fd) in given {
            match inherited_descriptor(fd).and_then(|fd| listening(name.clone(), fd)) {
                Ok(given) => taken.push(given),
                Err(error) => {
                    let reason = os_error::reason(&error);
                    tracing::warn!(name, fd, reason, "an inherited descriptor is of no use");
                }
            }
        }
        Self(taken)
    }

    /// Those for this role and address; a port of 0 fits whatever port the role of this name had. On all addresses, either
    /// family's will do.
    ///
    /// # Errors
    /// No descriptor left.
    pub(super) fn listeners_for(
        &self,
        role: &str,
        wanted: SocketAddr,
    ) -> io::Result<Vec<TcpListener>> {
        self.0
            .iter()
            .filter(|given| given.fits(role, wanted))
            .map(|given| given.listener.try_clone())
            .collect()
    }

    /// Closes all; those that serve none of these ports.
    pub(super) fn close(self, ports: &[u16]) -> Vec<Unclaimed> {
        self.0
            .into_iter()
            .filter(|given| !ports.contains(&given.address.port()))
            .map(|given| Unclaimed {
                name: given.name,
                address: given.address,
            })
            .collect()
    }
}

impl Given {
    fn fits(&self, role: &str, wanted: SocketAddr) -> bool {
        let (here, there) = (self.address.ip(), wanted.ip());
        let is_address = here == there || (here.is_unspecified() && there.is_unspecified());
        let is_port = match wanted.port() {
            0 => self.name == role,
            port => self.address.port() == port,
        };
        is_address && is_port
    }
}

/// What [`LISTENERS_VARIABLE`] says of these listeners.
pub(super) fn list<'a>(listeners: impl Iterator<Item = (&'a str, &'a TcpListener)>) -> String {
    let entries: Vec<String> = listeners
        .map(|(role, listener)| format!("{role}={}", listener.as_raw_fd()))
        .collect();
    entries.join(",")
}

fn parse(list: &str) -> Vec<(String, RawFd)> {
    list.split(',')
        .filter_map(|entry| {
            let (name, fd) = entry.split_once('=')?;
            Some((name.to_owned(), fd.parse().ok()?))
        })
        .collect()
}

fn listening(name: String, fd: OwnedFd) -> io::Result<Given> {
    let socket = SockRef::from(&fd);
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(io::Error::other("not a listening TCP socket"));
    }
    let address = socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("not an IP socket"))?;
    Ok(Given {
        name,
        address,
        listener: TcpListener::from(fd),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str) -> (Inherited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let given = listening(name.to_owned(), OwnedFd::from(listener)).unwrap();
        (Inherited(vec![given]), address)
    }

    #[test]
    fn a_socket_belongs_to_the_role_that_has_its_address() {
        let (inherited, address) = given("whatever");
        let count =
            |role: &str, wanted: SocketAddr| inherited.listeners_for(role, wanted).unwrap().len();
        assert_eq!(count("main", address), 1);
        assert_eq!(
            count(
                "main",
                SocketAddr::new("127.0.0.2".parse().unwrap(), address.port())
            ),
            0
        );
        assert_eq!(
            count("main", SocketAddr::new(address.ip(), address.port() ^ 1)),
            0
        );
        assert_eq!(count("main", SocketAddr::new(address.ip(), 0)), 0);
        assert_eq!(count("whatever", SocketAddr::new(address.ip(), 0)), 1);
        let unclaimed = inherited.close(&[address.port() ^ 1]);
        assert_eq!(unclaimed[0].address, address);
    }

    #[test]
    fn what_is_no_listening_socket_is_refused() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(listening("x".to_owned(), OwnedFd::from(one)).is_err());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(listening("x".to_owned(), OwnedFd::from(file)).is_err());
    }

    #[test]
    fn the_list_is_read_as_it_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = list([("main", &listener), ("a-b", &listener)].into_iter());
        let fd = listener.as_raw_fd();
        assert_eq!(
            parse(&text),
            [("main".to_owned(), fd), ("a-b".to_owned(), fd)]
        );
        assert_eq!(parse("x,=,y=z"), []);
    }
}

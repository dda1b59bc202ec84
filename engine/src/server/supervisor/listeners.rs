//! The listening sockets of all roles: opened once, before any child, and kept open through every crash, so that a
//! connection made during a restart waits in the backlog and is not refused.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::inherited::Inherited;
use crate::server::config::{Config, Listen};
use crate::server::os_error;
use crate::server::roles::{MAIN, PING, REDIRECT, Role};

/// Connections that wait to be accepted, at most; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// With port 0 and several addresses, a port that is free on the first may be taken on the next.
const ANY_PORT_ATTEMPTS: usize = 16;

/// One role's sockets.
#[derive(Debug)]
pub(super) struct RoleListeners {
    /// The port they all listen on.
    pub(super) port: u16,
    /// For each loop, one listener for each address.
    pub(super) loops: Vec<Vec<TcpListener>>,
    /// Whether fewer sockets were given than there are loops: some accept from the same one then.
    pub(super) is_shared: bool,
}

/// A socket that could not be opened.
#[derive(Debug)]
pub(super) struct ListenError {
    role: String,
    address: SocketAddr,
    is_wildcard: bool,
    error: io::Error,
}

impl ListenError {
    /// Whether another listener has the port.
    #[must_use]
    pub(super) fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.address.port();
        if self.is_wildcard {
            write!(f, "port {port}: ")?;
        } else {
            write!(f, "{}: ", self.address)?;
        }
        let flag = match self.role.as_str() {
            MAIN => "--port",
            PING => "--ping-port",
            REDIRECT => "--http-redirect-port",
            _ => "--profile-ports or the profile's port in the file",
        };
        match self.error.kind() {
            io::ErrorKind::PermissionDenied => {
                f.write_str("permission denied; run as root or grant CAP_NET_BIND_SERVICE")
            }
            io::ErrorKind::AddrInUse => write!(
                f,
                "already in use by another program; stop it or choose another with {flag}"
            ),
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("no interface of this machine has this address; change --listen")
            }
            _ => write!(f, "cannot listen: {}", os_error::reason(&self.error)),
        }
    }
}

impl std::error::Error for ListenError {}

/// Opens the sockets of one role.
///
/// # Errors
/// The first address that cannot be listened on.
pub(super) fn open(
    role: &Role,
    config: &Config,
    inherited: &Inherited,
) -> Result<RoleListeners, ListenError> {
    let everywhere = |ip: IpAddr| open_any(role, &[ip], true, inherited);
    let wildcard = match &config.listen {
        Listen::Addresses(addresses) => return open_any(role, addresses, false, inherited),
        Listen::DualStack => everywhere(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    match wildcard {
        Err(failed) if is_ipv6_off(&failed.error) => everywhere(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        opened => opened,
    }
}

/// IPv6 not compiled in, or disabled by sysctl.
fn is_ipv6_off(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
    )
}

fn open_any(
    role: &Role,
    addresses: &[IpAddr],
    is_wildcard: bool,
    inherited: &Inherited,
) -> Result<RoleListeners, ListenError> {
    let mut attempt = 1;
    loop {
        match open_all(role, addresses, is_wildcard, inherited) {
            Err(failed) if role.port == 0 && failed.is_in_use() && attempt < ANY_PORT_ATTEMPTS => {
                attempt += 1;
            }
            opened => return opened,
        }
    }
}

fn open_all(
    role: &Role,
    addresses: &[IpAddr],
    is_wildcard: bool,
    inherited: &Inherited,
) -> Result<RoleListeners, ListenError> {
    // `[::]` beside an IPv4 address must leave IPv4 alone, or the two would collide.
    let is_ipv6_only = addresses.iter().any(IpAddr::is_ipv4);
    let mut port = role.port;
    let count = role.processes * role.loops;
    let mut loops: Vec<Vec<TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    let mut is_shared = false;
    for ip in addresses {
        let failed = |error: io::Error, port: u16| ListenError {
            role: role.name.clone(),
            address: SocketAddr::new(*ip, port),
            is_wildcard,
            error,
        };
        let address = SocketAddr::new(*ip, port);
        let given = inherited
            .listeners_for(&role.name, address)
            .map_err(|error| failed(error, port))?;
        if !given.is_empty() {
            is_shared |= given.len() < loops.len();
            port = adopt(given, &mut loops).map_err(|error| failed(error, port))?;
            continue;
        }
        // Held until the listeners are there, so that nobody takes the port in between.
        let claim =
            claim(SocketAddr::new(*ip, port), is_ipv6_only).map_err(|error| failed(error, port))?;
        port = claim.port;
        for listeners in &mut loops {
            let listener = listen(SocketAddr::new(*ip, port), is_ipv6_only, true)
                .map_err(|error| failed(error, port))?;
            listeners.push(TcpListener::from(listener));
        }
    }
    Ok(RoleListeners {
        port,
        loops,
        is_shared,
    })
}

/// Deals sockets that are open already out to the loops, each to at least one and each loop at least one: what waits in
/// any of them is accepted. Their port.
fn adopt(given: Vec<TcpListener>, loops: &mut [Vec<TcpListener>]) -> io::Result<u16> {
    let mut port = 0;
    for listener in &given {
        listener.set_nonblocking(true)?;
        // Its backlog may be another one, or it may have been silenced.
        listen_again(listener)?;
        port = listener.local_addr()?.port();
    }
    for number in 0..loops.len().max(given.len()) {
        let listener = given[number % given.len()].try_clone()?;
        loops[number % loops.len()].push(listener);
    }
    Ok(port)
}

/// A port that no other program has.
struct Claim {
    port: u16,
    _socket: Socket,
}

/// Listens without `SO_REUSEPORT`: with it the kernel would let another program of the same user share the port, and each
/// would get some of the connections. Once it is ours, the option is set, for our own listeners to join.
fn claim(address: SocketAddr, is_ipv6_only: bool) -> io::Result<Claim> {
    let socket = listen(address, is_ipv6_only, false)?;
    socket.set_reuse_port(true)?;
    let bound = socket.local_addr()?.as_socket();
    let port = bound
        .map(|bound| bound.port())
        .ok_or_else(|| io::Error::other("the kernel gave no port"))?;
    Ok(Claim {
        port,
        _socket: socket,
    })
}

/// Stops listening, and stays bound: what waits in the backlog is reset, and the kernel sends new connections to the
/// role's other listeners, or refuses them where there are none.
///
/// # Errors
/// What `shutdown(2)` answers.
pub(super) fn silence(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).shutdown(Shutdown::Both)
}

/// Listens again after [`silence`].
///
/// # Errors
/// What `listen(2)` answers: `AddrInUse` when another program took the port meanwhile, for a port that nobody listens on
/// can be bound a second time.
pub(super) fn listen_again(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).listen(BACKLOG)
}

fn listen(address: SocketAddr, is_ipv6_only: bool, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(is_ipv6_only)?;
    }
    // Connections of an earlier run in TIME_WAIT do not keep the port; another listener still does.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::server::config::Bounded;
    use crate::server::roles::roles;

    fn config(listen: Listen) -> Config {
        Config {
            port: 0,
            ping_port: 0,
            loops: Bounded::new(3).unwrap(),
            listen,
            ..Config::default()
        }
    }

    #[test]
    fn every_loop_listens_on_every_address_at_one_port() {
        let addresses = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        let config = config(Listen::Addresses(addresses.clone()));
        let opened = open(&roles(&config)[0], &config, &Inherited::default()).unwrap();
        assert_eq!(opened.loops.len(), 3);
        for listeners in &opened.loops {
            let bound: Vec<SocketAddr> = listeners
                .iter()
                .map(|listener| listener.local_addr().unwrap())
                .collect();
            let expected: Vec<SocketAddr> = addresses
                .iter()
                .map(|ip| SocketAddr::new(*ip, opened.port))
                .collect();
            assert_eq!(bound, expected);
        }
    }

    #[test]
    fn a_port_that_another_listener_shares_is_in_use_all_the_same() {
        let config = config(Listen::DualStack);
        let mut role = roles(&config)[0].clone();
        let first = open(&role, &config, &Inherited::default()).unwrap();
        role.port = first.port;
        let error = open(&role, &config, &Inherited::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "port {}: already in use by another program; stop it or choose another with --port",
                first.port
            )
        );
    }

    #[test]
    fn an_address_of_another_machine_is_told() {
        let config = config(Listen::Addresses(vec!["192.0.2.1".parse().unwrap()]));
        let error = open(&roles(&config)[0], &config, &Inherited::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "192.0.2.1:0: no interface of this machine has this address; change --listen"
        );
    }

    #[test]
    fn a_silenced_listener_leaves_connections_to_the_others() {
        let config = config(Listen::Addresses(vec!["127.0.0.1".parse().unwrap()]));
        let opened = open(&roles(&config)[0], &config, &Inherited::default()).unwrap();
        let address = (Ipv4Addr::LOCALHOST, opened.port);
        let (silenced, others) = opened.loops.split_first().unwrap();
        silence(&silenced[0]).unwrap();
        let connections: Vec<TcpStream> = (0..32)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let accepted = others
            .iter()
            .map(|listeners| std::iter::from_fn(|| listeners[0].accept().ok()).count());
        assert_eq!(accepted.sum::<usize>(), connections.len());
        for listeners in others {
            silence(&listeners[0]).unwrap();
        }
        assert!(TcpStream::connect(address).is_err());
        listen_again(&silenced[0]).unwrap();
        assert!(TcpStream::connect(address).is_ok());
        assert!(silenced[0].accept().is_ok());
    }
}

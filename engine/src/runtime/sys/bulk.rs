//! Bulk bytes without a copy: sent from a file's page cache, discarded inside the kernel.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

/// Sends up to `length` bytes of `file` from `offset` to `socket` (`sendfile(2)`), without moving the file's own position.
///
/// # Errors
/// As `sendfile(2)`; `WouldBlock` when the socket's buffer is full.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    length: usize,
) -> io::Result<usize> {
    let mut position = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: both descriptors are open for the call's length and `position` is a valid off_t.
    let sent = unsafe {
        libc::sendfile(
            socket.as_raw_fd(),
            file.as_raw_fd(),
            &raw mut position,
            length,
        )
    };
    check(sent as i64)
}

/// Throws away up to `length` received bytes without copying them out of the kernel (`recv(2)` with `MSG_TRUNC`, see `tcp(7)`).
/// Returns how many; zero when the peer has closed its side.
///
/// # Errors
/// As `recv(2)`; `WouldBlock` when nothing has arrived.
pub fn discard(socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
    // SAFETY: with MSG_TRUNC on a TCP socket the kernel drops the data and never writes through the null pointer.
    let discarded = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            std::ptr::null_mut(),
            length,
            libc::MSG_TRUNC,
        )
    };
    check(discarded as i64)
}

/// Copies what waits at `offset` in the receive queue, and leaves it and all before it there (`SO_PEEK_OFF`, for TCP since
/// Linux 6.9, over IPv6 since 6.12). Returns how many bytes.
///
/// # Errors
/// `Unsupported` where the kernel can't do it; `WouldBlock` when nothing has arrived that far.
pub fn peek(socket: BorrowedFd<'_>, offset: usize, buffer: &mut [u8]) -> io::Result<usize> {
    let offset = i32::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    super::tcp::set_option(socket, libc::SOL_SOCKET, libc::SO_PEEK_OFF, offset)
        .map_err(|_| io::ErrorKind::Unsupported)?;
    // SAFETY: `buffer` is writable for its length.
    let peeked = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_PEEK,
        )
    };
    check(peeked as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (far, _) = listener.accept().expect("accepts");
        (near, far)
    }

    #[test]
    fn discarded_bytes_are_counted_and_what_follows_is_intact() {
        let (mut near, mut far) = pair();
        near.write_all(&[1; 1000]).expect("sends");
        near.write_all(b"tail").expect("sends");
        let mut discarded = 0;
        while discarded < 1000 {
            discarded += discard(far.as_fd(), 1000 - discarded).expect("discards");
        }
        let mut tail = [0; 4];
        far.read_exact(&mut tail).expect("reads");
        assert_eq!(&tail, b"tail");
    }

    #[test]
    fn a_closed_peer_discards_zero() {
        let (near, far) = pair();
        drop(near);
        assert_eq!(discard(far.as_fd(), 10).expect("end of stream"), 0);
    }

    /// Major and minor.
    fn kernel() -> (u32, u32) {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map_while(|number| number.parse().ok());
        let mut next = || numbers.next().expect("a release");
        (next(), next())
    }

    #[test]
    fn what_is_peeked_at_stays() {
        let (mut near, mut far) = pair();
        near.write_all(&[1; 1000]).expect("sends");
        near.write_all(b"head").expect("sends");
        far.set_nonblocking(true).expect("a mode");
        let mut head = [0; 4];
        let peeked = loop {
            match peek(far.as_fd(), 1000, &mut head) {
                // Nothing was changed by the question.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    assert!(kernel() < (6, 9), "{error}");
                    break 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(length) if length < head.len() => {}
                other => break other.expect("peeks"),
            }
        };
        if peeked > 0 {
            assert_eq!(&head, b"head");
            let beyond = peek(far.as_fd(), 1004, &mut head).expect_err("nothing there");
            assert_eq!(beyond.kind(), io::ErrorKind::WouldBlock);
        }
        assert_eq!(discard(far.as_fd(), 1000).expect("discards"), 1000);
        far.set_nonblocking(false).expect("a mode");
        far.read_exact(&mut head).expect("reads");
        assert_eq!(&head, b"head");
    }
}

//! What a socket says of what has arrived: when it did, by the kernel's own clock, so that a probe's stay in this machine's run
//! queue is not taken for time on the line, and from how many bytes on it is worth telling.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use protocol::time::Instant;

use super::{check, clock};

/// Control messages fit here: one `SCM_TIMESTAMPNS` of 16 bytes with its header, twice over.
const CONTROL_BYTES: usize = 64;

#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Asks the kernel to stamp arriving data (`SO_TIMESTAMPNS`, see `socket(7)`).
///
/// # Errors
/// As `setsockopt(2)`.
pub fn enable_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    super::tcp::set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1_i32)
}

/// Readiness is announced once `bytes` have arrived (`SO_RCVLOWAT`, see `socket(7)`), or the end, or all that fits.
///
/// # Errors
/// As `setsockopt(2)`.
pub fn set_low_water(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    super::tcp::set_option(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes)
}

/// Reads into `buffer`, and says when the last of these bytes arrived, where the kernel tells.
///
/// # Errors
/// As `recvmsg(2)`; `WouldBlock` when nothing has arrived.
pub fn receive_stamped(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<Instant>)> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all-zero bytes are a valid msghdr (null pointers, zero lengths).
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: the message points at `buffer` and `control`, both writable for the lengths given.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let received = check(received as i64)?;
    Ok((received, stamp(&message)))
}

fn stamp(message: &libc::msghdr) -> Option<Instant> {
    // SAFETY: the kernel filled in the control buffer that `message` points at.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: CMSG_FIRSTHDR gives null or a header inside the control buffer.
    let header = unsafe { header.as_ref() }?;
    let stamp_bytes = size_of::<libc::cmsghdr>() + size_of::<libc::timespec>();
    let is_stamp = header.cmsg_level == libc::SOL_SOCKET
        && header.cmsg_type == libc::SCM_TIMESTAMPNS
        && header.cmsg_len as usize >= stamp_bytes;
    if !is_stamp {
        return None;
    }
    // SAFETY: `header` is a valid control message header.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: the type and length above say that a timespec is there; it may be unaligned.
    let time = unsafe { data.cast::<libc::timespec>().read_unaligned() };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    clock::monotonic_from_wall(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn the_kernel_says_when_a_byte_arrived() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let mut near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (far, _) = listener.accept().expect("accepts");
        enable_timestamps(far.as_fd()).expect("the kernel stamps");
        // The kernel begins to stamp a moment after the machine's first socket asks for it: bytes are sent until one is.
        let stamp = loop {
            let before = clock::monotonic_now();
            near.write_all(b"x").expect("sends");
            let mut buffer = [0; 8];
            let (length, stamp) = receive_stamped(far.as_fd(), &mut buffer).expect("receives");
            assert_eq!(length, 1);
            if let Some(stamp) = stamp {
                // The wall clock may be slewed between the two readings; a millisecond is far more than that.
                assert!(stamp + std::time::Duration::from_millis(1) >= before);
                break stamp;
            }
        };
        assert!(stamp <= clock::monotonic_now());
    }
}

//! What TCP says of a connection (`TCP_INFO`), and the options that no safe crate sets.

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

/// A connection as the kernel sees it (`tcp(7)`, `struct tcp_info` of `linux/tcp.h`). A field that this kernel is too
/// old to fill is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round-trip time.
    pub rtt_us: u32,
    /// Smallest round-trip time seen in the kernel's window.
    pub rtt_min_us: u32,
    /// Congestion window, segments.
    pub cwnd_segments: u32,
    /// Segments sent and not acknowledged yet.
    pub unacknowledged_segments: u32,
    /// Bytes in the send buffer that were never sent.
    pub unsent_bytes: u32,
    /// Segments retransmitted since the connection opened.
    pub retransmits: u32,
    /// Newest delivery rate estimate, bits a second.
    pub delivery_rate_bps: u64,
    /// Time with data in flight or waiting.
    pub busy_us: u64,
    /// Part of the busy time in which the peer's window was the limit.
    pub receiver_limited_us: u64,
    /// Part of the busy time in which the send buffer was the limit.
    pub send_buffer_limited_us: u64,
    /// Bytes the peer has acknowledged.
    pub acknowledged_bytes: u64,
    /// Bytes received in order.
    pub received_bytes: u64,
}

/// Asks the kernel about a connection.
///
/// # Errors
/// As `getsockopt(2)`.
pub fn info(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    let mut raw = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let fd = socket.as_raw_fd();
    // SAFETY: `raw` is writable for `length` bytes, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            raw.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    check(i64::from(result))?;
    // SAFETY: all-zero bytes are a valid tcp_info, and the kernel overwrote a prefix of them.
    let raw = unsafe { raw.assume_init() };
    Ok(TcpInfo {
        rtt_us: raw.tcpi_rtt,
        rtt_min_us: raw.tcpi_min_rtt,
        cwnd_segments: raw.tcpi_snd_cwnd,
        unacknowledged_segments: raw.tcpi_unacked,
        unsent_bytes: raw.tcpi_notsent_bytes,
        retransmits: raw.tcpi_total_retrans,
        delivery_rate_bps: raw.tcpi_delivery_rate.saturating_mul(8),
        busy_us: raw.tcpi_busy_time,
        receiver_limited_us: raw.tcpi_rwnd_limited,
        send_buffer_limited_us: raw.tcpi_sndbuf_limited,
        acknowledged_bytes: raw.tcpi_bytes_acked,
        received_bytes: raw.tcpi_bytes_received,
    })
}

/// Bounds the rate at which the kernel releases this connection's segments (`SO_MAX_PACING_RATE`), in bytes a second.
///
/// # Errors
/// As `setsockopt(2)`.
pub fn set_pacing_rate(socket: BorrowedFd<'_>, bytes_per_s: u64) -> io::Result<()> {
    set_option(
        socket,
        libc::SOL_SOCKET,
        libc::SO_MAX_PACING_RATE,
        bytes_per_s,
    )
}

/// Sets one fixed-size option.
///
/// # Errors
/// As `setsockopt(2)`.
pub(super) fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: T,
) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is readable for `length` bytes.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    };
    check(i64::from(result)).map(drop)
}

// The C library's struct must reach as far as the last field read above.
const _: () = assert!(
    offset_of!(libc::tcp_info, tcpi_sndbuf_limited) > offset_of!(libc::tcp_info, tcpi_busy_time)
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn an_open_connection_has_a_window_and_a_round_trip_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let info = info(near.as_fd()).expect("TCP_INFO");
        assert!(info.cwnd_segments > 0);
        assert!(info.rtt_us > 0);
    }

    #[test]
    fn a_pacing_rate_can_be_set() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        set_pacing_rate(near.as_fd(), 1_000_000).expect("SO_MAX_PACING_RATE");
    }
}

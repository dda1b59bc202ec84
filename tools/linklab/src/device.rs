//! The TUN device at one end of a line, and its packets.

use rustix::io::Errno;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::error::{Error, Result};
use crate::namespace::Namespace;

/// The device's name in each namespace.
pub(crate) const NAME: &str = "line";
/// Bytes of IP in the largest packet.
pub(crate) const MTU: usize = 1_500;
/// Packets that the device keeps until they are read. More than four flows' windows in one burst: what is dropped here
/// is not the emulated queue's doing.
const PACKETS_MAX: u32 = 20_000;

/// One IP packet.
pub(crate) struct Frame {
    buffer: Box<[u8; MTU]>,
    bytes: usize,
}

impl Frame {
    /// Room for a packet.
    pub(crate) fn new() -> Self {
        Self {
            buffer: Box::new([0; MTU]),
            bytes: 0,
        }
    }

    /// The packet from its IP header on.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.buffer[..self.bytes]
    }
}

/// A device that is there until it is dropped.
pub(crate) struct Device(SyncDevice);

impl Device {
    /// Makes the device inside a namespace.
    ///
    /// # Errors
    /// When the kernel has no TUN or refuses it.
    pub(crate) fn create(namespace: &Namespace) -> Result<Self> {
        let opened = namespace.enter(|| {
            let device = DeviceBuilder::new()
                .name(NAME)
                .mtu(1_500)
                .tx_queue_len(PACKETS_MAX)
                .build_sync()?;
            device.set_nonblocking(true)?;
            Ok(device)
        })?;
        opened
            .map(Self)
            .map_err(|error: std::io::Error| Error::refused("a TUN device", error))
    }

    /// Reads a packet that the namespace's hosts sent; false when there is none.
    pub(crate) fn read(&self, frame: &mut Frame) -> bool {
        match rustix::io::read(&self.0, &mut frame.buffer[..]) {
            Ok(bytes) => {
                frame.bytes = bytes;
                bytes > 0
            }
            // A device that is down has no packets either.
            Err(_) => false,
        }
    }

    /// Hands a packet to the namespace's hosts; false when the kernel did not take it.
    pub(crate) fn write(&self, frame: &Frame) -> bool {
        loop {
            match rustix::io::write(&self.0, frame.packet()) {
                Err(Errno::INTR) => {}
                result => return result.is_ok(),
            }
        }
    }
}

impl rustix::fd::AsFd for Device {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

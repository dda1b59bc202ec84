//! The binary probe and its echo on `/ws/ping`, little-endian.
//!
//! Probe: `kind u8 = 1, reserved[3], sequence u32, client_send_us u64` (16 bytes). Echo: `kind u8 = 2`, the same,
//! then `node_receive_us u64, node_send_us u64` (32 bytes).

/// `kind` of a probe.
pub const PROBE_KIND: u8 = 1;
/// `kind` of an echo.
pub const ECHO_KIND: u8 = 2;
/// Length of a probe in bytes.
pub const PROBE_BYTES: usize = 16;
/// Length of an echo in bytes.
pub const ECHO_BYTES: usize = 32;

/// A probe as the client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Counted by the client.
    pub sequence: u32,
    /// The client's clock; the node only returns it.
    pub client_send_us: u64,
}

/// A probe as the node answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// As in the probe.
    pub sequence: u32,
    /// As in the probe.
    pub client_send_us: u64,
    /// When the node received the probe, its monotonic clock.
    pub node_receive_us: u64,
    /// When the node sent the echo, its monotonic clock.
    pub node_send_us: u64,
}

impl Probe {
    /// Reads a probe; `None` when the length or the kind is wrong.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PROBE_BYTES] = bytes.try_into().ok()?;
        (bytes[0] == PROBE_KIND).then(|| Self {
            sequence: u32_at(bytes, 4),
            client_send_us: u64_at(bytes, 8),
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PROBE_BYTES] {
        let mut bytes = [0; PROBE_BYTES];
        bytes[0] = PROBE_KIND;
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.client_send_us.to_le_bytes());
        bytes
    }
}

impl Echo {
    /// Reads an echo; `None` when the length or the kind is wrong.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ECHO_BYTES] = bytes.try_into().ok()?;
        (bytes[0] == ECHO_KIND).then(|| Self {
            sequence: u32_at(bytes, 4),
            client_send_us: u64_at(bytes, 8),
            node_receive_us: u64_at(bytes, 16),
            node_send_us: u64_at(bytes, 24),
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ECHO_BYTES] {
        let mut bytes = [0; ECHO_BYTES];
        bytes[0] = ECHO_KIND;
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.client_send_us.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.node_receive_us.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.node_send_us.to_le_bytes());
        bytes
    }
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_and_its_echo_survive_the_wire() {
        let probe = Probe {
            sequence: 7,
            client_send_us: 1 << 50,
        };
        assert_eq!(Probe::parse(&probe.to_bytes()), Some(probe));
        let echo = Echo {
            sequence: 7,
            client_send_us: 1 << 50,
            node_receive_us: 3,
            node_send_us: 4,
        };
        assert_eq!(Echo::parse(&echo.to_bytes()), Some(echo));
    }

    #[test]
    fn a_wrong_length_or_kind_is_refused() {
        let mut bytes = Probe {
            sequence: 1,
            client_send_us: 2,
        }
        .to_bytes();
        assert_eq!(Probe::parse(&bytes[..15]), None);
        bytes[0] = ECHO_KIND;
        assert_eq!(Probe::parse(&bytes), None);
    }
}

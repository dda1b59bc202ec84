//! Who is who: names for tests, and the key by which limits count an address.

use std::io;
use std::net::IpAddr;

use super::scoreboard::TestId;

/// Marks the keys of IPv4 addresses: as an IPv6 /64 it would be `0:1:…`, which no registry hands out.
const IPV4: u64 = 1 << 32;

/// A new test's name: 128 bits that nobody can guess.
///
/// # Errors
/// The kernel has no randomness.
pub fn new_test_id() -> io::Result<TestId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(TestId(u128::from_be_bytes(bytes)))
}

/// One key for each IPv4 address and each IPv6 /64: the latter is what one subscriber has. Exact, no hash: two
/// subscribers never share one. An IPv4 address that comes in over an IPv6 socket (`::ffff:192.0.2.1`) has the
/// key of the IPv4 address.
#[must_use]
pub fn address_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => IPV4 | u64::from(address.to_bits()),
        // The shift leaves the upper half.
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> u64 {
        address_key(address.parse().unwrap())
    }

    #[test]
    fn a_subscriber_has_one_key_and_neighbours_have_others() {
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("::1"), key("0.0.0.0"));
        assert_ne!(key("::1"), key("127.0.0.1"));
    }

    #[test]
    fn two_tests_have_two_names() {
        assert_ne!(new_test_id().unwrap(), new_test_id().unwrap());
    }
}

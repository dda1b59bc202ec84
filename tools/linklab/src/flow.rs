//! Which flow a packet belongs to: the five-tuple of IPv4 and IPv6 as one number.

use std::hash::{DefaultHasher, Hasher};

/// Protocols whose header begins with two ports.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The flow of an IP packet: protocol and addresses, and the ports of TCP and UDP. Fragments other than whole packets have
/// no ports; packets that are no IP are all one flow.
pub(crate) fn flow_of(packet: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= 20 => {
            let protocol = packet[9];
            let header_bytes = usize::from(packet[0] & 0x0F) * 4;
            let is_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3FFF != 0;
            hasher.write_u8(protocol);
            hasher.write(&packet[12..20]);
            if !is_fragment {
                hash_ports(&mut hasher, protocol, packet.get(header_bytes..));
            }
        }
        Some(6) if packet.len() >= 40 => {
            // Extension headers are rare enough to be one flow for each pair of hosts.
            let protocol = packet[6];
            hasher.write_u8(protocol);
            hasher.write(&packet[8..40]);
            hash_ports(&mut hasher, protocol, packet.get(40..));
        }
        _ => {}
    }
    hasher.finish()
}

fn hash_ports(hasher: &mut DefaultHasher, protocol: u8, transport: Option<&[u8]>) {
    if let (TCP | UDP, Some(ports)) = (protocol, transport.and_then(|bytes| bytes.get(..4))) {
        hasher.write(ports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, source: u8, port: u8, flags: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 9, flags, 0, 64, protocol, 0, 0];
        packet.extend([198, 18, 0, source, 198, 18, 0, 2]);
        packet.extend([0, port, 0, 80]);
        packet.extend([port.wrapping_mul(7); 16]);
        packet
    }

    fn v6(protocol: u8, source: u8, port: u8) -> Vec<u8> {
        let mut packet = vec![0x60, 1, 2, 3, 0, 20, protocol, 64];
        packet.extend([0; 15].into_iter().chain([source]).chain([1; 16]));
        packet.extend([0, port, 0, 80]);
        packet.extend([port.wrapping_mul(7); 16]);
        packet
    }

    #[test]
    fn the_same_five_tuple_is_the_same_flow_whatever_else_is_in_the_packet() {
        let mut later = v4(TCP, 1, 5, 0x40);
        later[5] = 10;
        later[30] = 99;
        assert_eq!(flow_of(&v4(TCP, 1, 5, 0x40)), flow_of(&later));
        let mut later = v6(UDP, 1, 5);
        later[3] = 77;
        later[50] = 99;
        assert_eq!(flow_of(&v6(UDP, 1, 5)), flow_of(&later));
    }

    #[test]
    fn protocol_address_and_port_each_make_another_flow() {
        let packets = [
            v4(TCP, 1, 5, 0),
            v4(UDP, 1, 5, 0),
            v4(TCP, 3, 5, 0),
            v4(TCP, 1, 6, 0),
            v4(1, 1, 5, 0),
            v6(TCP, 1, 5),
            v6(UDP, 1, 5),
            v6(TCP, 2, 5),
            v6(TCP, 1, 6),
            vec![],
        ];
        let flows: std::collections::BTreeSet<u64> =
            packets.iter().map(|packet| flow_of(packet)).collect();
        assert_eq!(flows.len(), packets.len());
    }

    #[test]
    fn icmp_and_fragments_have_no_ports() {
        assert_eq!(flow_of(&v4(1, 1, 5, 0)), flow_of(&v4(1, 1, 6, 0)));
        assert_eq!(flow_of(&v4(UDP, 1, 5, 0x20)), flow_of(&v4(UDP, 1, 6, 0x20)));
    }

    #[test]
    fn a_cut_packet_is_looked_at_no_further() {
        let whole = [v4(TCP, 1, 5, 0), v6(TCP, 1, 5)];
        for packet in whole {
            for bytes in 0..packet.len() {
                let _ = flow_of(&packet[..bytes]);
            }
        }
    }
}

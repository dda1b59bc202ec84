//! The little of HTTP/2 (RFC 9113) that a client says which asks for bodies and never looks at them.

const CONTROL_STREAM: u32 = 0;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 0x1;
/// END_STREAM and END_HEADERS.
const WHOLE_REQUEST: u8 = 0x5;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// A stream's and the connection's window at first: half of what one may be (section 6.9.1), so that what arrived can be
/// given back by a count that is a little too high.
pub(crate) const WINDOW_BYTES: u32 = 1 << 30;
/// What the connection's window is before anybody says otherwise.
const WINDOW_BYTES_DEFAULT: u32 = 65_535;
/// `:status: 200` of HPACK's static table (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;

/// What a connection begins with: the preface, no push, wide windows.
pub(crate) fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut settings = Vec::new();
    for (setting, value) in [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW_BYTES)] {
        settings.extend_from_slice(&setting.to_be_bytes());
        settings.extend_from_slice(&value.to_be_bytes());
    }
    push_frame(&mut bytes, SETTINGS, 0, CONTROL_STREAM, &settings);
    push_window(
        &mut bytes,
        CONTROL_STREAM,
        WINDOW_BYTES - WINDOW_BYTES_DEFAULT,
    );
    bytes
}

/// Takes note of the server's settings.
pub(crate) fn push_settings_ack(bytes: &mut Vec<u8>) {
    push_frame(bytes, SETTINGS, ACK, CONTROL_STREAM, &[]);
}

/// `GET target` on `stream`, without indexing (RFC 7541, section 6.2.2). Both texts are shorter than 127 bytes.
pub(crate) fn push_get(bytes: &mut Vec<u8>, stream: u32, host: &str, target: &str) {
    // `:method: GET` and `:scheme: https`, whole; the names of `:authority` and `:path`.
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(1, host), (4, target)] {
        block.extend_from_slice(&[name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    push_frame(bytes, HEADERS, WHOLE_REQUEST, stream, &block);
}

/// The server may send so much more on `stream`, or on all together (0).
pub(crate) fn push_window(bytes: &mut Vec<u8>, stream: u32, more_bytes: u32) {
    push_frame(bytes, WINDOW_UPDATE, 0, stream, &more_bytes.to_be_bytes());
}

/// Whether the first response is a 200; `None` until its head has come. `bytes` are all that came.
pub(crate) fn is_first_answer_ok(mut bytes: &[u8]) -> Option<bool> {
    loop {
        let (header, rest) = bytes.split_at_checked(FRAME_HEADER_BYTES)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if header[3] == HEADERS {
            // A change of the table's size may come first (RFC 7541, section 4.2).
            let block = rest.get(..length)?;
            let first = block.iter().find(|byte| **byte & 0xe0 != 0x20);
            return Some(first == Some(&STATUS_200));
        }
        bytes = rest.get(length..)?;
    }
}

fn push_frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_kind_and_stream() {
        let mut bytes = Vec::new();
        push_window(&mut bytes, 5, 0x0102_0304);
        assert_eq!(bytes, [0, 0, 4, 8, 0, 0, 0, 0, 5, 1, 2, 3, 4]);
    }

    #[test]
    fn a_request_names_its_host_and_target() {
        let mut bytes = Vec::new();
        push_get(&mut bytes, 1, "h", "/d");
        assert_eq!(bytes[..9], [0, 0, 9, 1, 5, 0, 0, 0, 1]);
        assert_eq!(bytes[9..], [0x82, 0x87, 1, 1, b'h', 4, 2, b'/', b'd']);
    }

    #[test]
    fn the_first_answers_status_is_found_behind_other_frames() {
        let mut bytes = Vec::new();
        push_settings_ack(&mut bytes);
        assert_eq!(is_first_answer_ok(&bytes), None);
        push_frame(&mut bytes, HEADERS, 4, 1, &[0x20, STATUS_200, 1]);
        assert_eq!(is_first_answer_ok(&bytes), Some(true));
        assert_eq!(is_first_answer_ok(&bytes[..bytes.len() - 1]), None);
        let mut refused = Vec::new();
        push_frame(&mut refused, HEADERS, 4, 1, &[0x8d]);
        assert_eq!(is_first_answer_ok(&refused), Some(false));
    }

    #[test]
    fn a_connections_window_is_opened_wide() {
        let preface = preface();
        let update = &preface[preface.len() - 4..];
        let more = u32::from_be_bytes(update.try_into().expect("four bytes"));
        assert_eq!(more + WINDOW_BYTES_DEFAULT, WINDOW_BYTES);
    }
}

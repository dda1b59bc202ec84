//! A client's WebSocket after its handshake; the input's first byte says what becomes of binary messages.
#![no_main]

use protocol::connection::{BinarySink, Connection, WebSocketOptions};
use protocol::time::Instant;
use protocol_fuzz::Driver;

const ACCEPTED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&first, input)) = input.split_first() else {
        return;
    };
    let binary = match first % 3 {
        0 => BinarySink::Deliver,
        1 => BinarySink::Discard,
        _ => BinarySink::Head { bytes: 16 },
    };
    let options = WebSocketOptions {
        binary,
        extra_fields: Vec::new(),
    };
    let mut driver = Driver::new(Connection::client(Instant::ORIGIN));
    let asked = driver.connection().request_websocket(
        Instant::ORIGIN,
        "/ws",
        "a",
        *b"the sample nonce",
        options,
    );
    assert!(asked.is_ok());
    driver.feed_all(ACCEPTED);
    assert!(driver.connection().is_websocket());
    driver.run(input);
});

//! A server's WebSocket after its handshake; the input's first bit says whether binary messages are discarded.
#![no_main]

use protocol::connection::Connection;
use protocol::time::Instant;
use protocol_fuzz::Driver;

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&first, input)) = input.split_first() else {
        return;
    };
    let mut driver = Driver::new(Connection::server(Instant::ORIGIN));
    // A request before the handshake shifts the choice of the sink.
    if first & 1 == 1 {
        driver.feed_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    driver.feed_all(UPGRADE);
    driver.run(input);
});

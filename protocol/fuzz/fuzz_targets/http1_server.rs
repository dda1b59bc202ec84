//! A server's connection from its first byte: heads, bodies, pipelining, and upgrades.
#![no_main]

use protocol::connection::Connection;
use protocol::time::Instant;
use protocol_fuzz::Driver;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    Driver::new(Connection::server(Instant::ORIGIN)).run(input);
});

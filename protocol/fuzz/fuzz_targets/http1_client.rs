//! A client's connection after its first request: responses, bodies, and what cuts an upload short.
#![no_main]

use protocol::connection::Connection;
use protocol::time::Instant;
use protocol_fuzz::{Driver, ask};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut driver = Driver::new(Connection::client(Instant::ORIGIN));
    assert!(ask(driver.connection(), Instant::ORIGIN).is_ok());
    driver.run(input);
});

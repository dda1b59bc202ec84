//! An HTTP/2 server's connection after its preface: frames of every kind, streams, windows, silences.
#![no_main]

use protocol_fuzz::http2::Http2Driver;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    Http2Driver::default().run(input);
});

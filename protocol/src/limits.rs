//! Every bound in the system, named once. A queue, buffer, loop or table without a bound here is a defect.

use std::time::Duration;

/// Longest HTTP/1.1 head (request line and fields) accepted, in bytes; above it the answer is 431.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest request target accepted, in bytes; above it the answer is 414.
pub const HTTP_TARGET_BYTES_MAX: usize = 4 * 1024;
/// Most header fields accepted in one head; above it the answer is 431.
pub const HTTP_FIELDS_MAX: usize = 64;
/// Longest chunk-size line (size, extensions, CRLF) accepted, in bytes.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 256;
/// Longest trailer section accepted after a chunked body, in bytes.
pub const HTTP_TRAILER_BYTES_MAX: usize = 4 * 1024;
/// Longest request body that an endpoint may collect in memory (a report of raw samples), in bytes; above it 413.
pub const HTTP_COLLECTED_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest `bytes=` accepted by a download: 2^40.
pub const DOWNLOAD_BYTES_MAX: u64 = 1 << 40;
/// A head must be whole this long after its first byte (or after the connection opened); then 408.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A TLS handshake must be done this long after the connection opened.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes that a loop goes on with in one turn: a signature takes some 40 µs with an elliptic key and a millisecond with
/// an RSA one, and whatever else is ready waits for it.
pub const TLS_HANDSHAKES_PER_TURN: usize = 4;
/// New keys that a peer may ask for on one connection. A key lasts for hundreds of gigabytes.
pub const TLS_KEY_UPDATES_MAX: u32 = 32;
/// A connection that is told to close before its first request may still bring one for this long after it opened: it was
/// accepted, so its client does not know that it is too late.
pub const HTTP_FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);
/// An idle kept-alive connection is closed after this long.
pub const HTTP_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// A transfer on which the peer moves no byte for this long is ended.
pub const INACTIVITY_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that does not read what is waiting for it is ended after this long.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest a test, a session or an unbounded transfer may last.
pub const SESSION_DURATION_MAX: Duration = Duration::from_secs(5 * 60);

/// The rest of a request's body that is read and thrown away so that its connection can be kept, in bytes; a larger
/// rest ends the connection after the answer.
pub const HTTP_DRAINED_BODY_BYTES_MAX: u64 = 64 * 1024;
/// After the last answer on a connection whose peer may still be sending, how long input is thrown away before the
/// close, so that a reset does not destroy the answer (RFC 9112, section 9.6).
pub const HTTP_LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Interim (1xx) responses that a client skips before the real one.
pub const HTTP_INTERIM_RESPONSES_MAX: u32 = 8;
/// Bytes that a driver's write buffer is filled up to in one go; a larger body follows in pieces.
pub const TRANSMIT_PIECE_BYTES: usize = 64 * 1024;
/// A payload remainder below this is read as bytes rather than discarded by a call of its own.
pub const DISCARD_BYTES_MIN: u64 = 16 * 1024;
/// The same of messages whose heads are delivered, which would be copied twice more if they were read.
pub const DISCARD_BEHIND_HEAD_BYTES_MIN: u64 = 4 * 1024;
/// Heap that a quiet connection may keep in each of its buffers, in bytes; there are at most three.
pub const IDLE_BUFFER_BYTES_MAX: usize = 256;
/// A connection on which nothing happened for this long gives its larger buffers back.
pub const BUFFER_RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest PROXY protocol header accepted, in bytes; proxies send some 50, and a few hundred with their extensions.
pub const PROXY_HEADER_BYTES_MAX: usize = 2 * 1024;
/// A proxy has this long to send its header; it has it at hand when it connects.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams that one HTTP/2 connection may have open; above it they are refused (RFC 9113, section 5.1.2, advises 100).
pub const HTTP2_STREAMS_MAX: usize = 100;
/// Longest payload of an HTTP/2 frame accepted, and length of a frame of filler with its header, in bytes: what every
/// peer must take, and one TLS record holds.
pub const HTTP2_FRAME_BYTES_MAX: usize = 16 * 1024;
/// Each HTTP/2 receive window, of streams and of connections, in bytes: three quarters of it, which are always open,
/// carry 25 Gbit/s over 200 ms. Nothing of it waits in memory.
pub const HTTP2_WINDOW_BYTES: u32 = 1 << 30;
/// Longest HTTP/2 header block as sent, in bytes; the list that it stands for is held to `HTTP_HEAD_BYTES_MAX`.
pub const HTTP2_HEADER_BLOCK_BYTES_MAX: usize = 32 * 1024;
/// Most CONTINUATION frames of one header block.
pub const HTTP2_CONTINUATIONS_MAX: usize = 8;
/// Table that an HTTP/2 peer may build up for its header fields, in bytes as RFC 7541 counts them.
pub const HTTP2_HEADER_TABLE_BYTES_MAX: usize = 4096;
/// Streams that an HTTP/2 peer may end early, or cause to be ended, at once; above it the connection ends.
pub const HTTP2_RESETS_MAX: u32 = 200;
/// How many more of them each second.
pub const HTTP2_RESETS_PER_S: u32 = 20;
/// HTTP/2 frames that carry nothing (PING, SETTINGS, PRIORITY, empty DATA, unknown ones) that a peer may send at once.
pub const HTTP2_CONTROL_FRAMES_MAX: u32 = 1_000;
/// How many more of them each second.
pub const HTTP2_CONTROL_FRAMES_PER_S: u32 = 100;
/// The newest HTTP/2 streams ended here, on which what still arrives is ignored.
pub const HTTP2_ENDED_STREAMS_KEPT: usize = 256;
/// HTTP/2 settings must be acknowledged this long after they were sent.
pub const HTTP2_SETTINGS_TIMEOUT: Duration = Duration::from_secs(10);

/// Payload of one binary filler frame on a WebSocket, in bytes.
pub const FILLER_FRAME_PAYLOAD_BYTES: u64 = 64 * 1024;
/// Largest WebSocket message collected in memory (JSON text, probes), in bytes; above it close code 1009.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Largest WebSocket frame payload that a discarding receiver accepts, in bytes.
pub const WEBSOCKET_DISCARDED_FRAME_BYTES_MAX: u64 = 1 << 40;
/// Bytes a connection may have waiting to be written (heads, small bodies, messages) before it refuses more.
pub const TRANSMIT_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of unparsed input that a connection may keep (pipelined requests, a partial head or frame).
pub const RECEIVE_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// After a close frame was sent, how long the peer has to answer it.
pub const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Load flows that one test may have open in one direction.
pub const FLOWS_PER_DIRECTION_MAX: usize = 16;
/// Probes that one report may hold (5 min at 20 a second, and as many again for a household's users).
pub const REPORT_PROBES_MAX: usize = 60_000;
/// Goodput samples that one report may hold.
pub const REPORT_GOODPUT_SAMPLES_MAX: usize = 60_000;
/// `node_rtt` messages that one report may hold (one a second for the longest session, and as many again).
pub const REPORT_NODE_RTT_SAMPLES_MAX: usize = 600;
/// Round trips that one `node_rtt` message of a report may hold (the node pings four times a second).
pub const REPORT_NODE_RTT_PINGS_MAX: usize = 64;
/// Changes of the number of flows that one report may hold.
pub const REPORT_FLOW_COUNT_SAMPLES_MAX: usize = 1_000;
/// Latest time in a report, microseconds since the start of the test: the longest session and 30 s of answers.
pub const REPORT_TIME_US_MAX: u64 = 330_000_000;

/// Largest logo that an operator may give the page, bytes.
pub const LOGO_BYTES_MAX: usize = 256 * 1024;
/// Longest name or city of a node's sponsor, bytes.
pub const SPONSOR_TEXT_BYTES_MAX: usize = 64;
/// Longest link of a node's sponsor, bytes.
pub const SPONSOR_LINK_BYTES_MAX: usize = 512;

/// Users that a household may have, the catalogue's included.
pub const PROFILES_MAX: usize = 16;
/// Flows that one profile may have.
pub const PROFILE_FLOWS_MAX: usize = 8;
/// Lowest rate of a profile's flow, bits a second.
pub const PROFILE_RATE_BPS_MIN: u64 = 1_000;
/// Highest rate of a profile's flow, bits a second; also what `set_demand` is held to.
pub const PROFILE_RATE_BPS_MAX: u64 = 10_000_000_000;
/// Most messages or frames a second of one flow.
pub const PROFILE_CADENCE_MAX: u32 = 1_000;
/// Longest time that a segment or the pause after it may last, ms.
pub const PROFILE_PERIOD_MS_MAX: u32 = 60_000;
/// Most bytes that a flow may release at once after a pause, as configured.
pub const PROFILE_BURST_BYTES_MAX: u32 = 1024 * 1024;
/// Longest name, activity or description of a profile, bytes.
pub const PROFILE_TEXT_BYTES_MAX: usize = 256;
/// Largest traffic message in a profile session, bytes.
pub const TRAFFIC_MESSAGE_BYTES_MAX: usize = WEBSOCKET_MESSAGE_BYTES_MAX;
/// One-way delays that a receiver keeps between two summaries; beyond it, it keeps every second one, and so on.
pub const RECEIVER_DELAYS_MAX: usize = 4_096;
/// Users whose samples one report may hold.
pub const REPORT_USERS_MAX: usize = PROFILES_MAX;
/// Traffic messages that one user's samples may hold.
pub const REPORT_MESSAGES_MAX: usize = 20_000;
/// Video segments that one user's samples may hold.
pub const REPORT_SEGMENTS_MAX: usize = 1_000;

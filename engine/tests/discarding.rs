//! An upload on a WebSocket that is thrown away as it comes, several frames at a call: what is of another kind among them is
//! seen all the same, and all of it is counted to the byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use engine::runtime::application::{Application, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use protocol::connection::{BinarySink, CloseReason, Event, MessageKind, WebSocketOptions};
use protocol::time::Instant;

/// Far beyond what anything here takes; only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(30);
const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PING: u8 = 9;

/// Throws binary messages away, and answers each text with the count of what has come.
struct Server;

impl Application for Server {
    type Session = ();

    fn handle_accept(&mut self, _: Instant, _: usize, _: SocketAddr) -> Option<()> {
        Some(())
    }

    fn handle_event(&mut self, context: &mut Context<'_>, (): &mut (), event: Event, _: &[u8]) {
        let now = context.now;
        match event {
            Event::Request(_) => {
                let options = WebSocketOptions {
                    binary: BinarySink::Discard,
                    extra_fields: Vec::new(),
                };
                let accepted = context.connection.accept_websocket(now, options);
                accepted.expect("a pending upgrade");
            }
            Event::Message(kind) => {
                assert_eq!(kind, MessageKind::Text);
                let count = context.connection.received_payload_bytes();
                let sent = context.connection.send_text(now, &count.to_string());
                sent.expect("room for an answer");
            }
            _ => {}
        }
    }

    fn poll_timeout(&self, (): &()) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, (): &mut ()) {}

    fn handle_sweep(&mut self, _: &mut Context<'_>, (): &mut (), _: Sweep) {}

    fn handle_closed(&mut self, _: &mut Context<'_>, (): (), _: CloseReason) {}

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        Directive::GoOn
    }
}

fn start_server(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        EventLoop::new(Server, vec![listener], None)
            .expect("a loop")
            .run()
    });
    address
}

/// Appends a frame as a client sends it; its payload looks like headers, lest one that is missed go unnoticed.
fn write_frame(out: &mut Vec<u8>, first: u8, payload_bytes: usize) {
    out.push(first);
    match payload_bytes {
        0..=125 => out.push(0x80 | payload_bytes as u8),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    // A mask of zeros leaves the payload as it is.
    out.extend_from_slice(&[0; 4]);
    let fake = [FIN | PING, 0x80, 0, 0, 0, 0];
    out.extend(fake.iter().cycle().take(payload_bytes));
}

fn upload(address: SocketAddr) {
    let mut upload = Vec::new();
    let mut answers = Vec::new();
    let mut count = 0;
    for round in 0..4 {
        // Alike, then of other lengths, then fragments, then alike but for their type.
        let lengths = [vec![65_536; 60], vec![100_000 + round; 9], vec![30; 5]].concat();
        for length in lengths {
            write_frame(&mut upload, FIN | BINARY, length);
            count += length;
        }
        write_frame(&mut upload, FIN | PING, 1);
        answers.extend_from_slice(&[FIN | 10, 1, FIN | PING]);
        write_frame(&mut upload, BINARY, 65_536);
        write_frame(&mut upload, FIN, 65_536);
        for _ in 0..20 {
            write_frame(&mut upload, FIN | BINARY, 20_000);
        }
        count += 2 * 65_536 + 20 * 20_000;
        // Empty, so that it is valid text.
        write_frame(&mut upload, FIN | TEXT, 0);
        let said = count.to_string();
        answers.extend_from_slice(&[FIN | TEXT, said.len() as u8]);
        answers.extend_from_slice(said.as_bytes());
    }
    let mut stream = open(address);
    stream.write_all(&upload).expect("sends");
    let mut heard = vec![0; answers.len()];
    stream.read_exact(&mut heard).expect("all answers");
    assert_eq!(heard, answers);
}

/// A WebSocket.
fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sends");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        heard.push(byte[0]);
    }
    stream
}

#[test]
fn all_that_is_thrown_away_is_counted() {
    upload(start_server("127.0.0.1:0"));
}

#[test]
fn so_it_is_over_ipv6() {
    // Kernels before 6.12 can't look ahead there.
    upload(start_server("[::1]:0"));
}

#[test]
fn the_end_of_a_fast_upload_is_taken_though_nothing_follows() {
    let mut frames = Vec::new();
    for _ in 0..64 {
        write_frame(&mut frames, FIN | BINARY, 65_536);
    }
    // Less than a fast flow lets gather, with the question behind it.
    let mut end = Vec::new();
    write_frame(&mut end, FIN | BINARY, 50_000);
    write_frame(&mut end, FIN | TEXT, 0);
    let mut stream = open(start_server("127.0.0.1:0"));
    let mut count = 0;
    for _ in 0..5 {
        for _ in 0..16 {
            stream.write_all(&frames).expect("sends");
            count += 64 * 65_536;
        }
        stream.write_all(&end).expect("sends");
        count += 50_000;
        let said = count.to_string();
        let mut heard = vec![0; 2 + said.len()];
        stream.read_exact(&mut heard).expect("an answer");
        assert_eq!(heard[2..], *said.as_bytes());
    }
    // What came last had gathered, and so does the end.
    stream.write_all(&frames).expect("sends");
    stream.shutdown(Shutdown::Write).expect("an open stream");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("the end");
    assert!(heard.is_empty(), "{heard:?}");
}

//! Once a connection runs, its loop takes no memory from the heap: bulk both ways, echoes and paced messages, server and
//! client, plain and in TLS. Every allocation of this process is counted, so this is a program of its own with one test.

use std::alloc::System;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::payload::Payload;
use engine::runtime::tls::{Acceptor, Connector, Credentials, MinVersion, Trust};
use protocol::connection::{
    BinarySink, BodySink, CloseReason, Event, RequestBody, ResponseBody, WebSocketOptions,
};
use protocol::http1::{Method, RequestHead, ResponseHead};
use protocol::message::samples::Direction;
use protocol::pacing::FlowPacer;
use protocol::profile::catalogue;
use protocol::time::Instant;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Most buffers have their size by then.
const WARM_UP: Duration = Duration::from_millis(700);
/// Of paced messages: a whole period of the slowest pattern, so that the longest one has been seen.
const PACED_WARM_UP: Duration = Duration::from_secs(6);
/// Longer than any timeout after which a loop gives a busy connection's memory back.
const WATCHED: Duration = Duration::from_millis(1200);
/// A connection makes a buffer when it first needs it, which may be late: when its socket is first full, or when the header of a
/// frame first lies in two of TLS's records. There must be a time without, before this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// At a time, so that they share what a loop lends to each of them.
const CONNECTIONS: usize = 4;
/// The largest message of any profile.
const MESSAGE_BYTES: usize = 64 * 1024;

/// What a connection does for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Download,
    Upload,
    WebSocketDownload,
    WebSocketUpload,
    Echo,
    /// The node's half of every user of the household.
    Paced,
}

const TASKS: [Task; 6] = [
    Task::Download,
    Task::Upload,
    Task::WebSocketDownload,
    Task::WebSocketUpload,
    Task::Echo,
    Task::Paced,
];

impl Task {
    const fn target(self) -> &'static str {
        match self {
            Self::Download => "/download",
            Self::Upload => "/upload",
            Self::WebSocketDownload => "/ws-download",
            Self::WebSocketUpload => "/ws-upload",
            Self::Echo => "/echo",
            Self::Paced => "/paced",
        }
    }

    const fn sink(self) -> BinarySink {
        match self {
            Self::Echo | Self::Paced => BinarySink::Deliver,
            Self::Download | Self::Upload | Self::WebSocketDownload | Self::WebSocketUpload => {
                BinarySink::Discard
            }
        }
    }
}

fn options(task: Task) -> WebSocketOptions {
    WebSocketOptions {
        binary: task.sink(),
        extra_fields: Vec::new(),
    }
}

struct Server {
    acceptor: Option<Acceptor>,
    filler: Vec<u8>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Served {
    task: Option<Task>,
    pacers: Vec<FlowPacer>,
}

impl Server {
    fn begin(&self, context: &mut Context<'_>, served: &mut Served, path: &str) {
        let now = context.now;
        let task = TASKS.into_iter().find(|task| task.target() == path);
        let task = task.expect("a known target");
        served.task = Some(task);
        let connection = &mut context.connection;
        let begun = match task {
            Task::Download => {
                let body = ResponseBody::Filler { length: None };
                connection.respond(now, ResponseHead::new(200), body)
            }
            Task::Upload => connection.receive_body(now, BodySink::Discard),
            Task::WebSocketDownload | Task::WebSocketUpload | Task::Echo | Task::Paced => {
                connection.accept_websocket(now, options(task))
            }
        };
        begun.expect("a pending request");
        match task {
            Task::WebSocketDownload => {
                connection.send_filler(now, None).expect("an open socket");
            }
            Task::Paced => {
                let profiles = catalogue();
                let flows = profiles.iter().flat_map(|profile| &profile.flows);
                let down = flows.filter(|flow| flow.direction == Direction::Down);
                served.pacers = down.map(|flow| FlowPacer::new(now, flow)).collect();
            }
            Task::Download | Task::Upload | Task::WebSocketUpload | Task::Echo => {}
        }
    }
}

impl Application for Server {
    type Session = Served;

    fn acceptor(&self, _: usize) -> Option<&Acceptor> {
        self.acceptor.as_ref()
    }

    fn handle_accept(&mut self, _: Instant, _: usize, _: SocketAddr) -> Option<Served> {
        Some(Served::default())
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        served: &mut Served,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Request(request) => self.begin(context, served, request.path()),
            Event::Message(_) if served.task == Some(Task::Echo) => context
                .connection
                .send_binary(context.now, payload)
                .expect("room for an echo"),
            _ => {}
        }
    }

    fn poll_timeout(&self, served: &Served) -> Option<Instant> {
        served.pacers.iter().map(FlowPacer::next_deadline).min()
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, served: &mut Served) {
        for pacer in &mut served.pacers {
            // As in a session: while one message waits for the socket, the next ones wait in their pacers.
            while context.connection.queued_transmit_bytes() == 0
                && let Some(release) = pacer.poll_release(context.now)
            {
                let message = &self.filler[..release.bytes as usize];
                context
                    .connection
                    .send_binary(context.now, message)
                    .expect("room for a message");
            }
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Served, _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, _: Served, _: CloseReason) {}

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        directive(&self.stop)
    }
}

struct Client {
    peer: SocketAddr,
    connector: Option<Connector>,
    task: Task,
    wanted_connections: usize,
    moved_bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Application for Client {
    type Session = ();

    fn connector(&self, (): &()) -> Option<&Connector> {
        self.connector.as_ref()
    }

    fn poll_connect(&mut self) -> Option<Connect<()>> {
        self.wanted_connections = self.wanted_connections.checked_sub(1)?;
        Some(Connect {
            peer: self.peer,
            local: None,
            session: (),
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, (): &mut ()) {
        let now = context.now;
        let target = self.task.target();
        let connection = &mut context.connection;
        let (method, body) = match self.task {
            Task::Download => (Method::Get, RequestBody::Empty),
            Task::Upload => (Method::Post, RequestBody::Filler { length: 1 << 40 }),
            Task::WebSocketDownload | Task::WebSocketUpload | Task::Echo | Task::Paced => {
                connection
                    .request_websocket(now, target, "localhost", [7; 16], options(self.task))
                    .expect("a fresh connection");
                return;
            }
        };
        let head = RequestHead::new(method, target, "localhost");
        connection
            .request(now, head, body, BodySink::Discard)
            .expect("a fresh connection");
    }

    fn handle_event(&mut self, context: &mut Context<'_>, (): &mut (), event: Event, _: &[u8]) {
        let now = context.now;
        match (self.task, event) {
            (Task::WebSocketUpload, Event::Upgraded) => context
                .connection
                .send_filler(now, None)
                .expect("an open socket"),
            (Task::Echo, Event::Upgraded | Event::Message(_)) => context
                .connection
                .send_binary(now, b"a probe")
                .expect("room for a probe"),
            _ => {}
        }
    }

    fn poll_timeout(&self, (): &()) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, (): &mut ()) {}

    fn handle_sweep(&mut self, context: &mut Context<'_>, (): &mut (), _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, (): (), _: CloseReason) {}

    fn handle_tick(&mut self, _: Instant, counters: &Counters) -> Directive {
        let moved_bytes = counters.received_bytes + counters.sent_bytes;
        self.moved_bytes.store(moved_bytes, Ordering::Relaxed);
        directive(&self.stop)
    }
}

fn directive(stop: &AtomicBool) -> Directive {
    if stop.load(Ordering::Relaxed) {
        Directive::Drain
    } else {
        Directive::GoOn
    }
}

fn start<A>(
    application: A,
    listeners: Vec<TcpListener>,
    payload: &Arc<Payload>,
) -> JoinHandle<io::Result<()>>
where
    A: Application + Send + 'static,
    A::Session: Send,
{
    let payload = Some(Arc::clone(payload));
    std::thread::spawn(move || EventLoop::new(application, listeners, payload)?.run())
}

/// Both sides of TLS, with a certificate of their own.
fn tls() -> (Acceptor, Connector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("randomness");
    let (chain, key) = (cert.pem(), signing_key.serialize_pem());
    let credentials = Credentials::new(chain.as_bytes(), key.as_bytes(), Vec::new(), Vec::new());
    let credentials = credentials.expect("a pair");
    let acceptor = Acceptor::new(MinVersion::Tls12, &[b"http/1.1"], credentials);
    let connector = Connector::new("localhost", Trust::Anybody, &[b"http/1.1"]);
    (
        acceptor.expect("ciphers"),
        connector.expect("a name and ciphers"),
    )
}

#[test]
fn a_loop_in_its_steady_state_allocates_nothing() {
    let payload = Arc::new(Payload::create().expect("a temporary folder"));
    let (acceptor, connector) = tls();
    let mut faults = watch("plain", None, None, &payload);
    faults.extend(watch("TLS", Some(acceptor), Some(&connector), &payload));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Does each task for a while on connections of that kind; what was wrong.
fn watch(
    kind: &str,
    acceptor: Option<Acceptor>,
    connector: Option<&Connector>,
    payload: &Arc<Payload>,
) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = listener.local_addr().expect("bound");
    let server_stop = Arc::new(AtomicBool::new(false));
    let server = Server {
        acceptor,
        filler: vec![0; MESSAGE_BYTES],
        stop: Arc::clone(&server_stop),
    };
    let server = start(server, vec![listener], payload);
    let mut faults = Vec::new();
    for task in TASKS {
        let stop = Arc::new(AtomicBool::new(false));
        let moved_bytes = Arc::new(AtomicU64::new(0));
        let client = Client {
            peer,
            connector: connector.cloned(),
            task,
            wanted_connections: CONNECTIONS,
            moved_bytes: Arc::clone(&moved_bytes),
            stop: Arc::clone(&stop),
        };
        let client = start(client, Vec::new(), payload);
        sleep(match task {
            Task::Paced => PACED_WARM_UP,
            _ => WARM_UP,
        });
        let latest = std::time::Instant::now() + PATIENCE;
        let fault = loop {
            let before_bytes = moved_bytes.load(Ordering::Relaxed);
            let region = Region::new(ALLOCATOR);
            sleep(WATCHED);
            let change = region.change();
            let bytes = moved_bytes.load(Ordering::Relaxed) - before_bytes;
            let seen = format!("{kind} {task:?}: {bytes} bytes, {change:?}");
            println!("{seen}");
            if change.allocations + change.reallocations == 0 && bytes > 0 {
                break None;
            }
            if std::time::Instant::now() > latest {
                break Some(seen);
            }
        };
        faults.extend(fault);
        stop.store(true, Ordering::Relaxed);
        client.join().expect("no panic").expect("a poll");
    }
    server_stop.store(true, Ordering::Relaxed);
    server.join().expect("no panic").expect("a poll");
    faults
}

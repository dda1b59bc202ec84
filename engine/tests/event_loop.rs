//! Two event loops talk to each other over loopback: a server and a client, each an application of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::payload::Payload;
use protocol::connection::{
    BinarySink, BodySink, CloseReason, Event, RequestBody, ResponseBody, WebSocketOptions,
};
use protocol::http1::{Method, RequestHead, ResponseHead};
use protocol::time::Instant;

/// Far beyond what anything here takes; only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(30);
const BODY_BYTES: u64 = 20_000_000;

/// Answers every request with filler, and echoes messages on a WebSocket.
struct Server {
    stop: Receiver<()>,
}

impl Application for Server {
    type Session = ();

    fn handle_accept(&mut self, _: Instant, _: usize, _: SocketAddr) -> Option<()> {
        Some(())
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        (): &mut (),
        event: Event,
        payload: &[u8],
    ) {
        let now = context.now;
        match event {
            Event::Request(request) if request.websocket_upgrade().is_ok() => {
                let options = WebSocketOptions {
                    binary: BinarySink::Deliver,
                    extra_fields: Vec::new(),
                };
                context
                    .connection
                    .accept_websocket(now, options)
                    .expect("a pending upgrade");
            }
            Event::Request(_) => {
                let body = ResponseBody::Filler {
                    length: Some(BODY_BYTES),
                };
                context
                    .connection
                    .respond(now, ResponseHead::new(200), body)
                    .expect("a pending request");
            }
            Event::Message(_) => context
                .connection
                .send_binary(now, payload)
                .expect("room for an echo"),
            _ => {}
        }
    }

    fn poll_timeout(&self, (): &()) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, (): &mut ()) {}

    fn handle_sweep(&mut self, context: &mut Context<'_>, (): &mut (), _: Sweep) {
        context.connection.close(context.now, 1001, "");
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, (): (), _: CloseReason) {}

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        if self.stop.try_recv().is_ok() {
            Directive::Drain
        } else {
            Directive::GoOn
        }
    }
}

/// What the client is to do on its one connection.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Download,
    Echo,
}

/// Does one task and tells what came of it.
struct Client {
    peer: SocketAddr,
    task: Option<Task>,
    told: Sender<Told>,
}

#[derive(Debug, PartialEq)]
enum Told {
    Body(u64),
    Message(Vec<u8>),
    Closed(CloseReason),
    NoConnection(io::ErrorKind),
}

impl Application for Client {
    type Session = Task;

    fn poll_connect(&mut self) -> Option<Connect<Task>> {
        self.task.take().map(|session| Connect {
            peer: self.peer,
            local: None,
            session,
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, task: &mut Task) {
        let now = context.now;
        match task {
            Task::Download => {
                let head = RequestHead::new(Method::Get, "/", "localhost");
                context
                    .connection
                    .request(now, head, RequestBody::Empty, BodySink::Discard)
                    .expect("a fresh connection");
            }
            Task::Echo => {
                let options = WebSocketOptions {
                    binary: BinarySink::Deliver,
                    extra_fields: Vec::new(),
                };
                context
                    .connection
                    .request_websocket(now, "/", "localhost", [7; 16], options)
                    .expect("a fresh connection");
            }
        }
    }

    fn handle_connect_failed(&mut self, _: Instant, _: Task, error: &io::Error) {
        self.tell(Told::NoConnection(error.kind()));
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        _: &mut Task,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::BodyComplete { bytes, .. } => self.tell(Told::Body(bytes)),
            Event::Upgraded => context
                .connection
                .send_binary(context.now, b"ping")
                .expect("an open socket"),
            Event::Message(_) => self.tell(Told::Message(payload.to_vec())),
            _ => {}
        }
    }

    fn poll_timeout(&self, _: &Task) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, _: &mut Task) {}

    fn handle_sweep(&mut self, _: &mut Context<'_>, _: &mut Task, _: Sweep) {}

    fn handle_closed(&mut self, _: &mut Context<'_>, _: Task, reason: CloseReason) {
        self.tell(Told::Closed(reason));
    }

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        Directive::GoOn
    }
}

impl Client {
    fn tell(&self, what: Told) {
        // The test may have seen enough.
        let _ = self.told.send(what);
    }
}

fn start_server() -> (SocketAddr, Sender<()>, JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop_sender, stop) = channel();
    let payload = Arc::new(Payload::create().expect("a temporary folder"));
    let thread = std::thread::spawn(move || {
        EventLoop::new(Server { stop }, vec![listener], Some(payload))
            .expect("a loop")
            .run()
    });
    (address, stop_sender, thread)
}

/// The client's loop goes on in its thread until the test's process ends.
fn start_client(peer: SocketAddr, task: Task) -> Receiver<Told> {
    let (told, heard) = channel();
    std::thread::spawn(move || {
        let client = Client {
            peer,
            task: Some(task),
            told,
        };
        EventLoop::new(client, Vec::new(), None)
            .expect("a loop")
            .run()
    });
    heard
}

#[test]
fn a_download_arrives_to_the_byte() {
    let (address, _stop, _server) = start_server();
    let heard = start_client(address, Task::Download);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(Told::Body(BODY_BYTES)));
}

#[test]
fn a_message_comes_back_and_a_draining_server_says_goodbye() {
    let (address, stop, server) = start_server();
    let heard = start_client(address, Task::Echo);
    assert_eq!(
        heard.recv_timeout(PATIENCE),
        Ok(Told::Message(b"ping".to_vec()))
    );
    stop.send(()).expect("the server runs");
    let goodbye = Told::Closed(CloseReason::PeerClosed { code: Some(1001) });
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(goodbye));
    assert!(server.join().expect("no panic").is_ok());
}

#[test]
fn a_refused_connection_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let heard = start_client(address, Task::Echo);
    assert_eq!(
        heard.recv_timeout(PATIENCE),
        Ok(Told::NoConnection(io::ErrorKind::ConnectionRefused))
    );
}

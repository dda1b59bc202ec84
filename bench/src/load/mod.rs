//! The load: households' sessions and their probes, as clients on event loops of their own.
//!
//! What a loop does while traffic runs is bounded and allocates nothing but the room for its records; whatever is derived
//! from them is derived after the end.

pub(crate) mod attempt;
pub(crate) mod client;
pub(crate) mod player;
pub(crate) mod players;
pub(crate) mod probes;

use std::net::SocketAddr;
use std::time::Duration;

use engine::runtime::application::Application;
use engine::runtime::event_loop::EventLoop;
use protocol::time::Instant;

/// What all loops of a run share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The node's main port.
    pub(crate) main: SocketAddr,
    /// Its port for probes.
    pub(crate) ping: SocketAddr,
    /// When the first household's traffic starts.
    pub(crate) start: Instant,
    /// How long each user's traffic lasts.
    pub(crate) duration: Duration,
    /// When the last household's traffic is over.
    pub(crate) end: Instant,
    /// Whether a user whose session ends early opens another one, as the page does.
    pub(crate) reconnects: bool,
}

/// Runs an application on a loop in a thread of its own until it drains; it hands out its records by itself.
pub(crate) fn spawn<A>(name: &str, application: A) -> std::io::Result<std::thread::JoinHandle<()>>
where
    A: Application + Send + 'static,
    A::Session: Send,
{
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let run = EventLoop::new(application, Vec::new(), None)
                .and_then(|mut event_loop| event_loop.run());
            if let Err(error) = run {
                eprintln!("a loop of the bench failed, its records are lost: {error}");
            }
        })
}

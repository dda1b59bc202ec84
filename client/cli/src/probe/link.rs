//! The loop of the probes, as its owner has it: connected, told what to do, listened to and ended.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use engine::runtime::sys::clock;
use protocol::message::samples::ProbeTransport;

use super::loops::{self, ProbeNotice, ProbeOrder, ProbeRoutes};
use crate::fault::Fault;
use crate::interrupt::Interrupt;

/// How often an owner looks at what else there is while it listens.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Three ticks of the loop: what it had seen when this began has been told then.
pub const TELL_LIMIT: Duration = Duration::from_millis(300);
/// All ways of probing together may take this long to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(12);
/// Notices that may wait: a second's.
const NOTICES_MAX: usize = 16;
const ORDERS_MAX: usize = 8;

/// A loop that has found a way to the node. Dropped, it ends by itself: its orders are then over.
#[derive(Debug)]
pub struct ProbeLink {
    orders: Sender<ProbeOrder>,
    /// What the loop tells; disconnected when it is gone.
    pub notices: Receiver<ProbeNotice>,
    thread: JoinHandle<io::Result<()>>,
}

impl ProbeLink {
    /// Starts the loop and waits until probes have a way to the node; `watch` is called meanwhile.
    ///
    /// # Errors
    /// They have none, the user wants an end, or this machine gives no thread or no loop.
    pub fn connect(
        routes: ProbeRoutes,
        interrupt: &Interrupt,
        watch: &mut dyn FnMut(),
    ) -> Result<(Self, ProbeTransport), Fault> {
        let (orders, ordered) = bounded(ORDERS_MAX);
        let (told, notices) = bounded(NOTICES_MAX);
        let thread = loops::spawn(routes, ordered, told)
            .map_err(|error| Fault::System(format!("no thread: {error}")))?;
        let link = Self {
            orders,
            notices,
            thread,
        };
        let deadline = clock::monotonic_now() + CONNECT_LIMIT;
        while clock::monotonic_now() < deadline {
            if interrupt.is_set() {
                return Err(Fault::Interrupted);
            }
            match link.notices.recv_timeout(LOOK_INTERVAL) {
                Ok(ProbeNotice::Connected(transport)) => return Ok((link, transport)),
                Ok(ProbeNotice::Unreachable | ProbeNotice::Lost { .. }) => break,
                Ok(ProbeNotice::Batch(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(link.failure()),
            }
            watch();
        }
        Err(Fault::NoAnswer(
            "the node answers, but no probe gets through to it: neither on its ping port nor on its main port".to_owned(),
        ))
    }

    /// A loop that is gone takes no order, which is seen where it is listened to.
    pub fn order(&self, order: ProbeOrder) {
        let _ = self.orders.send(order);
    }

    /// Ends the loop, and waits for it.
    pub fn end(self) {
        self.order(ProbeOrder::End);
        // A thread that panicked has said so on standard error.
        let _ = self.thread.join();
    }

    /// Of a loop that ended by itself.
    fn failure(self) -> Fault {
        match self.thread.join() {
            Ok(Err(error)) => Fault::System(format!("no event loop: {error}")),
            Ok(Ok(())) | Err(_) => Fault::System("the loop of the probes ended".to_owned()),
        }
    }
}

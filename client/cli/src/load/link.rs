//! The loop of the load, as its owner has it: started, listened to and ended.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::runtime::payload::Payload;

use super::loops;
use super::plan::{LoadNotice, LoadOrder, LoadPlan};
use crate::fault::Fault;

/// Notices that may wait: a second's.
const NOTICES_MAX: usize = 16;

/// A running loop. Dropped, it ends by itself: its orders are then over.
#[derive(Debug)]
pub struct LoadLink {
    orders: Sender<LoadOrder>,
    notices: Receiver<LoadNotice>,
    thread: JoinHandle<io::Result<()>>,
}

impl LoadLink {
    /// Starts the loop on a thread of its own.
    ///
    /// # Errors
    /// This machine gives no thread, or no file for the payload.
    pub fn start(plan: LoadPlan) -> Result<Self, Fault> {
        let payload = Payload::create().map_err(|error| Fault::System(error.to_string()))?;
        let (orders, ordered) = bounded(2);
        let (told, notices) = bounded(NOTICES_MAX);
        let thread = loops::spawn(plan, Arc::new(payload), ordered, told)
            .map_err(|error| Fault::System(format!("no thread: {error}")))?;
        Ok(Self {
            orders,
            notices,
            thread,
        })
    }

    /// What it told last, if anything since it was asked before. Each notice has all that went before.
    #[must_use]
    pub fn newest(&self) -> Option<LoadNotice> {
        self.notices.try_iter().last()
    }

    /// Ends every flow; a loop that is gone has none.
    pub fn stop(&self) {
        let _ = self.orders.try_send(LoadOrder::End);
    }

    /// Ends the loop and waits for it. Returns its last word.
    #[must_use]
    pub fn end(self) -> Option<LoadNotice> {
        self.stop();
        // A thread that panicked has said so on standard error.
        let _ = self.thread.join();
        self.notices.try_iter().last()
    }
}

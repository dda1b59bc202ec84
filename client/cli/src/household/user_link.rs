//! The loop of one user, as its owner has it: started, told what to do, looked at and ended.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::user::User;
use super::user_loop::{self, UserNotice, UserOrder, UserPlan};
use crate::fault::Fault;

const ORDERS_MAX: usize = 4;
/// Notices that may wait: a second's.
const NOTICES_MAX: usize = 16;

/// A running loop. Dropped, it ends by itself: its orders are then over.
#[derive(Debug)]
pub(super) struct UserLink {
    pub(super) name: String,
    /// What the loop told last.
    pub(super) notice: UserNotice,
    orders: Sender<UserOrder>,
    notices: Receiver<UserNotice>,
    thread: JoinHandle<io::Result<User>>,
}

impl UserLink {
    /// Starts the loop, which opens the session and waits for its orders.
    ///
    /// # Errors
    /// This machine gives no thread.
    pub(super) fn start(plan: UserPlan, user: User) -> Result<Self, Fault> {
        let name = user.profile.name.clone();
        let (orders, ordered) = bounded(ORDERS_MAX);
        let (told, notices) = bounded(NOTICES_MAX);
        let thread = user_loop::spawn(plan, user, ordered, told)
            .map_err(|error| Fault::System(format!("no thread: {error}")))?;
        Ok(Self {
            name,
            notice: UserNotice::default(),
            orders,
            notices,
            thread,
        })
    }

    /// A loop that is gone takes no order, which is seen when it is ended.
    pub(super) fn order(&self, order: UserOrder) {
        let _ = self.orders.send(order);
    }

    /// Takes what the loop told meanwhile.
    pub(super) fn listen(&mut self) {
        if let Some(notice) = self.notices.try_iter().last() {
            self.notice = notice;
        }
    }

    /// Waits for a loop that was told to end. Returns the user with all that it saw.
    ///
    /// # Errors
    /// The loop failed.
    pub(super) fn end(self) -> Result<User, Fault> {
        match self.thread.join() {
            Ok(Ok(user)) => Ok(user),
            Ok(Err(error)) => Err(Fault::System(format!("no event loop: {error}"))),
            // It has said why on standard error.
            Err(_) => Err(Fault::System(format!("the loop of {} failed", self.name))),
        }
    }
}

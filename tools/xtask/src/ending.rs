//! What must not outlive a chore: the lab's own list of endings, under the name that chores know it by.

pub(crate) use linklab::ending::{Ending, Ends, end_everything_on_signals, pid, remove_leftovers};

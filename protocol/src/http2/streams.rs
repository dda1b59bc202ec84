//! The streams of one connection, in the order of their opening, each behind a [`Connection`] of its own.

use super::stream::Stream;
use crate::connection::Connection;

/// See the module. There are at most `HTTP2_STREAMS_MAX`, so looking through all of them is cheap.
#[derive(Debug, Default)]
pub(super) struct Streams {
    all: Vec<Connection>,
    /// Whose turn it is to send; a place in `all`, taken modulo its length.
    turn: usize,
}

impl Streams {
    pub(super) fn push(&mut self, stream: Stream) {
        self.all.push(Connection::of_stream(stream));
    }

    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.all.iter().filter_map(Connection::as_stream)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut().filter_map(Connection::as_stream_mut)
    }

    pub(super) fn find(&self, id: u32) -> Option<&Stream> {
        self.iter().find(|stream| stream.id == id)
    }

    pub(super) fn find_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.iter_mut().find(|stream| stream.id == id)
    }

    /// The stream as the application is given it.
    pub(super) fn connection_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.all
            .iter_mut()
            .find(|connection| connection.as_stream().is_some_and(|stream| stream.id == id))
    }

    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&Stream) -> bool) {
        self.all
            .retain(|connection| connection.as_stream().is_some_and(&mut keeps));
        if self.all.is_empty() {
            self.all = Vec::new();
        }
    }

    /// All streams, beginning with the one whose turn it is.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Stream> {
        let (before, after) = self.all.split_at(self.turn % self.all.len().max(1));
        after.iter().chain(before).filter_map(Connection::as_stream)
    }

    /// The turn of `id` is over.
    pub(super) fn pass_turn(&mut self, id: u32) {
        let position = self.iter().position(|stream| stream.id == id);
        if let Some(position) = position {
            self.turn = position + 1;
        }
    }
}

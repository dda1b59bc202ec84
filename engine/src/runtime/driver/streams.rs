//! What a driver does beyond the ordinary when its connection carries many requests at a time (HTTP/2): each stream has a
//! session of its own, and the application sees it as a connection.

use protocol::connection::{CloseReason, Event, StreamId};
use protocol::time::Instant;

use super::Driver;
use crate::runtime::application::{Application, Context, Sweep};

/// A stream's session.
#[derive(Debug)]
pub(super) struct Exchange<S> {
    id: StreamId,
    session: S,
}

impl<S> Driver<S> {
    /// Whether there were any.
    pub(super) fn deliver_stream_events<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        scratch: &mut Vec<u8>,
    ) -> bool
    where
        A: Application<Session = S>,
    {
        let mut has_delivered = false;
        while let Some((id, event)) = self.connection.poll_stream_event(scratch) {
            has_delivered = true;
            if let Event::Request(_) = event {
                match application.handle_stream(now, &mut self.session) {
                    Some(session) => self.exchanges.push(Exchange { id, session }),
                    None => {
                        self.connection.abort_stream(now, id);
                        continue;
                    }
                }
            }
            let Some(position) = self.exchanges.iter().position(|exchange| exchange.id == id)
            else {
                continue;
            };
            if let Event::Closed(reason) = event {
                let exchange = self.exchanges.swap_remove(position);
                self.close_exchange(application, now, exchange, reason);
            } else {
                self.on_stream(position, now, |context, session| {
                    application.handle_event(context, session, event, scratch);
                });
            }
        }
        has_delivered
    }

    /// Lets the application act on the stream whose session is at `position`.
    fn on_stream(
        &mut self,
        position: usize,
        now: Instant,
        act: impl FnOnce(&mut Context<'_>, &mut S),
    ) {
        let Some(exchange) = self.exchanges.get_mut(position) else {
            return;
        };
        let Some(connection) = self.connection.stream_mut(exchange.id) else {
            return;
        };
        let mut is_aborted = false;
        let mut context = Context {
            now,
            received_at: self.received_at,
            peer: self.peer,
            connection,
            transport: &mut self.transport,
            is_aborted: &mut is_aborted,
        };
        act(&mut context, &mut exchange.session);
        if is_aborted {
            self.connection.abort_stream(now, exchange.id);
        }
    }

    fn close_exchange<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        exchange: Exchange<S>,
        reason: CloseReason,
    ) where
        A: Application<Session = S>,
    {
        // A stream that the connection has dropped is not there to be asked; its connection is, and moves nothing more.
        let connection = match self.connection.stream_mut(exchange.id) {
            Some(_) => self.connection.stream_mut(exchange.id),
            None => Some(&mut self.connection),
        };
        let Some(connection) = connection else {
            return;
        };
        // There is nothing left to abort: a stream ends alone.
        let mut is_aborted = false;
        let mut context = Context {
            now,
            received_at: self.received_at,
            peer: self.peer,
            connection,
            transport: &mut self.transport,
            is_aborted: &mut is_aborted,
        };
        application.handle_stream_closed(&mut context, exchange.session, reason);
    }

    /// Ends all streams with their connection.
    pub(super) fn close_exchanges<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        reason: CloseReason,
    ) where
        A: Application<Session = S>,
    {
        for exchange in std::mem::take(&mut self.exchanges) {
            self.close_exchange(application, now, exchange, reason);
        }
    }

    /// When the application wants to be called, for this connection or a stream of it.
    pub(in crate::runtime) fn session_deadline<A>(&self, application: &A) -> Option<Instant>
    where
        A: Application<Session = S>,
    {
        let streams = self.exchanges.iter().map(|exchange| &exchange.session);
        std::iter::once(&self.session)
            .chain(streams)
            .filter_map(|session| application.poll_timeout(session))
            .min()
    }

    /// Calls the application for those whose time has come.
    pub(in crate::runtime) fn expire_sessions<A>(&mut self, application: &mut A, now: Instant)
    where
        A: Application<Session = S>,
    {
        if let Some(deadline) = due(application, &self.session, now) {
            application.observe_lag(now, now - deadline);
            let (mut context, session) = self.context(now);
            application.handle_timeout(&mut context, session);
        }
        for position in 0..self.exchanges.len() {
            if let Some(deadline) = due(application, &self.exchanges[position].session, now) {
                application.observe_lag(now, now - deadline);
                self.on_stream(position, now, |context, session| {
                    application.handle_timeout(context, session);
                });
            }
        }
    }

    /// Shows the application this connection and its streams.
    pub(in crate::runtime) fn sweep<A>(&mut self, application: &mut A, now: Instant, sweep: Sweep)
    where
        A: Application<Session = S>,
    {
        let (mut context, session) = self.context(now);
        application.handle_sweep(&mut context, session, sweep);
        for position in 0..self.exchanges.len() {
            self.on_stream(position, now, |context, session| {
                application.handle_sweep(context, session, sweep);
            });
        }
    }
}

fn due<A: Application>(application: &A, session: &A::Session, now: Instant) -> Option<Instant> {
    application
        .poll_timeout(session)
        .filter(|deadline| *deadline <= now)
}

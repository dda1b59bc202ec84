//! What the node does when something happens on one of its loop's connections, when a deadline comes, and in every tick.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::connection::{CloseReason, Event, MessageKind, Patience};
use protocol::message::profile::SessionEndReason;
use protocol::message::socket::{NodeMessage, UploaderMessage};
use protocol::time::Instant;

use super::Node;
use crate::runtime::application::{Application, Context, Counters, Directive, Sweep};
use crate::runtime::tls::Acceptor;
use crate::server::close_code;
use crate::server::endpoints::{self, tests, upload};
use crate::server::flow::FlowEnd;
use crate::server::log;
use crate::server::profile_session::{self, Handled};
use crate::server::roles::EndpointGroup;
use crate::server::scoreboard::{Closed, TestOutcome, second_of};
use crate::server::visitor::{Activity, Visitor};

impl Node {
    /// Ends what may not go on; whether it did.
    fn end_if_due(&mut self, context: &mut Context<'_>, visitor: &mut Visitor) -> bool {
        let now = context.now;
        let end = match &visitor.activity {
            Activity::Idle | Activity::Collecting(_) | Activity::Closing => None,
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                flow.end_due(now, self.is_test_ended(flow.seat()))
            }
            Activity::BulkUpload(upload) => upload
                .flow
                .end_due(now, self.is_test_ended(upload.flow.seat())),
            Activity::Probe(probe) => probe.end_due(now, self.is_test_ended(probe.seat())),
            Activity::Profile(session) => session.end_due(now, self.is_test_ended(session.seat())),
        };
        if let Some(end) = end {
            self.end(context, visitor, end);
        }
        end.is_some()
    }

    fn end(&mut self, context: &mut Context<'_>, visitor: &mut Visitor, end: FlowEnd) {
        let (code, reason, counted) = match end {
            FlowEnd::TestEnded => (close_code::NORMAL, "the test has ended", Closed::TestEnded),
            FlowEnd::TimeLimit => (
                close_code::POLICY_VIOLATION,
                "the time limit is reached",
                Closed::Expired,
            ),
            FlowEnd::Inactive => (
                close_code::POLICY_VIOLATION,
                "nothing moved for too long",
                Closed::InactivityTimeout,
            ),
        };
        visitor.ended_as = Some(counted);
        match &mut visitor.activity {
            Activity::BulkUpload(upload) => {
                self.sample(context, &mut upload.flow);
                upload.send_progress(context, true);
            }
            Activity::Profile(session) => {
                let goodbye = session.end(context, session_end_reason(end));
                profile_session::send(context, &goodbye);
            }
            _ => {}
        }
        self.close_activity(context, visitor);
        visitor.activity = Activity::Closing;
        if context.connection.is_websocket() {
            context.connection.close(context.now, code, reason);
        } else {
            // An HTTP body in the middle has no other way to end early.
            context.abort();
        }
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        kind: MessageKind,
        payload: &[u8],
    ) {
        match &mut visitor.activity {
            Activity::Probe(probe) => match probe.handle_message(context, kind, payload) {
                Some(turnaround) => self.count_echo(context.now, turnaround),
                None if kind == MessageKind::Text => {
                    refuse_text(context, "a probe is a binary message of 16 bytes");
                }
                None => {
                    visitor.ended_as = Some(Closed::ProtocolError);
                    context.connection.close(
                        context.now,
                        close_code::UNSUPPORTED_DATA,
                        "not a probe",
                    );
                }
            },
            Activity::Profile(session) => match session.handle_message(context, kind, payload) {
                Handled::Taken | Handled::Refused => {}
                Handled::Echoed(turnaround) => self.count_echo(context.now, turnaround),
                Handled::Stop => {
                    let goodbye = session.end(context, SessionEndReason::Stopped);
                    profile_session::send(context, &goodbye);
                    self.close_activity(context, visitor);
                    visitor.activity = Activity::Closing;
                    context
                        .connection
                        .close(context.now, close_code::NORMAL, "stopped");
                }
                Handled::Malformed => {
                    visitor.ended_as = Some(Closed::ProtocolError);
                    let goodbye = session.end(context, SessionEndReason::ProtocolError);
                    profile_session::send(context, &goodbye);
                    self.close_activity(context, visitor);
                    visitor.activity = Activity::Closing;
                    let reason = "neither traffic nor a probe";
                    context
                        .connection
                        .close(context.now, close_code::UNSUPPORTED_DATA, reason);
                }
            },
            Activity::BulkUpload(upload) => match serde_json::from_slice(payload) {
                Ok(UploaderMessage::Finish) => {
                    let bytes = context.connection.received_payload_bytes();
                    upload.flow.sample(context.now, bytes, None);
                    upload.send_progress(context, true);
                    context
                        .connection
                        .close(context.now, close_code::NORMAL, "finished");
                }
                Err(_) => refuse_text(
                    context,
                    "the only text message here is {\"type\":\"finish\"}",
                ),
            },
            Activity::BulkDownload(_) => {
                refuse_text(context, "this socket takes no messages; close it to end it");
            }
            Activity::Idle
            | Activity::Collecting(_)
            | Activity::Closing
            | Activity::Download(_)
            | Activity::Upload(_) => {}
        }
    }

    fn handle_body_complete(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        bytes: u64,
        elapsed: Duration,
        body: &[u8],
    ) {
        let reply = match &visitor.activity {
            Activity::Upload(_) => upload::reply(bytes, elapsed),
            Activity::Collecting(collected) => {
                let collected = collected.clone();
                tests::answer_collected(self, context, visitor, &collected, body)
            }
            _ => return,
        };
        self.close_activity(context, visitor);
        let reply = self.test_reply(visitor, reply);
        let _ = context
            .connection
            .respond(context.now, reply.head, reply.body);
    }

    /// Ends the tests that have lasted too long, once a second; when the node stops, tells of those that it cuts off.
    fn look_after_tests(&mut self, now: Instant) {
        let second = second_of(now);
        if second != self.swept_s {
            self.swept_s = second;
            let expired = |seat| self.record_test_end(now, seat, TestOutcome::Expired, None);
            self.scoreboard.tests().sweep(now, expired);
        }
        if self.scoreboard.is_draining() && !self.has_logged_shutdown {
            self.has_logged_shutdown = true;
            for seat in self.scoreboard.tests().live_seats() {
                self.record_test_end(now, seat, TestOutcome::Shutdown, None);
            }
        }
    }

    fn count_echo(&self, now: Instant, turnaround: Duration) {
        let turnaround_us = u64::try_from(turnaround.as_micros()).unwrap_or(u64::MAX);
        self.slot().echoes.add(1);
        self.slot().echo_turnaround.record_us(now, turnaround_us);
    }
}

/// Tells a client that its text message was of no use here; the session goes on.
fn refuse_text(context: &mut Context<'_>, message: &str) {
    let error = NodeMessage::Error {
        code: "unknown_message".to_owned(),
        message: message.to_owned(),
    };
    if let Ok(text) = serde_json::to_string(&error) {
        let _ = context.connection.send_text(context.now, &text);
    }
}

/// As the session's client is told.
fn session_end_reason(end: FlowEnd) -> SessionEndReason {
    match end {
        FlowEnd::TestEnded => SessionEndReason::TestEnded,
        FlowEnd::TimeLimit => SessionEndReason::DurationLimit,
        FlowEnd::Inactive => SessionEndReason::Inactive,
    }
}

impl Application for Node {
    type Session = Visitor;

    fn handle_accept(&mut self, _: Instant, _: usize, peer: SocketAddr) -> Option<Visitor> {
        let open = self.scoreboard.total(|slot| slot.connections.value());
        if open >= self.config.limits.connections_max.get() {
            self.slot().count_closed(Closed::OverLimit);
            return None;
        }
        self.slot().connections.increment();
        Some(Visitor::new(peer.ip()))
    }

    fn expects_proxy_header(&self, peer: SocketAddr) -> bool {
        let proxies = &self.config.proxies;
        proxies.speak_proxy_protocol && proxies.trusts(peer.ip())
    }

    fn handle_proxied(&mut self, visitor: &mut Visitor, peer: SocketAddr) {
        visitor.set_client(peer.ip());
    }

    fn handle_accept_failed(&mut self, _: Instant, error: &io::Error) {
        self.slot().accept_failures.add(1);
        self.faults.note_accept_failure(error);
    }

    fn observe_first_byte(&mut self, took: Duration) {
        self.slot()
            .first_byte
            .record_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn acceptor(&self, _: usize) -> Option<&Acceptor> {
        self.acceptor.as_deref()
    }

    fn patience(&self) -> Patience {
        Patience {
            inactivity: self.config.limits.inactivity(),
            write_stall: self.config.limits.write_stall(),
        }
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Request(request) => endpoints::route(self, context, visitor, &request),
            Event::BodyComplete { bytes, elapsed } => {
                self.handle_body_complete(context, visitor, bytes, elapsed, payload);
            }
            Event::ResponseSent => self.close_activity(context, visitor),
            Event::Message(kind) => self.handle_message(context, visitor, kind, payload),
            Event::Pong => {
                if let Activity::Probe(probe) = &mut visitor.activity {
                    probe.handle_pong(context, payload);
                }
            }
            Event::FillerSent => {
                context
                    .connection
                    .close(context.now, close_code::NORMAL, "finished");
            }
            // A server's connection has no responses, and its end is the loop's to report.
            Event::Response(_) | Event::Upgraded | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, visitor: &Visitor) -> Option<Instant> {
        visitor.poll_timeout()
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, visitor: &mut Visitor) {
        match &mut visitor.activity {
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                self.sample(context, flow);
            }
            Activity::BulkUpload(upload) => self.sample(context, &mut upload.flow),
            Activity::Idle
            | Activity::Probe(_)
            | Activity::Profile(_)
            | Activity::Collecting(_)
            | Activity::Closing => {}
        }
        // Before anything more is sent: may it go on?
        if self.end_if_due(context, visitor) {
            return;
        }
        match &mut visitor.activity {
            Activity::BulkUpload(upload) => upload.send_progress(context, false),
            Activity::Probe(probe) => probe.handle_timeout(context),
            Activity::Profile(session) => session.handle_timeout(context, &mut self.message_buffer),
            Activity::Idle
            | Activity::Download(_)
            | Activity::Upload(_)
            | Activity::BulkDownload(_)
            | Activity::Collecting(_)
            | Activity::Closing => {}
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, visitor: &mut Visitor, sweep: Sweep) {
        match sweep {
            Sweep::Asked => {
                self.end_if_due(context, visitor);
            }
            Sweep::Drain => {
                visitor.ended_as = Some(Closed::Drained);
                if let Activity::Profile(session) = &mut visitor.activity {
                    let goodbye = session.end(context, SessionEndReason::Shutdown);
                    profile_session::send(context, &goodbye);
                }
                context.connection.close(
                    context.now,
                    close_code::GOING_AWAY,
                    "the node is shutting down",
                );
            }
        }
    }

    fn handle_closed(
        &mut self,
        context: &mut Context<'_>,
        mut visitor: Visitor,
        reason: CloseReason,
    ) {
        if let Activity::Profile(session) = &mut visitor.activity {
            session.handle_closed(session_closed(reason));
        }
        self.close_activity(context, &mut visitor);
        self.slot().connections.decrement();
        let reason = visitor.ended_as.unwrap_or_else(|| closed(reason));
        self.slot().count_closed(reason);
        tracing::debug!(
            role = self.role.name,
            reason = reason.name(),
            "connection closed"
        );
    }

    fn handle_stream(&mut self, _: Instant, visitor: &mut Visitor) -> Option<Visitor> {
        Some(Visitor::new(visitor.client))
    }

    fn handle_stream_closed(
        &mut self,
        context: &mut Context<'_>,
        mut visitor: Visitor,
        _: CloseReason,
    ) {
        self.close_activity(context, &mut visitor);
    }

    fn handle_tick(&mut self, now: Instant, counters: &Counters) -> Directive {
        self.adopt_config();
        let slot = self.slot();
        slot.beat(now);
        slot.accepted.add(counters.accepted - self.counted.accepted);
        slot.count_bytes(
            now,
            counters.received_bytes - self.counted.received_bytes,
            counters.sent_bytes - self.counted.sent_bytes,
        );
        slot.turns.add(counters.turns - self.counted.turns);
        slot.log_lines_dropped.add(log::take_dropped_lines());
        self.counted = *counters;
        if let Some(level) = self.scoreboard.log_level() {
            log::set_level(level);
        }
        self.faults.poll(
            now,
            &self.role.name,
            &self.scoreboard.loops()[self.loop_index],
        );
        if self.serves(EndpointGroup::Api) {
            self.look_after_tests(now);
        }
        let ended = self.scoreboard.tests().ended_generation();
        let has_news = ended != self.seen_ended;
        self.seen_ended = ended;
        if self.drain.is_draining() {
            Directive::Drain
        } else if has_news {
            Directive::Sweep
        } else {
            Directive::GoOn
        }
    }

    fn observe_lag(&mut self, now: Instant, lag: Duration) {
        self.slot()
            .lag
            .record_us(now, u64::try_from(lag.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Why a session ended whose connection did.
fn session_closed(reason: CloseReason) -> SessionEndReason {
    match reason {
        CloseReason::PeerClosed { .. } | CloseReason::Finished | CloseReason::Local(_) => {
            SessionEndReason::Stopped
        }
        CloseReason::WriteStalled => SessionEndReason::PeerStalled,
        CloseReason::InactivityTimeout | CloseReason::IdleTimeout | CloseReason::HeadTimeout => {
            SessionEndReason::Inactive
        }
        CloseReason::PeerVanished | CloseReason::CloseTimeout | CloseReason::HandshakeFailed => {
            SessionEndReason::PeerVanished
        }
        CloseReason::ProtocolError(_) | CloseReason::Refused(_) => SessionEndReason::ProtocolError,
    }
}

/// The connection's reason as it's counted.
fn closed(reason: CloseReason) -> Closed {
    match reason {
        CloseReason::Finished => Closed::Finished,
        CloseReason::PeerClosed { .. } => Closed::PeerClosed,
        CloseReason::PeerVanished => Closed::PeerVanished,
        CloseReason::IdleTimeout => Closed::IdleTimeout,
        CloseReason::HeadTimeout => Closed::HeadTimeout,
        CloseReason::HandshakeFailed => Closed::TransportError,
        CloseReason::InactivityTimeout => Closed::InactivityTimeout,
        CloseReason::WriteStalled => Closed::WriteStalled,
        CloseReason::CloseTimeout => Closed::CloseTimeout,
        CloseReason::ProtocolError(_) => Closed::ProtocolError,
        CloseReason::Refused(_) => Closed::Refused,
        CloseReason::Local(_) => Closed::Local,
    }
}

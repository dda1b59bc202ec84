//! The families of metrics, read off the scoreboard.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use protocol::time::Instant;

use super::certificate;
use crate::server::scoreboard::{
    BUCKET_BOUNDS_US, BUCKETS, Closed, Counts, GRADES, Histogram, LoopSlot, RefusalReason,
    RoleState, SESSION_END_REASONS, Scoreboard, TestOutcome, grade_name, session_end_name,
};

/// The scoreboard at the time of one request.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) scoreboard: Scoreboard,
    pub(super) node_name: String,
    pub(super) now: Instant,
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page {
            snapshot: self,
            encoder,
        };
        page.node()?;
        let (tls, acme) = (self.scoreboard.tls(), self.scoreboard.acme());
        certificate::encode(tls, acme, &mut page.encoder)?;
        page.loads()?;
        page.tests()?;
        page.ends()?;
        page.log()?;
        page.histograms()?;
        page.processes()
    }
}

/// Writes one family after the other.
struct Page<'a, 'e> {
    snapshot: &'a Snapshot,
    encoder: DescriptorEncoder<'e>,
}

type Gauges = [(&'static str, &'static str, fn(&LoopSlot) -> u64); 5];
type Counters = [(
    &'static str,
    &'static str,
    Option<Unit>,
    fn(&LoopSlot) -> u64,
); 7];

impl Page<'_, '_> {
    fn node(&mut self) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("node", self.snapshot.node_name.as_str()),
        ];
        self.encoder
            .encode_descriptor(
                "node",
                "Version and name of this node",
                None,
                MetricType::Info,
            )?
            .encode_info(&labels)?;
        let uptime_s = (self.snapshot.now - board.started_at()).as_secs_f64();
        self.encoder
            .encode_descriptor(
                "uptime",
                "Since the node started",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?
            .encode_gauge(&uptime_s)?;
        self.encoder
            .encode_descriptor("tests", "Tests that run", None, MetricType::Gauge)?
            .encode_gauge(&board.tests().live_tests())
    }

    fn loads(&mut self) -> fmt::Result {
        let gauges: Gauges = [
            ("sessions", "Profile sessions that are open", |slot| {
                slot.sessions.value()
            }),
            ("connections", "Connections that are open", |slot| {
                slot.connections.value()
            }),
            (
                "flows_down",
                "Load flows to clients that are open",
                |slot| slot.flows_down.value(),
            ),
            (
                "flows_up",
                "Load flows from clients that are open",
                |slot| slot.flows_up.value(),
            ),
            ("probes", "Probe connections that are open", |slot| {
                slot.probes.value()
            }),
        ];
        for (name, help, figure) in gauges {
            self.by_role(name, help, None, MetricType::Gauge, |metric, sum| {
                metric.encode_gauge(&sum(figure))
            })?;
        }
        let counters: Counters = [
            (
                "sent",
                "Sent, headers included",
                Some(Unit::Bytes),
                LoopSlot::sent_bytes,
            ),
            (
                "received",
                "Received, headers included",
                Some(Unit::Bytes),
                LoopSlot::received_bytes,
            ),
            (
                "connections_accepted",
                "Connections accepted",
                None,
                |slot| slot.accepted.value(),
            ),
            (
                "accept_failures",
                "Connections that could not be accepted for want of descriptors or memory",
                None,
                |slot| slot.accept_failures.value(),
            ),
            ("sessions_begun", "Profile sessions begun", None, |slot| {
                slot.sessions_begun.value()
            }),
            ("echoes", "Probes answered", None, |slot| {
                slot.echoes.value()
            }),
            ("loop_turns", "Turns of the event loops", None, |slot| {
                slot.turns.value()
            }),
        ];
        for (name, help, unit, figure) in counters {
            self.by_role(name, help, unit, MetricType::Counter, |metric, sum| {
                count(metric, sum(figure))
            })?;
        }
        Ok(())
    }

    /// One family with a line for each role; `write` gets a way to sum a figure over the role's loops.
    fn by_role(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        kind: MetricType,
        write: impl Fn(&mut MetricEncoder<'_>, &dyn Fn(fn(&LoopSlot) -> u64) -> u64) -> fmt::Result,
    ) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let mut family = self
            .encoder
            .encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (index, role) in roles(board) {
            let sum = |figure: fn(&LoopSlot) -> u64| {
                board.loops_of(index).map(|(_, slot)| figure(slot)).sum()
            };
            write(&mut family.encode_family(&[("role", role)])?, &sum)?;
        }
        Ok(())
    }

    fn tests(&mut self) -> fmt::Result {
        self.by_label(
            ("tests_ended", "Tests that ended, by how"),
            "outcome",
            TestOutcome::ALL.map(|outcome| {
                (outcome.name(), move |slot: &LoopSlot| {
                    slot.tests_ended(outcome)
                })
            }),
        )?;
        self.by_label(
            ("tests_graded", "Tests with a report, by total grade"),
            "grade",
            GRADES.map(|grade| {
                (grade_name(grade), move |slot: &LoopSlot| {
                    slot.tests_graded(grade)
                })
            }),
        )?;
        self.by_label(
            (
                "tests_refused",
                "Tests that were not admitted, by the limit that was reached",
            ),
            "reason",
            RefusalReason::ALL.map(|reason| {
                (reason.name(), move |slot: &LoopSlot| {
                    slot.tests_refused(reason)
                })
            }),
        )
    }

    /// One counter of the whole node with a line for each value of `label`.
    fn by_label<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        label: &str,
        values: [(&str, impl Fn(&LoopSlot) -> u64); N],
    ) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, figure) in values {
            count(
                &mut family.encode_family(&[(label, value)])?,
                board.total(figure),
            )?;
        }
        Ok(())
    }

    fn log(&mut self) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let mut family = self.encoder.encode_descriptor(
            "log_lines_dropped",
            "Lines of the log that were dropped because its reader was too slow",
            None,
            MetricType::Counter,
        )?;
        let supervisor = board.supervisor_log_lines_dropped().value();
        count(
            &mut family.encode_family(&[("process", "supervisor")])?,
            supervisor,
        )?;
        for (index, process) in board.processes().iter().enumerate() {
            if process.is_used() {
                let own = board.loops().iter();
                let own = own.filter(|slot| slot.role().is_some() && slot.process() == index);
                let dropped = own.map(|slot| slot.log_lines_dropped.value()).sum();
                count(
                    &mut family.encode_family(&[("process", process.name())])?,
                    dropped,
                )?;
            }
        }
        Ok(())
    }

    fn ends(&mut self) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let mut closed = self.encoder.encode_descriptor(
            "connections_closed",
            "Connections that ended, by reason",
            None,
            MetricType::Counter,
        )?;
        for (index, role) in roles(board) {
            for reason in Closed::ALL {
                let sum: u64 = board
                    .loops_of(index)
                    .map(|(_, slot)| slot.closed(reason))
                    .sum();
                let labels = [("role", role.as_str()), ("reason", reason.name())];
                count(&mut closed.encode_family(&labels)?, sum)?;
            }
        }
        let mut ended = self.encoder.encode_descriptor(
            "sessions_ended",
            "Profile sessions that ended, by reason",
            None,
            MetricType::Counter,
        )?;
        for (index, role) in roles(board) {
            for reason in SESSION_END_REASONS {
                let ends = board
                    .loops_of(index)
                    .map(|(_, slot)| slot.sessions_ended(reason));
                let labels = [
                    ("role", role.as_str()),
                    ("reason", session_end_name(reason)),
                ];
                count(&mut ended.encode_family(&labels)?, ends.sum())?;
            }
        }
        Ok(())
    }

    fn histograms(&mut self) -> fmt::Result {
        self.histogram(
            "loop_lag",
            "How late the loops come to what is due",
            |slot| slot.lag.all(),
        )?;
        self.histogram(
            "echo_turnaround",
            "From a probe's arrival to its echo's departure",
            |slot| slot.echo_turnaround.all(),
        )?;
        self.histogram(
            "accept_to_first_byte",
            "From a connection's acceptance to the first byte that went out on it; the client's wait before its request included",
            |slot| &slot.first_byte,
        )
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        of: fn(&LoopSlot) -> &Histogram,
    ) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let mut family = self.encoder.encode_descriptor(
            name,
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (index, role) in roles(board) {
            let mut counts = Counts::default();
            let mut sum_us = 0;
            for (_, slot) in board.loops_of(index) {
                counts.add(&of(slot).total());
                sum_us += of(slot).sum_us();
            }
            let buckets: [(f64, u64); BUCKETS] = std::array::from_fn(|bucket| {
                // What is above the last bound counts in the last bucket, too.
                let bound_s = match bucket {
                    last if last == BUCKETS - 1 => f64::INFINITY,
                    bucket => seconds(BUCKET_BOUNDS_US[bucket]),
                };
                (bound_s, counts.buckets[bucket])
            });
            family
                .encode_family(&[("role", role)])?
                .encode_histogram::<NoLabelSet>(seconds(sum_us), counts.count(), &buckets, None)?;
        }
        Ok(())
    }

    fn processes(&mut self) -> fmt::Result {
        let board = &self.snapshot.scoreboard;
        let processes = || board.processes().iter().filter(|process| process.is_used());
        let mut up = self.encoder.encode_descriptor(
            "process_up",
            "Whether the process serves",
            None,
            MetricType::Gauge,
        )?;
        for process in processes() {
            let is_up = process.state() == RoleState::Healthy;
            gauge(&mut up, &[("process", process.name())], &u32::from(is_up))?;
        }
        let mut restarts = self.encoder.encode_descriptor(
            "process_restarts",
            "How many times the process was started again",
            None,
            MetricType::Counter,
        )?;
        for process in processes() {
            let labels = [("process", process.name())];
            count(&mut restarts.encode_family(&labels)?, process.restarts())?;
        }
        let mut beats = self.encoder.encode_descriptor(
            "process_heartbeat_age",
            "Age of the oldest heartbeat of the process's loops",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (index, process) in board.processes().iter().enumerate() {
            let loops = board.loops().iter();
            let own = loops.filter(|slot| slot.role().is_some() && slot.process() == index);
            // A loop that has not beaten yet has no age, and neither has its process.
            if let Some(beat) = own.map(LoopSlot::heartbeat).min().flatten() {
                let age_s = self.snapshot.now.saturating_since(beat).as_secs_f64();
                gauge(&mut beats, &[("process", process.name())], &age_s)?;
            }
        }
        let mut states = self.encoder.encode_descriptor(
            "role_up",
            "Whether any process of the role serves",
            None,
            MetricType::Gauge,
        )?;
        for (index, role) in roles(board) {
            let is_up = board.roles()[index].state() == RoleState::Healthy;
            gauge(&mut states, &[("role", role)], &u32::from(is_up))?;
        }
        Ok(())
    }
}

fn roles(board: &Scoreboard) -> impl Iterator<Item = (usize, String)> {
    let roles = board.roles().iter().enumerate();
    roles
        .filter(|(_, role)| role.is_used())
        .map(|(index, role)| (index, role.name()))
}

fn gauge(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    family.encode_family(labels)?.encode_gauge(value)
}

fn count(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use protocol::message::report::Grade;

    use super::*;
    use crate::server::scoreboard::CertificateSource;

    fn at(second: u64) -> Instant {
        Instant::from_micros(second * 1_000_000)
    }

    fn text() -> String {
        let board = Scoreboard::create(at(1), 0).unwrap();
        board.roles()[0].assign("main", 8000);
        board.processes()[0].assign("main", [0]);
        board.loops()[0].assign(0, 0);
        board.set_process_state(0, RoleState::Healthy);
        let slot = &board.loops()[0];
        slot.beat(at(9));
        board.tls().set_installed(5, 6, CertificateSource::Files);
        board.tls().set_failed("mismatch");
        board.acme().set_used();
        board.acme().set_begun(9);
        board.acme().set_failed(8, "refused");
        slot.count_bytes(at(9), 5, 7);
        slot.count_closed(Closed::Finished);
        slot.count_test_ended(TestOutcome::Reported);
        slot.count_test_graded(Some(Grade::APlus));
        slot.count_test_refused(RefusalReason::AddressFull);
        slot.log_lines_dropped.add(3);
        slot.first_byte.record_us(1_100);
        for us in [60, 400, 60_000_000] {
            slot.lag.record_us(at(9), us);
        }
        super::super::expose(Snapshot {
            scoreboard: board,
            node_name: "n \"1\"".to_owned(),
            now: at(10),
        })
        .unwrap()
    }

    #[test]
    fn names_end_in_their_units_and_the_text_in_eof() {
        let text = text();
        for line in [
            "bufferbloatd_uptime_seconds 9.0",
            "# UNIT bufferbloatd_sent_bytes bytes",
            "bufferbloatd_sent_bytes_total{role=\"main\"} 7",
            "bufferbloatd_received_bytes_total{role=\"main\"} 5",
            "bufferbloatd_connections_closed_total{role=\"main\",reason=\"finished\"} 1",
            "bufferbloatd_sessions_ended_total{role=\"main\",reason=\"peer_stalled\"} 0",
            "bufferbloatd_tests_ended_total{outcome=\"reported\"} 1",
            "bufferbloatd_tests_graded_total{grade=\"A+\"} 1",
            "bufferbloatd_tests_refused_total{reason=\"address_full\"} 1",
            "bufferbloatd_log_lines_dropped_total{process=\"main\"} 3",
            "bufferbloatd_log_lines_dropped_total{process=\"supervisor\"} 0",
            "bufferbloatd_accept_to_first_byte_seconds_sum{role=\"main\"} 0.0011",
            "bufferbloatd_process_up{process=\"main\"} 1",
            "bufferbloatd_process_restarts_total{process=\"main\"} 0",
            "bufferbloatd_process_heartbeat_age_seconds{process=\"main\"} 1.0",
            "bufferbloatd_role_up{role=\"main\"} 1",
            "bufferbloatd_tls_certificate_not_after_timestamp_seconds 6.0",
            "bufferbloatd_tls_certificate_source{source=\"acme\"} 0",
            "bufferbloatd_tls_certificate_source{source=\"files\"} 1",
            "bufferbloatd_acme_failures_total 1",
            "bufferbloatd_acme_failures_in_a_row 1",
            "bufferbloatd_acme_last_failure_timestamp_seconds 8.0",
            "bufferbloatd_acme_next_attempt_timestamp_seconds 9.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("node=\"n \\\"1\\\"\""), "{text}");
    }

    #[test]
    fn a_histogram_counts_up_to_infinity() {
        let text = text();
        for line in [
            "bufferbloatd_loop_lag_seconds_count{role=\"main\"} 3",
            "bufferbloatd_loop_lag_seconds_bucket{le=\"0.00005\",role=\"main\"} 0",
            "bufferbloatd_loop_lag_seconds_bucket{le=\"0.00007\",role=\"main\"} 1",
            "bufferbloatd_loop_lag_seconds_bucket{le=\"1.0\",role=\"main\"} 2",
            "bufferbloatd_loop_lag_seconds_bucket{le=\"+Inf\",role=\"main\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}

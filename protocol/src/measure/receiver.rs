//! What a receiver of traffic messages derives from them: rate, delay, jitter, lateness and loss, as they come.
//!
//! One implementation for both ends: the node feeds it what a session sends up, the report feeds it the samples of what
//! came down. Bounded: however many messages come, so many delays are kept.

use super::statistics::Sorted;
use crate::limits::{PROFILE_FLOWS_MAX, RECEIVER_DELAYS_MAX};
use crate::message::profile::{DelayStats, ExperienceModel, ReceivedStats, TrafficHeader};

/// A game's message that is later than this above the idle delay is of no use: players of fast games do measurably worse
/// from 100 ms on (Claypool and Claypool, "Latency and player actions in online games", CACM 49(11), 2006).
pub const GAME_LATE_US: u32 = 100_000;
/// What a call's jitter buffer holds back.
pub const JITTER_BUFFER_US: u32 = 60_000;
/// A jitter buffer follows a delay that stays: it counts from the least delay of the last one to two of these.
const RECENT_US: u64 = 1_000_000;

/// Since when a message counts as late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateRule {
    /// So many µs above the least delay ever seen.
    AboveIdle(u32),
    /// So many µs above the least delay of the last second or two.
    AboveRecent(u32),
    /// Never: only the rate matters.
    Never,
}

impl LateRule {
    /// The rule of a model.
    #[must_use]
    pub const fn of(model: ExperienceModel) -> Self {
        match model {
            ExperienceModel::Gaming => Self::AboveIdle(GAME_LATE_US),
            ExperienceModel::Call => Self::AboveRecent(JITTER_BUFFER_US),
            ExperienceModel::Streaming | ExperienceModel::Bulk => Self::Never,
        }
    }
}

/// The receiving end of one session.
#[derive(Clone, Debug)]
pub struct SessionReceiver {
    rule: LateRule,
    flows: [Option<FlowState>; PROFILE_FLOWS_MAX],
    /// Least transit, µs; the clocks' offset is in it.
    floor_us: Option<i64>,
    /// Whether it was given, and is not to be lowered by what comes.
    floor_is_known: bool,
    recent: RecentFloor,
    received_bytes: u64,
    messages: u64,
    late: u64,
    lost: u64,
    since_start: Stretch,
    since_stats: Stretch,
}

/// What is kept of a stretch of time.
#[derive(Clone, Debug)]
struct Stretch {
    from_us: u64,
    bytes: u64,
    delays: Delays,
}

#[derive(Clone, Copy, Debug)]
struct FlowState {
    expected: u32,
    transit_us: i64,
    /// RFC 3550's estimate.
    jitter_us: f64,
    step_sum_us: f64,
    steps: u64,
}

impl SessionReceiver {
    /// A receiver that starts at `now_us` and finds the least delay by itself.
    #[must_use]
    pub fn new(now_us: u64, rule: LateRule) -> Self {
        let stretch = Stretch {
            from_us: now_us,
            bytes: 0,
            delays: Delays::default(),
        };
        Self {
            rule,
            flows: [None; PROFILE_FLOWS_MAX],
            floor_us: None,
            floor_is_known: false,
            recent: RecentFloor::default(),
            received_bytes: 0,
            messages: 0,
            late: 0,
            lost: 0,
            since_start: stretch.clone(),
            since_stats: stretch,
        }
    }

    /// Takes a message of `bytes` that arrived at `now_us` on the receiver's clock. A flow that no profile can have is
    /// counted by its bytes alone.
    pub fn handle(&mut self, now_us: u64, header: TrafficHeader, bytes: u32) {
        let transit_us = i128::from(now_us) - i128::from(header.send_us);
        let transit_us =
            i64::try_from(transit_us).unwrap_or(if transit_us < 0 { i64::MIN } else { i64::MAX });
        self.handle_transit(now_us, header.flow, header.sequence, transit_us, bytes);
    }

    /// A receiver whose transits are already above the known idle delay. Noise below zero is zero.
    pub(super) fn above_idle(now_us: u64, rule: LateRule) -> Self {
        Self {
            floor_us: Some(0),
            floor_is_known: true,
            ..Self::new(now_us, rule)
        }
    }

    /// The same with the transit known: received − sent, with whatever offset the two clocks have.
    pub(super) fn handle_transit(
        &mut self,
        now_us: u64,
        flow: u8,
        sequence: u32,
        transit_us: i64,
        bytes: u32,
    ) {
        self.received_bytes += u64::from(bytes);
        self.since_start.bytes += u64::from(bytes);
        self.since_stats.bytes += u64::from(bytes);
        let Some(state) = self.flows.get_mut(usize::from(flow)) else {
            return;
        };
        self.messages += 1;
        match state {
            Some(state) => {
                let gap = sequence.wrapping_sub(state.expected);
                // Half the number space ahead is a gap; the other half is a message that was counted as lost.
                if gap < 1 << 31 {
                    self.lost += u64::from(gap);
                    state.expected = sequence.wrapping_add(1);
                } else {
                    self.lost = self.lost.saturating_sub(1);
                }
                state.step_to(transit_us);
            }
            None => *state = Some(FlowState::first(sequence, transit_us)),
        }
        self.handle_delay(now_us, transit_us);
    }

    /// What was derived since the last call, and the counts since the start.
    pub fn take_stats(&mut self, now_us: u64) -> ReceivedStats {
        let stats = self.stats(now_us, &self.since_stats);
        self.since_stats.from_us = now_us;
        self.since_stats.bytes = 0;
        self.since_stats.delays.clear();
        stats
    }

    /// The same over the whole session.
    #[must_use]
    pub fn totals(&self, now_us: u64) -> ReceivedStats {
        self.stats(now_us, &self.since_start)
    }

    /// Mean absolute difference of the delays of consecutive messages, of the flow where it is largest, µs.
    #[must_use]
    pub fn mean_jitter_us(&self) -> Option<f64> {
        self.flows
            .iter()
            .flatten()
            .filter(|flow| flow.steps > 0)
            .map(|flow| flow.step_sum_us / flow.steps as f64)
            .max_by(f64::total_cmp)
    }

    fn handle_delay(&mut self, now_us: u64, transit_us: i64) {
        let floor_us = match self.floor_us {
            Some(floor_us) if self.floor_is_known => floor_us,
            Some(floor_us) => floor_us.min(transit_us),
            None => transit_us,
        };
        self.floor_us = Some(floor_us);
        let recent_us = self.recent.lowered_by(now_us, transit_us);
        let above = |floor_us: i64| {
            u32::try_from(transit_us.saturating_sub(floor_us).max(0)).unwrap_or(u32::MAX)
        };
        let is_late = match self.rule {
            LateRule::AboveIdle(late_us) => above(floor_us) > late_us,
            LateRule::AboveRecent(late_us) => above(recent_us) > late_us,
            LateRule::Never => false,
        };
        self.late += u64::from(is_late);
        self.since_start.delays.push(above(floor_us));
        self.since_stats.delays.push(above(floor_us));
    }

    fn stats(&self, now_us: u64, stretch: &Stretch) -> ReceivedStats {
        let elapsed_us = now_us.saturating_sub(stretch.from_us);
        ReceivedStats {
            received_bytes: self.received_bytes,
            messages: self.messages,
            late: self.late,
            lost: self.lost,
            delay_us: stretch.delays.stats(),
            jitter_us: self
                .flows
                .iter()
                .flatten()
                .filter(|flow| flow.steps > 0)
                .map(|flow| flow.jitter_us)
                .max_by(f64::total_cmp),
            goodput_mbps: (elapsed_us > 0).then(|| stretch.bytes as f64 * 8.0 / elapsed_us as f64),
        }
    }
}

impl FlowState {
    const fn first(sequence: u32, transit_us: i64) -> Self {
        Self {
            expected: sequence.wrapping_add(1),
            transit_us,
            jitter_us: 0.0,
            step_sum_us: 0.0,
            steps: 0,
        }
    }

    /// RFC 3550, 6.4.1: J += (|D| − J) ÷ 16, where D is the difference of two messages' transits.
    fn step_to(&mut self, transit_us: i64) {
        let step_us = transit_us.abs_diff(self.transit_us) as f64;
        self.jitter_us += (step_us - self.jitter_us) / 16.0;
        self.step_sum_us += step_us;
        self.steps += 1;
        self.transit_us = transit_us;
    }
}

/// The least transit of the last one to two [`RECENT_US`]: of this stretch and of the one before it.
#[derive(Clone, Copy, Debug, Default)]
struct RecentFloor {
    from_us: u64,
    this_us: Option<i64>,
    before_us: Option<i64>,
}

impl RecentFloor {
    fn lowered_by(&mut self, now_us: u64, transit_us: i64) -> i64 {
        if self.this_us.is_none() || now_us.saturating_sub(self.from_us) >= RECENT_US {
            self.from_us = now_us;
            self.before_us = self.this_us.take();
        }
        let this_us = self.this_us.map_or(transit_us, |this| this.min(transit_us));
        self.this_us = Some(this_us);
        self.before_us.map_or(this_us, |before| before.min(this_us))
    }
}

/// Delays of which, when there are too many, every second is kept, then every fourth, and so on: evenly spread over the
/// stretch, so that percentiles stay those of all of it.
#[derive(Clone, Debug, Default)]
struct Delays {
    kept_us: Vec<u32>,
    /// One in `2^skip_shift` is kept.
    skip_shift: u32,
    seen: u64,
}

impl Delays {
    fn push(&mut self, delay_us: u32) {
        if self.seen.is_multiple_of(1 << self.skip_shift) {
            if self.kept_us.len() == RECEIVER_DELAYS_MAX {
                let mut place = 0;
                self.kept_us.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.skip_shift += 1;
            }
            // After a thinning this one may not be in the new stride.
            if self.seen.is_multiple_of(1 << self.skip_shift) {
                self.kept_us.push(delay_us);
            }
        }
        self.seen += 1;
    }

    /// Keeps the buffer: the steady state allocates nothing.
    fn clear(&mut self) {
        self.kept_us.clear();
        self.skip_shift = 0;
        self.seen = 0;
    }

    fn stats(&self) -> Option<DelayStats> {
        let sorted = Sorted::new(self.kept_us.iter().copied().map(f64::from).collect())?;
        Some(DelayStats {
            p50: sorted.median(),
            p95: sorted.percentile(95.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages every 20 ms with these delays, from a sender whose clock is an hour ahead.
    fn receive(rule: LateRule, delays_us: &[u64]) -> SessionReceiver {
        let mut receiver = SessionReceiver::new(0, rule);
        for (sequence, delay_us) in delays_us.iter().enumerate() {
            let sent_us = sequence as u64 * 20_000;
            let header = TrafficHeader {
                flow: 0,
                flags: 0,
                sequence: sequence as u32,
                send_us: sent_us + 3_600_000_000,
            };
            receiver.handle(sent_us + delay_us, header, 1_000);
        }
        receiver
    }

    #[test]
    fn delay_counts_from_the_least_seen_whatever_the_clocks_say() {
        let receiver = receive(LateRule::Never, &[10_000, 12_000, 14_000, 11_000, 13_000]);
        let totals = receiver.totals(100_000);
        assert_eq!(
            totals.delay_us,
            Some(DelayStats {
                p50: 2_000.0,
                p95: 3_800.0
            })
        );
        assert_eq!((totals.messages, totals.received_bytes), (5, 5_000));
        assert_eq!(totals.goodput_mbps, Some(0.4));
        assert_eq!(receiver.mean_jitter_us(), Some(9_000.0 / 4.0));
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        // D = 16 ms once: J = 1 ms; then 0: J = 15/16 ms.
        let receiver = receive(LateRule::Never, &[10_000, 26_000, 26_000]);
        assert_eq!(receiver.totals(1).jitter_us, Some(1_000.0 * 15.0 / 16.0));
    }

    #[test]
    fn a_standing_queue_is_late_for_a_game_and_early_enough_for_a_jitter_buffer() {
        let mut delays_us = vec![10_000; 100];
        delays_us.extend([150_000; 200]);
        let game = receive(LateRule::of(ExperienceModel::Gaming), &delays_us);
        assert_eq!(game.totals(1).late, 200);
        // The buffer follows within two seconds: 100 messages.
        let call = receive(LateRule::of(ExperienceModel::Call), &delays_us);
        assert!(
            (45..=100).contains(&call.totals(1).late),
            "{}",
            call.totals(1).late
        );
    }

    #[test]
    fn a_gap_is_lost_and_what_comes_after_all_is_not() {
        let mut receiver = SessionReceiver::new(0, LateRule::Never);
        let mut handle = |sequence| {
            let header = TrafficHeader {
                flow: 2,
                flags: 0,
                sequence,
                send_us: 0,
            };
            receiver.handle(5, header, 16);
            receiver.totals(5).lost
        };
        assert_eq!(handle(u32::MAX), 0);
        assert_eq!(handle(0), 0, "the count wraps");
        assert_eq!(handle(4), 3);
        assert_eq!(handle(2), 2);
        assert_eq!(handle(5), 2);
    }

    #[test]
    fn an_unknown_flow_is_counted_by_its_bytes() {
        let mut receiver = SessionReceiver::new(0, LateRule::Never);
        let header = TrafficHeader {
            flow: 200,
            flags: 0,
            sequence: 9,
            send_us: u64::MAX,
        };
        receiver.handle(5, header, 16);
        let stats = receiver.take_stats(10);
        assert_eq!((stats.received_bytes, stats.messages), (16, 0));
        assert_eq!(stats.delay_us, None);
    }

    #[test]
    fn stats_are_of_the_time_since_the_last_ones() {
        let mut receiver = receive(LateRule::Never, &[10_000, 30_000]);
        assert_eq!(
            receiver.take_stats(100_000).delay_us.map(|d| d.p50),
            Some(10_000.0)
        );
        let stats = receiver.take_stats(200_000);
        assert_eq!((stats.delay_us, stats.goodput_mbps), (None, Some(0.0)));
        assert_eq!(stats.received_bytes, 2_000);
    }

    #[test]
    fn however_many_messages_come_the_delays_kept_are_bounded_and_spread() {
        let mut delays = Delays::default();
        for delay_us in 0..100_000 {
            delays.push(delay_us);
        }
        assert!(delays.kept_us.len() <= RECEIVER_DELAYS_MAX);
        let stats = delays.stats().expect("delays");
        assert!((stats.p50 - 50_000.0).abs() < 100.0, "{stats:?}");
        assert!((stats.p95 - 95_000.0).abs() < 100.0, "{stats:?}");
    }
}

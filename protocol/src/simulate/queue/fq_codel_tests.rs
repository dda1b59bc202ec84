//! FQ-CoDel against RFC 8290: turns, new flows, meeting flows and the limit.

use std::collections::VecDeque;
use std::time::Duration;

use super::{FqCoDel, FqCoDelConfig, Packet};
use crate::simulate::link::{Link, LinkConfig};
use crate::simulate::queue::{CoDelConfig, QueueConfig};
use crate::simulate::random::Random;
use crate::time::Instant;

fn packet(flow: u64, bytes: u32) -> Packet<u64> {
    Packet {
        bytes,
        flow,
        payload: flow,
    }
}

/// Takes everything that is queued, all at once: the flows in the order of their packets.
fn order(queue: &mut FqCoDel<u64>) -> Vec<u64> {
    let mut dropped = VecDeque::new();
    let flows = std::iter::from_fn(|| queue.dequeue(Instant::ORIGIN, &mut dropped))
        .map(|queued| queued.packet.flow)
        .collect();
    assert!(dropped.is_empty());
    flows
}

#[test]
fn flows_take_turns_of_a_quantum() {
    let mut queue = FqCoDel::new(FqCoDelConfig::RFC, 1);
    let mut dropped = VecDeque::new();
    // One of full frames, and one of packets of a third of the quantum: it sends three in its turn, and a fourth because
    // its credit is not used up yet.
    for _ in 0..4 {
        queue.enqueue(Instant::ORIGIN, packet(1, 1_514), &mut dropped);
    }
    for _ in 0..7 {
        queue.enqueue(Instant::ORIGIN, packet(2, 504), &mut dropped);
    }
    assert_eq!(order(&mut queue), [1, 2, 2, 2, 2, 1, 2, 2, 2, 1, 1]);
}

#[test]
fn a_new_flow_goes_first_but_only_once() {
    let mut queue = FqCoDel::new(FqCoDelConfig::RFC, 1);
    let mut dropped = VecDeque::new();
    for flow in [1, 1, 1, 2, 2, 2] {
        queue.enqueue(Instant::ORIGIN, packet(flow, 1_514), &mut dropped);
    }
    let mut next = |queue: &mut FqCoDel<u64>| {
        let queued = queue.dequeue(Instant::ORIGIN, &mut dropped);
        queued.map(|queued| queued.packet.flow)
    };
    assert_eq!([next(&mut queue), next(&mut queue)], [Some(1), Some(2)]);
    let mut nothing = VecDeque::new();
    queue.enqueue(Instant::ORIGIN, packet(3, 100), &mut nothing);
    assert_eq!(next(&mut queue), Some(3), "before the two that have waited");
    assert_eq!(next(&mut queue), Some(1));
    // It comes back at once; emptied as a new flow, it has its turn behind the old ones (RFC 8290, 4.2).
    queue.enqueue(Instant::ORIGIN, packet(3, 100), &mut nothing);
    let rest: Vec<_> = std::iter::from_fn(|| next(&mut queue)).collect();
    assert_eq!(rest, [2, 3, 1, 2]);
}

#[test]
fn flows_that_meet_in_a_queue_share_its_turns() {
    let config = FqCoDelConfig {
        flows: 1,
        ..FqCoDelConfig::RFC
    };
    let mut queue = FqCoDel::new(config, 1);
    let mut dropped = VecDeque::new();
    for flow in [1, 1, 1, 2] {
        queue.enqueue(Instant::ORIGIN, packet(flow, 1_514), &mut dropped);
    }
    assert_eq!(order(&mut queue), [1, 1, 1, 2], "first in, first out");
}

#[test]
fn flows_spread_over_the_queues_and_a_seed_moves_them() {
    let places = |seed| -> Vec<usize> {
        let queue = FqCoDel::<()>::new(FqCoDelConfig::RFC, seed);
        (0..100).map(|flow| queue.queue_of(flow)).collect()
    };
    let (one, two) = (places(1), places(2));
    let mut distinct = one.clone();
    distinct.sort_unstable();
    distinct.dedup();
    // A hundred balls in 1 024 bins: 95.3 bins on average.
    assert!((85..=100).contains(&distinct.len()), "{}", distinct.len());
    assert!(one.iter().zip(&two).filter(|(a, b)| a == b).count() < 5);
}

#[test]
fn over_the_limit_a_batch_of_the_longest_queues_head_goes() {
    let config = FqCoDelConfig {
        limit_packets: 200,
        ..FqCoDelConfig::RFC
    };
    let mut queue = FqCoDel::new(config, 1);
    let mut dropped = VecDeque::new();
    for flow in 2..12 {
        queue.enqueue(Instant::ORIGIN, packet(flow, 1_514), &mut dropped);
    }
    for number in 0..191 {
        let packet = Packet {
            bytes: 1_514,
            flow: 1,
            payload: 1_000 + number,
        };
        queue.enqueue(Instant::ORIGIN, packet, &mut dropped);
    }
    let gone: Vec<u64> = dropped.iter().map(|packet| packet.payload).collect();
    assert_eq!(gone, (1_000..1_064).collect::<Vec<_>>());
    assert_eq!(queue.queued_bytes(), (201 - 64) * 1_514);
    assert_eq!(order(&mut queue).len(), 201 - 64);
}

/// A flood of 1.5 times a rate of 50 Mbit/s in one flow, and beside it a packet of 100 bytes every 20 ms in another: the
/// longest wait of the latter, in ms.
fn sparse_wait_ms(queue: QueueConfig) -> f64 {
    let mut link = Link::new(LinkConfig {
        queue,
        ..LinkConfig::drop_tail(50_000_000, Duration::ZERO, Duration::ZERO)
    });
    let mut random = Random::new(4);
    let mut sent_at = Instant::ORIGIN;
    let mut longest = Duration::ZERO;
    let mut flood_at = Instant::ORIGIN;
    for tick in 0..100_000_u64 {
        let now = Instant::from_micros(tick * 50);
        if flood_at <= now {
            let _ = link.send(now, packet(1, 1_514));
            flood_at = flood_at + Duration::from_micros(110 + random.below(100));
        }
        if tick % 400 == 0 {
            sent_at = now;
            link.send(now, packet(2, 100)).expect("no drop for it");
        }
        while let Some((arrival, flow)) = link.poll_arrival(now) {
            if flow == 2 && tick > 20_000 {
                longest = longest.max(arrival - sent_at);
            }
        }
        while let Some(loss) = link.poll_loss() {
            assert_eq!(loss.into_payload(), 1, "only the flood loses packets");
        }
    }
    longest.as_secs_f64() * 1e3
}

#[test]
fn a_sparse_flow_waits_for_one_packet_of_the_flood() {
    let wait_ms = sparse_wait_ms(QueueConfig::FqCoDel(FqCoDelConfig::RFC));
    // A frame takes 0.24 ms at 50 Mbit/s; the sparse packet itself and the tick of this test are added.
    assert!(wait_ms > 0.0 && wait_ms < 0.35, "{wait_ms} ms");
}

#[test]
fn without_flow_queues_a_sparse_flow_waits_as_long_as_the_flood() {
    // One queue for all: CoDel alone can't hold back a flow that does not answer to drops.
    let config = CoDelConfig {
        limit_packets: 400,
        ..CoDelConfig::RFC
    };
    let mut link = Link::new(LinkConfig {
        queue: QueueConfig::CoDel(config),
        ..LinkConfig::drop_tail(50_000_000, Duration::ZERO, Duration::ZERO)
    });
    link.keep_departures();
    for tick in 0..50_000_u64 {
        let now = Instant::from_micros(tick * 100);
        let _ = link.send(now, packet(1, 1_514));
        while link.poll(now).is_some() {}
        while link.poll_loss().is_some() {}
    }
    let waits: Vec<Duration> = std::iter::from_fn(|| link.poll_departure())
        .map(|departure| departure.queueing_delay)
        .collect();
    let last = waits[waits.len() - 1];
    assert!(last > Duration::from_millis(50), "{last:?}");
}

//! The table's tests: admission, ends, reuse, and loops that race or die.

use proptest::prelude::*;

use super::super::flow_record::tests::record;
use super::*;
use crate::runtime::sys::shared_memory::SharedMapping;

const LIMITS: TestLimits = TestLimits {
    tests_max: 3,
    tests_per_address_max: 2,
    lifetime: Duration::from_secs(300),
};

fn table() -> SharedMapping<TestTable> {
    SharedMapping::create().unwrap()
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(1_000_000_000 + seconds * 1_000_000)
}

fn applicant(address_key: u64) -> Applicant<'static> {
    Applicant {
        address_key,
        address: None,
        client_name: "web",
        mode: Mode::Single,
    }
}

fn admit(table: &TestTable, now: Instant, id: u128, address: u64) -> Result<TestSeat, Refusal> {
    table.admit(now, TestId(id), applicant(address), LIMITS)
}

#[test]
fn an_admitted_test_is_found_by_its_id_until_a_minute_after_its_end() {
    let table = table();
    let seat = admit(&table, at(0), 77, 1).unwrap();
    assert_eq!(table.find(TestId(77)), Some(seat));
    assert_eq!(table.find(TestId(77 + 1024)), None);
    assert_eq!(table.facts(seat).unwrap().client_name, "web");
    assert_eq!(table.lifetime(seat), Some((at(0), at(300))));
    assert!(!table.is_ended(seat));
    assert!(table.end(at(5), seat));
    assert!(!table.end(at(6), seat));
    assert!(table.is_ended(seat));
    assert_eq!(table.ended_generation(), 1);
    table.sweep(at(64), |_| {});
    assert_eq!(table.find(TestId(77)), Some(seat));
    table.sweep(at(65), |_| {});
    assert_eq!(table.find(TestId(77)), None);
    assert!(table.is_ended(seat));
    assert_eq!(table.lifetime(seat), None);
}

#[test]
fn the_address_and_the_node_have_their_own_limits() {
    let table = table();
    admit(&table, at(0), 1, 10).unwrap();
    let second = admit(&table, at(1), 2, 10).unwrap();
    let refusal = admit(&table, at(20), 3, 10).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::AddressFull);
    assert_eq!(refusal.retry_after_s, 25);
    assert_eq!(refusal.queue_position, 1);
    admit(&table, at(20), 4, 20).unwrap();
    let refusal = admit(&table, at(21), 5, 30).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::NodeFull);
    assert_eq!(refusal.queue_position, 2);
    table.end(at(22), second);
    admit(&table, at(22), 5, 30).unwrap();
    assert_eq!(table.live_tests(), 3);
}

#[test]
fn an_expired_test_is_ended_by_the_sweep() {
    let table = table();
    let seat = admit(&table, at(0), 1, 10).unwrap();
    table.sweep(at(299), |_| {});
    assert!(!table.is_ended(seat));
    table.sweep(at(300), |_| {});
    assert!(table.is_ended(seat));
    assert_eq!(table.ended_generation(), 1);
}

#[test]
fn flows_and_bytes_are_summed_over_the_loops_and_die_with_their_loop() {
    let table = table();
    let seat = admit(&table, at(0), 1, 10).unwrap();
    table.flow_opened(seat, 0);
    table.flow_opened(seat, 0);
    table.flow_opened(seat, 127);
    table.add_bytes(seat, 0, 5, 1);
    table.add_bytes(seat, 127, 6, 2);
    table.flow_closed(seat, 0);
    assert_eq!(table.open_flows(seat), 2);
    assert_eq!(table.bytes(seat), (11, 3));
    assert!(table.has_served(seat, 127) && !table.has_served(seat, 1));
    table.release_loop(127);
    assert_eq!(table.open_flows(seat), 1);
    assert_eq!(table.bytes(seat), (11, 3));
}

#[test]
fn a_reused_row_starts_from_nothing_and_old_seats_do_nothing() {
    let table = table();
    let old = admit(&table, at(0), 1, 10).unwrap();
    table.flow_opened(old, 3);
    assert!(table.record_flow(old, record(5)));
    table.end(at(1), old);
    table.sweep(at(100), |_| {});
    let new = admit(&table, at(101), 1, 10).unwrap();
    assert_eq!(new.row, old.row);
    assert_ne!(new, old);
    assert_eq!(table.open_flows(new), 0);
    assert!(table.flow_records(new).is_empty());
    table.flow_opened(new, 3);
    table.flow_closed(old, 3);
    assert!(!table.record_flow(old, record(6)));
    assert!(!table.end(at(102), old));
    assert_eq!(table.open_flows(new), 1);
    assert!(table.flow_records(new).is_empty());
}

#[test]
fn a_test_keeps_as_many_records_as_it_has_places() {
    let table = table();
    let seat = admit(&table, at(0), 1, 10).unwrap();
    for index in 0..FLOW_RECORDS_MAX {
        assert!(table.record_flow(seat, record(index as u64)));
    }
    assert!(!table.record_flow(seat, record(1)));
    let records = table.flow_records(seat);
    assert_eq!(records.len(), FLOW_RECORDS_MAX);
    assert_eq!(records[63], record(63));
}

#[test]
fn a_running_flow_can_write_its_record_again() {
    let table = table();
    let seat = admit(&table, at(0), 1, 10).unwrap();
    let slot = table.claim_flow(seat).unwrap();
    assert!(table.flow_records(seat).is_empty());
    table.write_flow(slot, record(1));
    table.write_flow(slot, record(2));
    assert_eq!(table.flow_records(seat), vec![record(2)]);
}

#[test]
fn a_full_table_gives_up_the_test_that_has_been_over_longest() {
    let table = table();
    let limits = TestLimits {
        tests_max: 1024,
        tests_per_address_max: 1024,
        lifetime: Duration::from_secs(300),
    };
    for id in 0..TESTS_MAX as u128 {
        let now = at(u64::try_from(id).unwrap() / 100);
        let seat = table.admit(now, TestId(id), applicant(1), limits).unwrap();
        table.end(now, seat);
    }
    let newcomer = table
        .admit(at(20), TestId(5_000_000), applicant(1), limits)
        .unwrap();
    assert_eq!(table.find(TestId(5_000_000)), Some(newcomer));
    assert_eq!(table.find(TestId(0)), None);
    assert!(table.find(TestId(1_000)).is_some());
}

#[test]
fn a_claim_whose_process_was_killed_is_freed() {
    let table = table();
    let seat = table.claim(9, RowState::Free).unwrap();
    table.sweep(at(0), |_| {});
    table.sweep(at(4), |_| {});
    assert_eq!(table.heads[seat.row].word().state(), RowState::Claimed);
    table.sweep(at(5), |_| {});
    assert_eq!(table.heads[seat.row].word().state(), RowState::Free);
    let again = admit(&table, at(6), 9, 10).unwrap();
    assert_eq!(again.row, 9);
}

#[test]
fn two_loops_that_admit_at_once_never_exceed_the_limit() {
    let table = table();
    let limits = TestLimits {
        tests_max: 8,
        tests_per_address_max: 8,
        lifetime: Duration::from_secs(300),
    };
    let admitted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2_u128)
            .map(|thread| {
                let table = &table;
                scope.spawn(move || {
                    let mut admitted = 0;
                    for round in 0..3_000_u128 {
                        let id = TestId(thread << 64 | round);
                        if let Ok(seat) = table.admit(at(0), id, applicant(1), limits) {
                            admitted += 1;
                            assert!(table.live_tests() <= 8);
                            assert_eq!(table.find(id), Some(seat));
                            if round % 3 != 0 {
                                table.end(at(0), seat);
                            }
                        }
                    }
                    admitted
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<u32>()
    });
    assert!(admitted >= 8);
    assert_eq!(table.live_tests(), 8);
}

#[test]
fn a_test_id_is_thirty_two_lower_case_digits() {
    let id = TestId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
    assert_eq!(id.to_string(), "0123456789abcdef0011223344556677");
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in [
        "",
        "0123456789ABCDEF0011223344556677",
        "+123456789abcdef0011223344556677",
        "0123456789abcdef001122334455667",
        "0123456789abcdef00112233445566770",
    ] {
        assert_eq!(wrong.parse::<TestId>(), Err(NotATestId), "{wrong}");
    }
}

proptest! {
    /// Against a plain model: opens, closes, deaths of loops and ends, in any order.
    #[test]
    fn open_flows_are_what_the_live_loops_have_open(
        steps in proptest::collection::vec((0_u8..4, 0_usize..4), 0..200),
    ) {
        let table = table();
        let seat = admit(&table, at(0), 1, 10).unwrap();
        let mut open = [0_u32; 4];
        for (step, loop_index) in steps {
            match step {
                0 | 1 => {
                    table.flow_opened(seat, loop_index);
                    open[loop_index] += 1;
                }
                2 if open[loop_index] > 0 => {
                    table.flow_closed(seat, loop_index);
                    open[loop_index] -= 1;
                }
                2 => {}
                _ => {
                    table.release_loop(loop_index);
                    open[loop_index] = 0;
                }
            }
            prop_assert_eq!(table.open_flows(seat), open.iter().sum::<u32>());
        }
    }
}

// Everything a test has seen so far, and the display figures of the moment. Pure.
//
// The figures here are for watching; the result's are computed by the node from the same samples.

import type { Direction, FlowCountSample, NodeRttSample, ProbeSample } from "../protocol";
import { REPORT_PROBES_MAX } from "../protocol";
import type { AnsweredProbe, SentProbe } from "./messages";

/** The latency shown as "now" is the median of this long, µs. */
const NOW_WINDOW_US = 1_000_000;

/** One test's samples, in the order of sending. */
export class SampleLog {
  readonly probes: ProbeSample[] = [];
  readonly timerLate_us: number[] = [];
  readonly nodeRtt: NodeRttSample[] = [];
  readonly flowCounts: FlowCountSample[] = [];
  uploadBacklog_bytes_max = 0;

  /** Takes a batch of the probe worker's. */
  handleBatch(sent: readonly SentProbe[], answered: readonly AnsweredProbe[], nodeRtt: readonly NodeRttSample[]): void {
    for (const probe of sent) {
      if (this.probes.length >= REPORT_PROBES_MAX) break;
      this.probes.push({
        sequence: probe.sequence,
        sent_us: probe.sent_us,
        received_us: null,
        node_receive_us: null,
        node_send_us: null,
      });
      this.timerLate_us.push(Math.min(probe.late_us, 0xffff_ffff));
    }
    for (const answer of answered) {
      const probe = this.#find(answer.sequence);
      // The first answer counts; a second one to the same probe would be the node's mistake.
      if (probe !== undefined && probe.received_us === null) Object.assign(probe, answer);
    }
    this.nodeRtt.push(...nodeRtt);
  }

  /** Notes how many flows a direction has from now on. */
  noteFlows(at_us: number, direction: Direction, flows: number): void {
    this.flowCounts.push({ at_us: Math.max(0, at_us), direction, flows });
  }

  /** Probes not answered so far. */
  get unanswered(): number {
    return this.probes.reduce((count, probe) => count + (probe.received_us === null ? 1 : 0), 0);
  }

  /** Median round trip of the probes sent in [from_us, to_us) and answered, ms; `null` when there is none. */
  median_ms(from_us: number, to_us: number): number | null {
    const round_trips: number[] = [];
    // From the end: the interesting interval is nearly always the last second.
    for (let index = this.probes.length - 1; index >= 0; index -= 1) {
      const probe = this.probes[index];
      if (probe === undefined || probe.sent_us < from_us) break;
      const round_trip = roundTrip_ms(probe);
      if (probe.sent_us < to_us && round_trip !== null) round_trips.push(round_trip);
    }
    round_trips.sort((left, right) => left - right);
    const middle = round_trips.length / 2;
    if (round_trips.length === 0) return null;
    const high = round_trips[Math.floor(middle)] ?? 0;
    return Number.isInteger(middle) ? ((round_trips[middle - 1] ?? 0) + high) / 2 : high;
  }

  /**
   * What latency is like at `now_us`, ms. While the oldest unanswered probe has waited longer than the answered ones
   * took, its wait is the truth: with a full queue answers stop coming long before they come late.
   */
  now_ms(now_us: number): number | null {
    const median_ms = this.median_ms(now_us - NOW_WINDOW_US, now_us);
    const waiting = this.probes.find((probe) => probe.received_us === null && probe.sent_us >= now_us - 3 * NOW_WINDOW_US);
    const waiting_ms = waiting === undefined ? 0 : (now_us - waiting.sent_us) / 1000;
    if (median_ms === null) return waiting === undefined ? null : waiting_ms;
    return waiting_ms > 2 * median_ms + 150 ? waiting_ms : median_ms;
  }

  #find(sequence: number): ProbeSample | undefined {
    // Sequences count from 0 without gaps, except where a slot was given up (HTTP); then the probe sits a little earlier.
    for (let index = Math.min(sequence, this.probes.length - 1); index >= 0; index -= 1) {
      const probe = this.probes[index];
      if (probe === undefined || probe.sequence < sequence) return undefined;
      if (probe.sequence === sequence) return probe;
    }
    return undefined;
  }
}

/** Round trip less the time inside the node, ms; `null` when unanswered. */
export function roundTrip_ms(probe: ProbeSample): number | null {
  if (probe.received_us === null) return null;
  const inside_us = (probe.node_send_us ?? 0) - (probe.node_receive_us ?? 0);
  return Math.max(0, probe.received_us - probe.sent_us - inside_us) / 1000;
}

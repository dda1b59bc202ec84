// Everything one user's session has seen so far, as the report wants it, and the display figures of the moment. Pure.
//
// The figures here are for watching; the result's are computed by the node from the same samples.

import { BIN_US, GoodputBins } from "../measurement/goodput_bins";
import { roundTrip_ms, SampleLog } from "../measurement/samples";
import type { GoodputSample, MessageSample, ProfileDescription, ReceivedStats, SegmentSample, UserSamples } from "../protocol";
import type { UpCount, UserNotice } from "./messages";

/** Rates, latency and jitter shown as "now" are those of this long, µs. */
const NOW_WINDOW_US = 1_000_000;
/** Segments that a report may hold of one user. */
const SEGMENTS_MAX = 1_000;

/** See the module's head. */
export class UserLog {
  readonly profile: ProfileDescription;
  /** The probes of the user's own session. */
  readonly probes = new SampleLog();
  readonly bins = new GoodputBins();
  readonly messages: MessageSample[] = [];
  readonly segments: SegmentSample[] = [];
  readonly ups: UpCount[] = [];
  /** Mean demands, Mbit/s; raised in adaptive mode. */
  demand_down_mbps: number;
  readonly demand_up_mbps: number;
  /** When the traffic was started; `null` before. */
  started_us: number | null = null;
  backlog_bytes = 0;

  constructor(profile: ProfileDescription) {
    this.profile = profile;
    this.demand_down_mbps = profile.mean_down_mbps;
    this.demand_up_mbps = profile.mean_up_mbps;
  }

  /** Whether the session carries probes of its own; where not, those of the line count. */
  get hasOwnProbes(): boolean {
    return this.profile.model !== "bulk";
  }

  /** Takes a batch of the user's worker. */
  handleBatch(batch: Extract<UserNotice, { type: "batch" }>): void {
    this.bins.add("down", batch.bins);
    this.probes.handleBatch(batch.sent, batch.answered, []);
    this.messages.push(...batch.messages);
    this.segments.push(...batch.segments.slice(0, Math.max(0, SEGMENTS_MAX - this.segments.length)));
    this.ups.push(...batch.ups);
    this.backlog_bytes = batch.backlog_bytes;
  }

  /** Received by the user over the last second, Mbit/s. */
  down_mbps(now_us: number): number | null {
    if (this.started_us === null) return null;
    const to_us = now_us - 2 * BIN_US;
    return this.bins.mean_mbps("down", Math.max(this.started_us, to_us - NOW_WINDOW_US), to_us);
  }

  /** Received from the user over the last second that the node has told of, Mbit/s. */
  get up_mbps(): number | null {
    const last = this.ups.at(-1);
    if (last === undefined) return null;
    const before = this.ups.findLast((count) => count.at_us <= last.at_us - 0.9 * NOW_WINDOW_US);
    if (before === undefined) return last.stats.goodput_mbps;
    return ((last.stats.received_bytes - before.stats.received_bytes) * 8) / (last.at_us - before.at_us);
  }

  /** What the node derived from what the user sent. */
  get up(): ReceivedStats | null {
    return this.ups.at(-1)?.stats ?? null;
  }

  /** Mean absolute difference of consecutive delays over the last second, ms: of messages, else of probes. */
  jitter_ms(now_us: number): number | null {
    return this.#messageJitter_ms(now_us) ?? probeJitter_ms(this.probes, now_us - NOW_WINDOW_US);
  }

  /** The user's part of the report until `end_us`. */
  samples(end_us: number, demand_down_mbps: number): UserSamples {
    const { user_id, name, model } = this.profile;
    return {
      user_id,
      name,
      model,
      started_us: Math.min(this.started_us ?? end_us, end_us),
      demand_down_mbps,
      demand_up_mbps: this.demand_up_mbps,
      probes: this.probes.probes,
      goodput: this.#goodput(end_us),
      messages: this.messages,
      segments: this.segments,
      segment_media_ms: model === "streaming" ? this.segmentMedia_ms : null,
      up: this.up,
    };
  }

  /** How much of a film a segment holds, ms: its pattern's period. `null` without a segmented flow. */
  get segmentMedia_ms(): number | null {
    for (const { direction, pattern } of this.profile.flows) {
      if (direction === "down" && pattern.type === "on_off") return pattern.on_ms + pattern.off_ms;
    }
    return null;
  }

  #goodput(end_us: number): GoodputSample[] {
    const samples = this.bins.samples(end_us).filter((sample) => sample.direction === "down");
    let bytesBefore = 0;
    let before_us = -1;
    for (const { at_us, stats } of this.ups) {
      // Of several words about one moment the first has the bytes; later ones add none to an empty interval.
      if (at_us <= before_us || stats.received_bytes < bytesBefore) continue;
      samples.push({ at_us, direction: "up", bytes: stats.received_bytes - bytesBefore });
      bytesBefore = stats.received_bytes;
      before_us = at_us;
    }
    return samples.toSorted((left, right) => left.at_us - right.at_us);
  }

  #messageJitter_ms(now_us: number): number | null {
    const transits = new Map<number, { transit_us: number; sum_us: number; steps: number }>();
    for (let index = this.messages.length - 1; index >= 0; index -= 1) {
      const message = this.messages[index];
      if (message === undefined || message.received_us < now_us - NOW_WINDOW_US) break;
      const transit_us = message.received_us - message.send_us;
      const flow = transits.get(message.flow);
      if (flow === undefined) {
        transits.set(message.flow, { transit_us, sum_us: 0, steps: 0 });
      } else {
        flow.sum_us += Math.abs(transit_us - flow.transit_us);
        flow.steps += 1;
        flow.transit_us = transit_us;
      }
    }
    const jitters = [...transits.values()].filter((flow) => flow.steps > 0).map((flow) => flow.sum_us / flow.steps / 1000);
    return jitters.length === 0 ? null : Math.max(...jitters);
  }
}

/** Mean absolute difference of consecutive round trips since `from_us`, ms. */
export function probeJitter_ms(log: SampleLog, from_us: number): number | null {
  let before: number | null = null;
  let sum = 0;
  let steps = 0;
  for (let index = log.probes.length - 1; index >= 0; index -= 1) {
    const probe = log.probes[index];
    if (probe === undefined || probe.sent_us < from_us) break;
    const round_trip = roundTrip_ms(probe);
    if (round_trip === null) continue;
    if (before !== null) {
      sum += Math.abs(round_trip - before);
      steps += 1;
    }
    before = round_trip;
  }
  return steps === 0 ? null : sum / steps;
}

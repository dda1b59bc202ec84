// The downlink half of a session: what arrives, kept as the report wants it. Pure; no socket, no clock.
//
// A session that broke and was opened again counts its messages anew; here they go on where the old one's ended, with a gap
// as long as the break, so that the report sees one session and what it missed.

import { BinCounter, type Bin } from "../measurement/goodput_bins";
import { FLAG_SEGMENT_END, type MessageSample, type ProfileDescription, type SegmentSample } from "../protocol";
import type { TrafficHeader } from "./traffic_codec";

type Seen = { offset: number; last: number; received_us: number };

/** What arrived since the last `take`. */
export type Arrived = { bins: Bin[]; messages: MessageSample[]; segments: SegmentSample[] };

/** See the module's head. */
export class Downlink {
  readonly #profile: ProfileDescription;
  readonly #recorded: ReadonlySet<number>;
  readonly #seen = new Map<number, Seen>();
  readonly #open = new Map<number, { first_us: number; bytes: number }>();
  #counter = new BinCounter();
  #messages: MessageSample[] = [];
  #segments: SegmentSample[] = [];

  /** `recorded_flows` are those whose messages the report is to have one by one. */
  constructor(profile: ProfileDescription, recorded_flows: readonly number[]) {
    this.#profile = profile;
    this.#recorded = new Set(recorded_flows);
  }

  /** Takes a message whose last byte arrived at `received_us`. */
  handle(header: TrafficHeader, bytes: number, received_us: number): void {
    this.#counter.add(received_us, bytes);
    const { flow, flags } = header;
    if (this.#recorded.has(flow)) {
      const sequence = this.#continued(header, received_us);
      this.#messages.push({ flow, sequence, send_us: header.send_us, received_us });
    }
    if (this.#profile.model === "streaming") this.#handleSegment(flow, (flags & FLAG_SEGMENT_END) !== 0, bytes, received_us);
  }

  /** The node begins to count anew at `now_us`; a segment that was on its way is gone. */
  handleReopened(now_us: number): void {
    this.#open.clear();
    for (const [flow, seen] of this.#seen) {
      const perSecond = this.#profile.flows[flow]?.messages_per_second ?? 0;
      const missed = Math.round((Math.max(0, now_us - seen.received_us) / 1e6) * perSecond);
      seen.offset = seen.last + 1 + missed;
    }
  }

  /** Hands over what arrived, and starts again. */
  take(): Arrived {
    const arrived = { bins: this.#counter.take(), messages: this.#messages, segments: this.#segments };
    this.#messages = [];
    this.#segments = [];
    return arrived;
  }

  #continued({ flow, sequence }: TrafficHeader, received_us: number): number {
    const seen = this.#seen.get(flow) ?? { offset: 0, last: 0, received_us };
    const continued = (seen.offset + sequence) >>> 0;
    seen.last = continued;
    seen.received_us = received_us;
    this.#seen.set(flow, seen);
    return continued;
  }

  #handleSegment(flow: number, isLast: boolean, bytes: number, received_us: number): void {
    const segment = this.#open.get(flow) ?? { first_us: received_us, bytes: 0 };
    segment.bytes += bytes;
    if (isLast) {
      this.#segments.push({ first_us: segment.first_us, complete_us: received_us, bytes: segment.bytes });
      this.#open.delete(flow);
    } else {
      this.#open.set(flow, segment);
    }
  }
}

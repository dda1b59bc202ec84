// Messages as a token bucket lets them out: `continuous` and `on_off`; the twin of `protocol/src/pacing/metered.rs`. Pure.
//
// A continuous flow is the bucket. A segmented one gives each period the exact bytes of its mean rate, lets them out at
// the rate while on, and pauses when they are out. A segment that the line could not take in its period goes on into the
// next one; of those that pile up behind it only one is kept.

import { FLAG_SEGMENT_END, TRAFFIC_HEADER_BYTES } from "../protocol";
import { TokenBucket } from "./bucket";
import type { Pace, Release } from "./pacer";

/** The burst covers at least what the rate yields in this time: what a timer may be late by without loss of rate, ms. */
const BURST_MS = 5;
const NS_PER_MS = 1_000_000;

/** A continuous flow. */
export class Continuous implements Pace {
  readonly skipped = 0;
  readonly #bucket: TokenBucket;
  readonly #message_bytes: number;

  constructor(start_ns: number, rate_bps: number, message_bytes: number, burst_bytes: number) {
    this.#bucket = new TokenBucket(start_ns, rate_bps, burstFor(rate_bps, message_bytes, burst_bytes));
    this.#message_bytes = message_bytes;
  }

  get deadline_ns(): number {
    return this.#bucket.readyAt(this.#message_bytes);
  }

  pollRelease(now_ns: number): Release | null {
    return this.#bucket.take(now_ns, this.#message_bytes) ? { bytes: this.#message_bytes, flags: 0 } : null;
  }
}

/** A segmented flow. */
export class Segmented implements Pace {
  readonly #start_ns: number;
  readonly #rate_bps: number;
  readonly #message_bytes: number;
  readonly #segment_bytes: number;
  readonly #period_ns: number;
  #bucket: TokenBucket;
  /** The segment being sent, or the next one while `#left_bytes` is `null`. */
  #number = 0;
  #left_bytes: number | null = null;
  #skipped = 0;

  constructor(start_ns: number, rate_bps: number, message_bytes: number, on_ms: number, off_ms: number) {
    const on = Math.max(1, on_ms);
    this.#start_ns = start_ns;
    this.#rate_bps = rate_bps;
    this.#message_bytes = message_bytes;
    this.#period_ns = (on + off_ms) * NS_PER_MS;
    // What the rate yields while on, at least a header: at most 10^10 × 60 000, below 2^53.
    this.#segment_bytes = Math.max(TRAFFIC_HEADER_BYTES, Math.floor((rate_bps * on) / 8_000));
    this.#bucket = this.#bucketFrom(start_ns);
  }

  get skipped(): number {
    return this.#skipped;
  }

  get deadline_ns(): number {
    const bytes = this.#next_bytes;
    return bytes === null ? this.#startsAt_ns : this.#bucket.readyAt(bytes);
  }

  pollRelease(now_ns: number): Release | null {
    this.#beginSegment(now_ns);
    const bytes = this.#next_bytes;
    if (bytes === null || this.#left_bytes === null || !this.#bucket.take(now_ns, bytes)) return null;
    this.#left_bytes -= bytes;
    if (this.#left_bytes > 0) return { bytes, flags: 0 };
    this.#finishSegment(now_ns);
    return { bytes, flags: FLAG_SEGMENT_END };
  }

  get #startsAt_ns(): number {
    return this.#start_ns + this.#number * this.#period_ns;
  }

  /** `null` between segments. A segment's last message takes a rest too short for a header of its own with it. */
  get #next_bytes(): number | null {
    if (this.#left_bytes === null) return null;
    return this.#left_bytes >= this.#message_bytes + TRAFFIC_HEADER_BYTES ? this.#message_bytes : this.#left_bytes;
  }

  /** Begins the next segment when its time has come, with an empty bucket: a pause earns no burst. */
  #beginSegment(now_ns: number): void {
    const startsAt_ns = this.#startsAt_ns;
    if (this.#left_bytes !== null || now_ns < startsAt_ns) return;
    this.#left_bytes = this.#segment_bytes;
    // One that begins on time fills from its start; one that was held up, from now.
    this.#bucket = this.#bucketFrom(now_ns - startsAt_ns > BURST_MS * NS_PER_MS ? now_ns : startsAt_ns);
  }

  /** On to the next segment, or past those that a stall made pointless: one of them is kept. */
  #finishSegment(now_ns: number): void {
    const due = Math.floor((now_ns - this.#start_ns) / this.#period_ns);
    const next = Math.max(this.#number + 1, due - 1);
    this.#skipped += next - this.#number - 1;
    this.#number = next;
    this.#left_bytes = null;
  }

  #bucketFrom(from_ns: number): TokenBucket {
    return new TokenBucket(from_ns, this.#rate_bps, burstFor(this.#rate_bps, this.#message_bytes, 0));
  }
}

/** The burst: what is configured, two messages, and what the rate yields in a timer's turn, whichever is most. */
function burstFor(rate_bps: number, message_bytes: number, burst_bytes: number): number {
  const turn_bytes = Math.floor((Math.floor(rate_bps / 8) * BURST_MS) / 1_000);
  return Math.max(turn_bytes, 2 * message_bytes + TRAFFIC_HEADER_BYTES, burst_bytes);
}

// Messages at fixed times: `constant` and `frames`; the twin of `protocol/src/pacing/metronome.rs`. Pure.
//
// Message k is due k ÷ cadence seconds after the start, computed from the start each time, so that no error adds up. Its
// size is the difference of two exact running totals. Frames come in groups: a key frame of some weight, then frames of
// weight 1.

import { FLAG_KEYFRAME, TRAFFIC_HEADER_BYTES } from "../protocol";
import type { Pace, Release } from "./pacer";

/** The largest traffic message, bytes (`TRAFFIC_MESSAGE_BYTES_MAX` in `protocol/src/limits.rs`). */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** What is overdue by more than this is given up: a late picture or move is of no use, and sending it would only queue. */
const CARRIED_NS = 50_000_000;
const NS_PER_S = 1_000_000_000;

/** See the module's head. */
export class Metronome implements Pace {
  readonly #start_ns: number;
  readonly #rate_bps: bigint;
  readonly #per_second: number;
  readonly #group: number;
  readonly #keyWeight: number;
  /** The next message, counted from the start. */
  #next = 0;
  #skipped = 0;

  constructor(start_ns: number, rate_bps: number, per_second: number, group = 1, keyWeight = 1) {
    this.#start_ns = start_ns;
    this.#rate_bps = BigInt(rate_bps);
    this.#per_second = Math.max(1, per_second);
    this.#group = Math.max(1, group);
    this.#keyWeight = Math.max(1, keyWeight);
  }

  get skipped(): number {
    return this.#skipped;
  }

  get deadline_ns(): number {
    return this.#due_ns(this.#next);
  }

  pollRelease(now_ns: number): Release | null {
    if (now_ns < this.deadline_ns) return null;
    this.#giveUpStale(now_ns);
    const message = this.#next;
    this.#next += 1;
    const isKeyframe = this.#group > 1 && message % this.#group === 0;
    return { bytes: this.#bytes(message), flags: isKeyframe ? FLAG_KEYFRAME : 0 };
  }

  /** Skips what is overdue by too much, except for the latest message that is due: one late message is no burst. */
  #giveUpStale(now_ns: number): void {
    const elapsed_ns = now_ns - this.#start_ns;
    if (elapsed_ns <= CARRIED_NS) return;
    const keepFrom = Math.min(this.#dueBefore(elapsed_ns - CARRIED_NS) + 1, this.#dueBefore(elapsed_ns));
    if (keepFrom > this.#next) {
      this.#skipped += keepFrom - this.#next;
      this.#next = keepFrom;
    }
  }

  /** The last message due within this time of the start. */
  #dueBefore(elapsed_ns: number): number {
    const count = Number((BigInt(elapsed_ns) * BigInt(this.#per_second)) / BigInt(NS_PER_S));
    // A due time is rounded down, so message `count + 1` may already be due.
    return this.#due_ns(count + 1) - this.#start_ns <= elapsed_ns ? count + 1 : count;
  }

  /** Below 2^53 for 100 days of 1 000 messages a second. */
  #due_ns(message: number): number {
    const seconds = Math.floor(message / this.#per_second);
    const rest = message % this.#per_second;
    return this.#start_ns + seconds * NS_PER_S + Math.floor((rest * NS_PER_S) / this.#per_second);
  }

  #bytes(message: number): number {
    const bytes = Number(this.#total_bytes(message + 1) - this.#total_bytes(message));
    return Math.max(TRAFFIC_HEADER_BYTES, Math.min(MESSAGE_BYTES_MAX, bytes));
  }

  /** Bytes of all messages before this one. */
  #total_bytes(message: number): bigint {
    const groupWeight = this.#group - 1 + this.#keyWeight;
    const place = message % this.#group;
    const inGroup = place === 0 ? 0 : place - 1 + this.#keyWeight;
    const weight = Math.floor(message / this.#group) * groupWeight + inGroup;
    return (this.#rate_bps * BigInt(weight) * BigInt(this.#group)) / (8n * BigInt(this.#per_second) * BigInt(groupWeight));
  }
}

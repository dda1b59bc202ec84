// Payload bytes by receiver, in 100 ms bins of the test's clock. Pure.
//
// Bins lie on one grid for all workers, so that bytes of several flows add up to the same intervals.

import type { Direction, GoodputSample } from "../protocol";

/** Width of a bin, µs. */
export const BIN_US = 100_000;

/** Bytes of one bin, as a worker reports it. */
export type Bin = [index: number, bytes: number];

/** Which bin a moment falls into. */
export function binAt(at_us: number): number {
  return Math.max(0, Math.floor(at_us / BIN_US));
}

/** One worker's bins between two reports. */
export class BinCounter {
  #bins = new Map<number, number>();

  /** Counts `bytes` received at `at_us`. */
  add(at_us: number, bytes: number): void {
    const index = binAt(at_us);
    this.#bins.set(index, (this.#bins.get(index) ?? 0) + bytes);
  }

  /** Counts `bytes` received evenly between two moments; the interval's own bin when it is empty. */
  addOver(from_us: number, to_us: number, bytes: number): void {
    if (to_us <= from_us) {
      this.add(to_us, bytes);
      return;
    }
    let left_bytes = bytes;
    for (let index = binAt(from_us); index <= binAt(to_us); index += 1) {
      const overlap_us = Math.min(to_us, (index + 1) * BIN_US) - Math.max(from_us, index * BIN_US);
      const share_bytes = Math.min(left_bytes, Math.round((bytes * Math.max(0, overlap_us)) / (to_us - from_us)));
      if (share_bytes > 0) this.add(index * BIN_US, share_bytes);
      left_bytes -= share_bytes;
    }
    // What rounding left over: no byte is lost.
    if (left_bytes > 0) this.add(to_us, left_bytes);
  }

  /** Hands over what was counted and starts again. */
  take(): Bin[] {
    const bins = [...this.#bins];
    this.#bins = new Map();
    return bins;
  }
}

/** All workers' bins of a whole test, by direction. */
export class GoodputBins {
  readonly #bytes: Record<Direction, number[]> = { down: [], up: [] };

  /** Adds what a worker reported. */
  add(direction: Direction, bins: readonly Bin[]): void {
    const totals = this.#bytes[direction];
    for (const [index, bytes] of bins) {
      while (totals.length <= index) totals.push(0);
      totals[index] = (totals[index] ?? 0) + bytes;
    }
  }

  /** Mean over the whole bins within [from_us, to_us), Mbit/s. */
  mean_mbps(direction: Direction, from_us: number, to_us: number): number {
    const first = Math.ceil(Math.max(0, from_us) / BIN_US);
    const end = Math.floor(to_us / BIN_US);
    if (end <= first) return 0;
    let bytes = 0;
    for (let index = first; index < end; index += 1) bytes += this.#bytes[direction][index] ?? 0;
    return (bytes * 8) / ((end - first) * BIN_US);
  }

  /** Until when a direction is counted at `now_us`: an upload's count comes from the node, a round trip late. */
  countedUntil(direction: Direction, now_us: number): number {
    // The last bin may still be filling.
    return Math.min(now_us - 1.5 * BIN_US, (this.#bytes[direction].length - 1) * BIN_US);
  }

  /** Payload bytes of the test so far, both directions. */
  get total_bytes(): number {
    const sum = (bins: number[]) => bins.reduce((total, bytes) => total + bytes, 0);
    return sum(this.#bytes.down) + sum(this.#bytes.up);
  }

  /** Every bin up to `end_us` as samples, empty ones included: each interval then is exactly one bin long. */
  samples(end_us: number): GoodputSample[] {
    const count = Math.ceil(end_us / BIN_US);
    const samples: GoodputSample[] = [];
    for (const direction of ["down", "up"] as const) {
      for (let index = 0; index < count; index += 1) {
        samples.push({ at_us: (index + 1) * BIN_US, direction, bytes: this.#bytes[direction][index] ?? 0 });
      }
    }
    return samples;
  }
}

// How many load flows one direction needs: more while the last addition still paid, and none of one that did not: with both
// ways full, flows beyond what fills the line only hold its queues fuller (six each way on 50/10 Mbit/s with 200 ms: 220 ms
// where four show 201 and ping under four says 190). Pure; fed with goodput.

import type { Direction } from "../protocol";

/** Flows that a direction starts with; one flow may be limited by its window rather than by the line. */
export const FLOWS_AT_START = 4;
/** Flows added at a time: six additions from 4 to 16 fit the 5 s of a warm-up. */
export const FLOWS_PER_ADDITION = 2;
/** An addition paid when goodput afterwards is more than this many times the goodput before. */
export const WORTHWHILE_GAIN = 1.05;
/** From an addition to its judgement, µs: connecting, slow start, and a measured window after both. */
export const JUDGEMENT_INTERVAL_US = 700_000;
/** The end of the interval over which goodput is measured for the judgement, µs. */
export const JUDGEMENT_WINDOW_US = 400_000;

/**
 * From here on the device's processor, not a flow's window, is what limits (four windows of 6 MB fill this at 200 ms), and
 * flows beyond those that HTTP has room for cost it more than they bring: none is added, Mbit/s.
 */
export const ENOUGH_MBPS = 1_000;

/** Decides, for one direction, when to add flows. */
export class FlowCount {
  #flows: number;
  readonly #flowsMax: number;
  #goodputBefore = 0;
  #lastAddition = 0;
  #nextJudgement_us: number;
  #isSettled = false;
  #isFast = false;

  /** `flowsAtStart` is what an earlier phase reached, when there was one. */
  constructor(now_us: number, flowsMax: number, flowsAtStart = FLOWS_AT_START) {
    this.#flowsMax = flowsMax;
    this.#flows = Math.max(1, Math.min(flowsAtStart, flowsMax));
    this.#nextJudgement_us = now_us + JUDGEMENT_INTERVAL_US;
  }

  /** How many flows should be open now. */
  get flows(): number {
    return this.#flows;
  }

  /** Whether the direction carried so much that flows are not what it lacks. */
  get isFast(): boolean {
    return this.#isFast;
  }

  /** When `handleGoodput` should be called next, µs; `null` once the count is settled. */
  pollTimeout(): number | null {
    return this.#isSettled ? null : this.#nextJudgement_us;
  }

  /**
   * `goodput_mbps` is the mean over the last `JUDGEMENT_WINDOW_US`. Returns how many flows to add, 0 for none, or as a
   * negative number how many to end. The count settles at the first addition that did not pay: a second try would read
   * the line's noise as a gain.
   */
  handleGoodput(now_us: number, goodput_mbps: number): number {
    if (this.#isSettled || now_us < this.#nextJudgement_us) return 0;
    const didPay = goodput_mbps > this.#goodputBefore * WORTHWHILE_GAIN;
    const addition = Math.min(FLOWS_PER_ADDITION, this.#flowsMax - this.#flows);
    this.#isFast = goodput_mbps >= ENOUGH_MBPS;
    this.#isSettled = this.#isFast || !didPay || addition === 0;
    if (this.#isSettled) return didPay ? 0 : this.#change(-this.#lastAddition);
    this.#goodputBefore = goodput_mbps;
    this.#lastAddition = addition;
    this.#nextJudgement_us = now_us + JUDGEMENT_INTERVAL_US;
    return this.#change(addition);
  }

  #change(flows: number): number {
    this.#flows += flows;
    return flows;
  }
}

/** What each direction has reached in this test; a later phase starts there. */
export type FlowsReached = Record<Direction, { flows: number; isFast: boolean }>;

// How many load flows one direction needs: more while the last addition still paid, and none of one that did not: with both
// ways full, flows beyond what fills the line only hold its queues fuller (six each way on 50/10 Mbit/s with 200 ms: 220 ms
// where four show 201 and ping under four says 190). What the first flows gain while they start is not an addition's merit,
// so none is made before they are done. Pure; fed with goodput.

import type { Direction } from "../protocol";

/** Flows that a direction starts with; one flow may be limited by its window rather than by the line. */
export const FLOWS_AT_START = 4;
/** Flows added at a time: from 4 to 16 in six additions, which fit the 5 s of a warm-up on a line of few milliseconds. */
export const FLOWS_PER_ADDITION = 2;
/** An addition paid when goodput afterwards is more than this many times the goodput before. */
export const WORTHWHILE_GAIN = 1.05;
/** From an addition to its judgement, µs: connecting, slow start, and a measured window after both. */
export const JUDGEMENT_INTERVAL_US = 700_000;
/** The end of the interval over which goodput is measured for the judgement, µs. */
export const JUDGEMENT_WINDOW_US = 400_000;
/**
 * Goodput that rises by itself is waited for over this time, µs: two judgements. Slow start to 100 Mbit/s takes eight round
 * trips of 80 ms; where it takes longer, more flows fill the line sooner.
 */
const START_US = 2 * JUDGEMENT_INTERVAL_US;

/**
 * From here on the device's processor, not a flow's window, is what limits (four windows of 6 MB fill this at 200 ms), and
 * flows beyond those that HTTP has room for cost it more than they bring: none is added, Mbit/s.
 */
export const ENOUGH_MBPS = 1_000;

/** Decides, for one direction, when to add flows. */
export class FlowCount {
  #flows: number;
  readonly #flowsMax: number;
  readonly #started_us: number;
  /** The most that was carried in the interval before the last judgement, and since then. */
  #bestBefore_mbps = 0;
  #best_mbps = 0;
  #lastAddition = 0;
  #nextJudgement_us: number;
  #isSettled = false;
  #isFast = false;

  /** `flowsAtStart` is what an earlier phase reached, when there was one. */
  constructor(now_us: number, flowsMax: number, flowsAtStart = FLOWS_AT_START) {
    this.#started_us = now_us + START_US;
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

  /** Whether nothing will change any more. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /**
   * `goodput_mbps` is the mean over the last `JUDGEMENT_WINDOW_US`, told as often as there is news of it. Returns how many
   * flows to add, 0 for none, or as a negative number how many to end. An addition is held against the best of the interval
   * before it, not against the dip that follows an overflow of the queue. The count settles at the first addition that did
   * not pay: a second try would read the line's noise as a gain.
   */
  handleGoodput(now_us: number, goodput_mbps: number): number {
    if (this.#isSettled) return 0;
    this.#best_mbps = Math.max(this.#best_mbps, goodput_mbps);
    if (now_us < this.#nextJudgement_us) return 0;
    this.#nextJudgement_us = now_us + JUDGEMENT_INTERVAL_US;
    // On a long path nothing has been counted yet, which says nothing of the flows.
    if (this.#bestBefore_mbps <= 0 && this.#best_mbps <= 0) return 0;
    const isMore = goodput_mbps > this.#bestBefore_mbps * WORTHWHILE_GAIN;
    this.#bestBefore_mbps = this.#best_mbps;
    this.#best_mbps = 0;
    this.#isFast = goodput_mbps >= ENOUGH_MBPS;
    const isTried = this.#lastAddition > 0;
    if (!isTried && !this.#isFast && now_us < this.#started_us) return 0;
    const didNotPay = isTried && !isMore;
    const addition = Math.min(FLOWS_PER_ADDITION, this.#flowsMax - this.#flows);
    this.#isSettled = this.#isFast || didNotPay || addition === 0;
    if (this.#isSettled) return didNotPay ? this.#change(-this.#lastAddition) : 0;
    this.#lastAddition = addition;
    return this.#change(addition);
  }

  #change(flows: number): number {
    this.#flows += flows;
    return flows;
  }
}

/** What each direction has reached in this test; a later phase starts there. */
export type FlowsReached = Record<Direction, { flows: number; isFast: boolean }>;

// How much the transfers ask for in adaptive mode: what the line carries, and more while that is not enough to fill it. Pure.
//
// A real update takes what it can get. What the capacity phase measured is where to begin; a transfer that gets nearly all it
// asks for has not filled the line, and asks for more.

/** A transfer that gets this share of its demand could have had more. */
const SATISFIED_RATIO = 0.95;
/** How much more it then asks for. */
const RAISE = 1.25;
/** Between two judgements, µs: a new demand has to show first. */
const JUDGEMENT_INTERVAL_US = 2_000_000;
/**
 * The most that is asked for, Mbit/s. The session is one WebSocket; beyond this it is the browser's processor that the
 * household would fill, and what the users then feel would not be the line.
 */
export const DEMAND_MBPS_MAX = 500;

/** One transfer's demand to the client. */
export class AdaptiveDemand {
  #mbps: number;
  readonly #changes: { at_us: number; mbps: number }[];
  #nextJudgement_us: number;

  /** From `start_us` on; never below the catalogue's demand. */
  constructor(start_us: number, catalogue_mbps: number, capacity_mbps: number) {
    this.#mbps = Math.max(catalogue_mbps, Math.min(DEMAND_MBPS_MAX, capacity_mbps));
    this.#changes = [{ at_us: start_us, mbps: this.#mbps }];
    this.#nextJudgement_us = start_us + JUDGEMENT_INTERVAL_US;
  }

  /** What is asked for now, Mbit/s. */
  get mbps(): number {
    return this.#mbps;
  }

  /** Takes what was achieved over the last second. Returns the new demand when it changes. */
  handleAchieved(now_us: number, achieved_mbps: number): number | null {
    if (now_us < this.#nextJudgement_us) return null;
    this.#nextJudgement_us = now_us + JUDGEMENT_INTERVAL_US;
    if (this.#mbps >= DEMAND_MBPS_MAX || achieved_mbps < this.#mbps * SATISFIED_RATIO) return null;
    this.#mbps = Math.min(DEMAND_MBPS_MAX, this.#mbps * RAISE);
    this.#changes.push({ at_us: now_us, mbps: this.#mbps });
    return this.#mbps;
  }

  /** The mean demand from the start until `end_us`, Mbit/s. */
  mean_mbps(end_us: number): number {
    const start_us = this.#changes[0]?.at_us ?? 0;
    if (end_us <= start_us) return this.#mbps;
    let sum = 0;
    for (const [index, { at_us, mbps }] of this.#changes.entries()) {
      const until_us = Math.min(end_us, this.#changes[index + 1]?.at_us ?? end_us);
      sum += Math.max(0, until_us - at_us) * mbps;
    }
    return sum / (end_us - start_us);
  }
}

// When probes are due: every 50 ms on the test's clock, whatever became of earlier ones. Pure.

/** Twenty probes a second. */
export const PROBE_INTERVAL_US = 50_000;

/** The schedule of one test. */
export class ProbeSchedule {
  #slot: number;
  #sequence = 0;
  readonly #end_us: number;

  /** No probe is due before `from_us`, or at or after `end_us`. */
  constructor(end_us: number, from_us = 0) {
    this.#end_us = end_us;
    this.#slot = Math.ceil(from_us / PROBE_INTERVAL_US);
  }

  /** When the next probe is due, µs since the start; `null` when the test is over. */
  pollTimeout(): number | null {
    const due_us = this.#slot * PROBE_INTERVAL_US;
    return due_us < this.#end_us ? due_us : null;
  }

  /**
   * The probe to send at `now_us` and how late it is; `null` when none is due. Slots that a stalled timer slept through
   * are not made up for: a burst would measure its own queue. Their lateness shows in the probe that follows.
   */
  pollProbe(now_us: number): { sequence: number; late_us: number } | null {
    const due_us = this.pollTimeout();
    if (due_us === null || now_us < due_us) return null;
    if (now_us >= this.#end_us) {
      this.#slot = Math.ceil(this.#end_us / PROBE_INTERVAL_US);
      return null;
    }
    const probe = { sequence: this.#sequence, late_us: now_us - due_us };
    this.#sequence += 1;
    this.#slot = Math.floor(now_us / PROBE_INTERVAL_US) + 1;
    return probe;
  }
}

// The flow registry: every socket, fetch and worker of a test, until it is known to be gone. Pure but for timers.
//
// A flow that outlives its phase loads the next one, and one that outlives the page loads the subscriber's line; so
// whatever opens a flow registers it here, and only a confirmed end takes it off the list. The page keeps one registry
// of its workers and requests; each load worker keeps one of its own sockets and fetches.

/** A test may last this long, ms; then everything is ended. */
export const TEST_LIMIT_MS = 5 * 60_000;
/** A flow that moved nothing for this long is ended, ms. */
export const INACTIVITY_LIMIT_MS = 2 * 60_000;
/** How often flows are looked over for orphans, ms. */
export const SWEEP_INTERVAL_MS = 15_000;
/** How long a flow has from being asked to end until it is forced, ms. */
export const END_BOUND_MS = 250;

/** Why a flow was ended. */
export type EndReason = "finished" | "surplus" | "phase_over" | "stopped" | "orphaned" | "inactive" | "too_old" | "page_hidden";

/** What a flow is and how it is ended. */
export type FlowHandle = {
  kind: "worker" | "socket" | "fetch";
  /** Asks for an orderly end; `ended(id)` must follow. */
  end: (reason: EndReason) => void;
  /** Ends it at once and for certain. */
  force: () => void;
};

/** A registered flow. */
export type Flow = FlowHandle & {
  id: string;
  opened_ms: number;
  active_ms: number;
  deadline_ms: number;
  /** When it was asked to end; `null` while it may run. */
  ending_ms: number | null;
};

/** How a round of ending went. */
export type EndOutcome = { ended: number; forced: number };

/** See the module's head. */
export class FlowRegistry {
  readonly #flows = new Map<string, Flow>();
  readonly #waiting = new Map<string, () => void>();
  readonly #now_ms: () => number;
  #sweep: ReturnType<typeof setInterval> | null = null;
  #forcedTotal = 0;

  /** `now_ms` is any monotonic clock. */
  constructor(now_ms: () => number = () => performance.now()) {
    this.#now_ms = now_ms;
  }

  /** Flows not known to be gone. */
  get open(): number {
    return this.#flows.size;
  }

  /** Flows that had to be forced, over the registry's life. */
  get forcedTotal(): number {
    return this.#forcedTotal;
  }

  /** The flow with this id, if it is still open. */
  find(id: string): Flow | undefined {
    return this.#flows.get(id);
  }

  /** Registers a flow. `lifetime_ms` is the longest it can be of use. */
  register(id: string, handle: FlowHandle, lifetime_ms: number = TEST_LIMIT_MS): void {
    const now = this.#now_ms();
    this.#flows.set(id, {
      ...handle,
      id,
      opened_ms: now,
      active_ms: now,
      deadline_ms: now + Math.min(lifetime_ms, TEST_LIMIT_MS),
      ending_ms: null,
    });
    this.#sweep ??= setInterval(() => this.sweep(), SWEEP_INTERVAL_MS);
  }

  /** Notes that a flow moved something. */
  touch(id: string): void {
    const flow = this.#flows.get(id);
    if (flow !== undefined) flow.active_ms = this.#now_ms();
  }

  /** Confirms that a flow is gone. */
  ended(id: string): void {
    this.#flows.delete(id);
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
    if (this.#flows.size === 0 && this.#sweep !== null) {
      clearInterval(this.#sweep);
      this.#sweep = null;
    }
  }

  /** Asks the flows (all, or those named) to end, waits for each to be gone, and forces what is not within the bound. */
  async end(reason: EndReason, ids: Iterable<string> = this.#flows.keys(), bound_ms = END_BOUND_MS): Promise<EndOutcome> {
    const ending = [...ids].filter((id) => this.#flows.has(id));
    const gone = ending.map((id) => new Promise<void>((resolve) => this.#waiting.set(id, resolve)));
    for (const id of ending) this.#ask(id, reason);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, bound_ms);
    });
    await Promise.race([Promise.all(gone), bound]);
    clearTimeout(timer);
    const late = ending.filter((id) => this.#flows.has(id));
    for (const id of late) this.#force(id);
    return { ended: ending.length - late.length, forced: late.length };
  }

  /** Ends everything before this call returns: the page is going away and will not see an answer. */
  endNow(): number {
    const ids = [...this.#flows.keys()];
    for (const id of ids) this.#force(id);
    return ids.length;
  }

  /** Ends what is too old, inactive, or was asked to end and is still here. Runs by itself every 15 s. */
  sweep(): EndOutcome {
    const now = this.#now_ms();
    const outcome = { ended: 0, forced: 0 };
    for (const flow of this.#flows.values()) {
      if (flow.ending_ms !== null && now - flow.ending_ms >= END_BOUND_MS) {
        this.#force(flow.id);
        outcome.forced += 1;
      } else if (flow.ending_ms === null && now >= flow.deadline_ms) {
        this.#ask(flow.id, "too_old");
        outcome.ended += 1;
      } else if (flow.ending_ms === null && now - flow.active_ms >= INACTIVITY_LIMIT_MS) {
        this.#ask(flow.id, "inactive");
        outcome.ended += 1;
      }
    }
    return outcome;
  }

  #ask(id: string, reason: EndReason): void {
    const flow = this.#flows.get(id);
    if (flow === undefined) return;
    flow.ending_ms = this.#now_ms();
    flow.end(reason);
  }

  #force(id: string): void {
    const flow = this.#flows.get(id);
    if (flow === undefined) return;
    this.#forcedTotal += 1;
    flow.force();
    this.ended(id);
  }
}

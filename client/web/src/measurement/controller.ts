// One single-user test: the phases of its timeline, and the load of each stretch. Its life is `Run`'s.

import type { ClientDescription, Phase, PhaseSpan, TestSamples } from "../protocol";
import { FLOWS_AT_START, type FlowsReached } from "./flow_count";
import { httpFlowsMax } from "./http_flows";
import type { Load } from "./load";
import { Run, type Machinery } from "./run";
import { endOf, isGraded, isRamping, loadStretches, phaseAt, phasesUntil, type LoadStretch } from "./timeline";

/** How long the node may take to agree that a stretch's flows are gone, µs, before the next counts all the same. */
const GONE_LIMIT_US = 1_000_000;
/**
 * How long a graded phase without a warm-up of its own ramps before it counts, µs. Both directions start at once, each
 * through the other's queue: on a 50/10 Mbit/s line with 200 ms of queue the download needs this long to come back.
 */
const UNWARMED_RAMP_US = 1_500_000;
/** Pause between two questions for the node's count, ms. */
const GONE_POLL_MS = 100;
/** A graded phase that ran for less says nothing, µs. */
const GRADABLE_US_MIN = 2_000_000;

/** One test. */
export class TestRun extends Run {
  /** As planned at first; as they really ran in the end. */
  phases: PhaseSpan[] = [];

  readonly #machinery: Machinery;
  readonly #reached: FlowsReached = {
    down: { flows: FLOWS_AT_START, isFast: false },
    up: { flows: FLOWS_AT_START, isFast: false },
  };
  #loads: Load[] = [];

  constructor(machinery: Machinery, client: ClientDescription, handleUpdate: () => void) {
    super(machinery, client, handleUpdate);
    this.#machinery = machinery;
  }

  /** The phase that is running; `null` outside of the timeline. */
  get phase(): Phase | null {
    if (this.step !== "running") return null;
    return phaseAt(this.phases, this.elapsed_us)?.phase ?? null;
  }

  override samples(): TestSamples {
    const phases = this.#phasesSeen();
    return {
      ...this.commonSamples(),
      mode: "single",
      phases,
      goodput: this.bins.samples(endOf(phases)),
      flows: this.log.flowCounts,
    };
  }

  protected override async measure(): Promise<void> {
    await this.#prepare();
    await this.#runTimeline();
  }

  async #prepare(): Promise<void> {
    const { api } = this.#machinery;
    const admission = await api.admit({ mode: "single", client: this.client }, this.signal);
    this.admission = admission;
    this.phases = admission.phases.map((span) => ({ ...span }));
    this.enter("connecting");
    this.startProbe();
    await this.connectProbe(admission);
    this.hire(loadStretches(this.phases));
    await this.startClock(endOf(this.phases));
  }

  async #runTimeline(): Promise<void> {
    const stretches = loadStretches(this.phases);
    const times = [...new Set(stretches.flatMap((stretch) => [stretch.start_us, stretch.end_us]))].toSorted((a, b) => a - b);
    for (const at_us of times) {
      await this.ticker.until(at_us);
      const ending = stretches.filter((stretch) => stretch.end_us === at_us).map((stretch) => stretch.direction);
      await this.#endThose("phase_over", (load) => ending.includes(load.direction));
      if (ending.length > 0) void this.#waitUntilGone();
      // The flows that were to end have ended, or were forced, by now: from here nothing more is sent for them.
      for (const stretch of stretches) {
        if (stretch.start_us !== at_us) continue;
        this.#loads.push(this.#load(stretch));
        this.#rampUnwarmed(at_us);
      }
    }
    await this.ticker.until(endOf(this.phases));
  }

  #load(stretch: LoadStretch): Load {
    const { direction } = stretch;
    const flowsByHttp = httpFlowsMax(
      direction,
      { uploads: this.#loads.some((load) => load.direction === "up"), probesByHttp: this.probeTransport === "http" },
      this.#machinery.loadByHttp(),
    );
    const reached = this.#reached[direction];
    return this.openLoad(stretch, {
      flowsByHttp,
      // Where no WebSocket opened for the probes, none will for the load.
      flowsMax: this.probeTransport === "http" ? flowsByHttp : (this.admission?.flows_max ?? 0),
      flowsAtStart: reached.isFast ? Math.min(reached.flows, flowsByHttp || FLOWS_AT_START) : reached.flows,
      noteFlows: (flows) => this.log.noteFlows(this.elapsed_us, direction, flows),
    });
  }

  /** A graded phase that load joins without a warm-up counts from when the new flows have ramped up. */
  #rampUnwarmed(at_us: number): void {
    const graded = this.phases.find((span) => span.start_us === at_us && isGraded(span.phase));
    if (graded !== undefined) graded.start_us += UNWARMED_RAMP_US;
  }

  /** The next graded phase begins to count when the node, too, has let go of the flows that ended, within a limit. */
  async #waitUntilGone(): Promise<void> {
    const { admission } = this;
    const next = this.phases.find((span) => span.start_us > this.elapsed_us && isGraded(span.phase));
    if (next === undefined || admission === null) return;
    const limit_us = next.start_us + GONE_LIMIT_US;
    while (this.elapsed_us < limit_us && this.halted_us === null) {
      const status = await this.#machinery.api.status(admission, this.signal).catch(() => null);
      const ours = 1 + this.#loads.reduce((sum, load) => sum + load.connected, 0);
      if (status !== null && status.open_flows <= ours) break;
      await new Promise((resolve) => {
        setTimeout(resolve, GONE_POLL_MS);
      });
    }
    next.start_us = Math.max(next.start_us, Math.min(this.elapsed_us, limit_us));
  }

  async #endThose(reason: "phase_over" | "stopped", isEnding: (load: Load) => boolean): Promise<void> {
    const ending = this.#loads.filter(isEnding);
    this.#loads = this.#loads.filter((load) => !ending.includes(load));
    await Promise.all(ending.map((load) => load.end(reason)));
  }

  protected override endLoads(reason: "stopped"): Promise<void> {
    return this.#endThose(reason, () => true);
  }

  protected override isJudgeable(): boolean {
    return this.#phasesSeen().some((span) => isGraded(span.phase) && span.end_us - span.start_us >= GRADABLE_US_MIN);
  }

  protected override handleTick(): void {
    const { phase } = this;
    if (phase === null || !isRamping(phase)) return;
    for (const load of this.#loads) {
      load.grow(this.elapsed_us);
      this.#reached[load.direction] = load.reached;
    }
  }

  #phasesSeen(): PhaseSpan[] {
    return this.halted_us === null ? this.phases : phasesUntil(this.phases, this.halted_us);
  }
}

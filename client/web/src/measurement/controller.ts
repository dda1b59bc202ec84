// One test from admission to report: the timeline on the absolute clock, the probe worker beside it, the load of each
// stretch, and the certainty that nothing of it is left. No DOM, and no statistics: those are the node's.

import type {
  ClientDescription,
  Phase,
  PhaseSpan,
  ProbeTransport,
  TestAdmission,
  TestSamples,
} from "../protocol";
import { ApiError, type Api } from "./api";
import { CountLink } from "./count_link";
import { Crew } from "./crew";
import { FLOWS_AT_START, type FlowsReached } from "./flow_count";
import { GoodputBins } from "./goodput_bins";
import { httpFlowsMax, type LoadByHttp } from "./http_flows";
import { Load } from "./load";
import { confirmGone, failed, failureOf, handIn, type Outcome } from "./outcome";
import { ProbeLink } from "./probe_link";
import { FlowRegistry, TEST_LIMIT_MS } from "./registry";
import { SampleLog } from "./samples";
import { Halted, Ticker } from "./ticker";
import { endOf, isGraded, isRamping, loadStretches, phaseAt, phasesUntil, type LoadStretch } from "./timeline";
import type { WorkerFactory } from "./worker_port";

/** A probe unanswered for this long after the last phase is lost, µs. */
export const LATE_ANSWER_LIMIT_US = 3_000_000;
/** From the decision to start to the first probe, µs: the workers must have heard of it. */
const START_LEAD_US = 150_000;
/** How long the load workers may take to start before the test starts without having heard of all, µs. */
const CREW_LIMIT_US = 5_000_000;
/** How long the node may take to agree that a stretch's flows are gone, µs, before the next counts all the same. */
const GONE_LIMIT_US = 1_000_000;
/**
 * How long a graded phase without a warm-up of its own ramps before it counts, µs. Both directions start at once, each
 * through the other's queue: on a 50/10 Mbit/s line with 200 ms of queue the download needs this long to come back.
 */
const UNWARMED_RAMP_US = 1_500_000;
/** Pause between two questions for the node's count, ms. */
const GONE_POLL_MS = 100;
/** Silence of the probe worker after which the device must have been asleep, µs. */
const ASLEEP_US = 4_000_000;
/** A graded phase that ran for less says nothing, µs. */
const GRADABLE_US_MIN = 2_000_000;
export type { Failure, Outcome } from "./outcome";

/** What a test runs on. */
export type Machinery = { api: Api; workers: WorkerFactory; epoch_us: () => number; loadByHttp: () => LoadByHttp };

/** Where a test is. */
export type Step = "admitting" | "connecting" | "running" | "settling" | "reporting" | "over";

type Halt = "stopped" | "lost" | "asleep" | "too_long";

/** One test. Read its public fields at any time; `handleUpdate` is called when they are worth drawing again. */
export class TestRun {
  readonly log = new SampleLog();
  readonly bins = new GoodputBins();
  readonly registry = new FlowRegistry();
  step: Step = "admitting";
  admission: TestAdmission | null = null;
  /** As planned at first; as they really ran in the end. */
  phases: PhaseSpan[] = [];
  probeTransport: ProbeTransport = "ping_role";
  /** The node's own count of this test's open flows; `null` until asked. */
  openFlows: number | null = null;

  readonly #machinery: Machinery;
  readonly #client: ClientDescription;
  readonly #handleUpdate: () => void;
  readonly #abort = new AbortController();
  readonly #ticker = new Ticker(() => this.elapsed_us);
  readonly #reached: FlowsReached = {
    down: { flows: FLOWS_AT_START, isFast: false },
    up: { flows: FLOWS_AT_START, isFast: false },
  };
  #loads: Load[] = [];
  #startEpochUs = 0;
  #startedAt = new Date(0);
  #tickEpochUs = 0;
  #haltedBy: Halt | null = null;
  #halted_us = 0;
  #isAbandoned = false;
  #probe: ProbeLink | null = null;
  #count: CountLink | null = null;
  readonly #crew: Crew;

  constructor(machinery: Machinery, client: ClientDescription, handleUpdate: () => void) {
    this.#machinery = machinery;
    this.#client = client;
    this.#handleUpdate = handleUpdate;
    this.#crew = new Crew(machinery.workers, this.registry);
  }

  /** Microseconds since the start; 0 before it. */
  get elapsed_us(): number {
    if (this.#startEpochUs === 0) return 0;
    return Math.max(0, Math.round(this.#machinery.epoch_us() - this.#startEpochUs));
  }

  /** The phase that is running; `null` outside of the timeline. */
  get phase(): Phase | null {
    if (this.step !== "running") return null;
    return phaseAt(this.phases, this.elapsed_us)?.phase ?? null;
  }

  /** Runs the test to its end, whatever that is. Never rejects. */
  async run(): Promise<Outcome> {
    const limit = setTimeout(() => this.#halt("too_long"), TEST_LIMIT_MS);
    try {
      await this.#prepare();
      await this.#runTimeline();
      await this.#settle();
      return await this.#reportOrFail();
    } catch (fault) {
      return await this.#handleFault(fault);
    } finally {
      clearTimeout(limit);
      this.step = "over";
      this.#handleUpdate();
      void this.#confirmGone();
    }
  }

  /** Ends the test now; what was graded so far is still reported. */
  stop(): void {
    this.#halt("stopped");
  }

  /** The page is going away: ends everything before returning, and leaves the node a note. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#haltedBy ??= "stopped";
    this.#ticker.halt();
    this.#abort.abort();
    this.registry.endNow();
    if (this.admission !== null) void this.#machinery.api.end(this.admission).catch(() => undefined);
  }

  /** Everything that was seen, as the node wants it. */
  samples(): TestSamples {
    const phases = this.#haltedBy === null ? this.phases : phasesUntil(this.phases, this.#halted_us);
    const end_us = endOf(phases);
    return {
      mode: "single",
      client: this.#client,
      started_at: this.#startedAt.toISOString(),
      phases,
      probes: this.log.probes,
      probe_transport: this.probeTransport,
      node_rtt: this.log.nodeRtt,
      goodput: this.bins.samples(end_us),
      flows: this.log.flowCounts,
      device: {
        probe_timer_late_us: this.log.timerLate_us,
        upload_backlog_bytes_max: this.log.uploadBacklog_bytes_max,
      },
    };
  }

  /** Hands the samples in again after `report_failed`. */
  async reportAgain(): Promise<Outcome> {
    this.step = "reporting";
    this.#handleUpdate();
    const outcome = await this.#reportOrFail();
    this.step = "over";
    void this.#confirmGone();
    return outcome;
  }

  async #prepare(): Promise<void> {
    const { api, workers, epoch_us } = this.#machinery;
    this.admission = await api.admit({ mode: "single", client: this.#client }, this.#abort.signal);
    this.phases = this.admission.phases.map((span) => ({ ...span }));
    this.step = "connecting";
    this.#handleUpdate();

    this.#probe = new ProbeLink(
      workers.probe(),
      this.registry,
      this.log,
      () => this.#handleTick(),
      (at_us) => this.#halt("lost", at_us),
    );
    const query = `?test_id=${this.admission.test_id}`;
    const transport = await this.#orHalted(
      this.#probe.connect({
        ping_role: this.admission.endpoints.ping_ws + query,
        main_role: this.admission.endpoints.ping_ws_fallback + query,
        http: this.admission.endpoints.ping_http,
      }),
    );
    if (transport === null) throw new ApiError("failed", "blocked");
    this.probeTransport = transport;

    this.#count = new CountLink(workers.count(), this.registry, this.bins);
    this.#crew.hire(loadStretches(this.phases), () => this.#ticker.tick());
    const crewLimit_us = epoch_us() + CREW_LIMIT_US;
    await this.#ticker.until(Number.POSITIVE_INFINITY, () => this.#crew.isReady || epoch_us() >= crewLimit_us);

    this.#startEpochUs = epoch_us() + START_LEAD_US;
    this.#startedAt = new Date(this.#startEpochUs / 1000);
    this.#tickEpochUs = this.#startEpochUs;
    this.#probe.run(this.#startEpochUs, endOf(this.phases));
    this.step = "running";
    this.#handleUpdate();
  }

  async #runTimeline(): Promise<void> {
    const stretches = loadStretches(this.phases);
    const times = [...new Set(stretches.flatMap((stretch) => [stretch.start_us, stretch.end_us]))].toSorted((a, b) => a - b);
    for (const at_us of times) {
      await this.#ticker.until(at_us);
      const ending = stretches.filter((stretch) => stretch.end_us === at_us).map((stretch) => stretch.direction);
      await this.#endLoads("phase_over", (load) => ending.includes(load.direction));
      if (ending.length > 0) void this.#waitUntilGone();
      // The flows that were to end have ended, or were forced, by now: from here nothing more is sent for them.
      for (const stretch of stretches) {
        if (stretch.start_us !== at_us) continue;
        this.#loads.push(this.#openLoad(stretch));
        this.#rampUnwarmed(at_us);
      }
    }
    await this.#ticker.until(endOf(this.phases));
  }

  #openLoad(stretch: LoadStretch): Load {
    const { admission } = this;
    if (admission === null) throw new Halted();
    const { direction } = stretch;
    const { endpoints, test_id, token, flows_max } = admission;
    const query = `?test_id=${test_id}`;
    const flowsByHttp = httpFlowsMax(
      direction,
      { uploads: this.#loads.some((load) => load.direction === "up"), probesByHttp: this.probeTransport === "http" },
      this.#machinery.loadByHttp(),
    );
    const reached = this.#reached[direction];
    if (direction === "up") this.#count?.start(this.#startEpochUs, endpoints.test, token);
    return new Load(this.elapsed_us, {
      direction,
      urls:
        direction === "down"
          ? { websocket: endpoints.bulk_download_ws + query, http: endpoints.download + query }
          : { websocket: endpoints.bulk_upload_ws + query, http: endpoints.upload + query },
      httpFlowsMax: flowsByHttp,
      start_epoch_us: this.#startEpochUs,
      lifetime_ms: (stretch.end_us - stretch.start_us) / 1000 + LATE_ANSWER_LIMIT_US / 1000,
      // Where no WebSocket opened for the probes, none will for the load.
      flowsMax: this.probeTransport === "http" ? flowsByHttp : flows_max,
      flowsAtStart: reached.isFast ? Math.min(reached.flows, flowsByHttp || FLOWS_AT_START) : reached.flows,
      registry: this.registry,
      bins: this.bins,
      crew: this.#crew.take(direction),
      noteFlows: (flows) => this.log.noteFlows(this.elapsed_us, direction, flows),
      noteBacklog: (backlog_bytes) => {
        if (direction === "up") {
          this.log.uploadBacklog_bytes_max = Math.max(this.log.uploadBacklog_bytes_max, backlog_bytes);
        }
      },
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
    while (this.elapsed_us < limit_us && this.#haltedBy === null) {
      const status = await this.#machinery.api.status(admission, this.#abort.signal).catch(() => null);
      const ours = 1 + this.#loads.reduce((sum, load) => sum + load.connected, 0);
      if (status !== null && status.open_flows <= ours) break;
      await new Promise((resolve) => {
        setTimeout(resolve, GONE_POLL_MS);
      });
    }
    next.start_us = Math.max(next.start_us, Math.min(this.elapsed_us, limit_us));
  }

  async #endLoads(reason: "phase_over" | "stopped", isEnding: (load: Load) => boolean = () => true): Promise<void> {
    const ending = this.#loads.filter(isEnding);
    this.#loads = this.#loads.filter((load) => !ending.includes(load));
    await Promise.all(ending.map((load) => load.end(reason)));
  }

  /** Waits for the answers that are still out. */
  async #settle(): Promise<void> {
    this.step = "settling";
    this.#handleUpdate();
    this.#probe?.hush();
    const limit_us = this.elapsed_us + LATE_ANSWER_LIMIT_US;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.#abort.signal.aborted || this.log.unanswered === 0 || this.elapsed_us >= limit_us || this.registry.open === 0) resolve();
        else setTimeout(look, 50);
      };
      // One batch interval, so that the last probes' own entries have arrived.
      setTimeout(look, 150);
    });
    await this.registry.end("finished");
  }

  async #reportOrFail(): Promise<Outcome> {
    const { admission } = this;
    if (admission === null) return { kind: "stopped" };
    this.step = "reporting";
    this.#handleUpdate();
    return handIn(this.#machinery.api, admission, this.samples(), this.#abort.signal);
  }

  async #handleFault(fault: unknown): Promise<Outcome> {
    const wasRunning = this.step === "running";
    const haltedBy = this.#haltedBy;
    await this.#endLoads("stopped");
    if (haltedBy !== null && wasRunning && this.#isGradable()) {
      const outcome = await this.#reportPartial(haltedBy === "stopped");
      if (outcome !== null && (outcome.kind === "result" || haltedBy === "stopped")) return outcome;
    }
    await this.registry.end("stopped");
    await this.#endAtNode();
    switch (haltedBy) {
      case "stopped":
        return { kind: "stopped" };
      case "lost":
      case "too_long":
        return failed("lost", "The connection to the node was lost in the middle of the test.");
      case "asleep":
        return failed("asleep", "The page was put to sleep in the middle of the test.");
      case null:
        if (fault instanceof ApiError && fault.message === "blocked") {
          return failed("blocked", "The node answers, but nothing that could measure latency gets through to it.");
        }
        return { kind: "failed", failure: failureOf(fault) };
    }
  }

  /** What was measured until the halt; `null` when the user then stopped that, too. */
  async #reportPartial(isProbeAlive: boolean): Promise<Outcome | null> {
    try {
      if (isProbeAlive) await this.#settle();
      await this.registry.end("stopped");
      return await this.#reportOrFail();
    } catch {
      return null;
    }
  }

  #isGradable(): boolean {
    return phasesUntil(this.phases, this.#halted_us).some(
      (span) => isGraded(span.phase) && span.end_us - span.start_us >= GRADABLE_US_MIN,
    );
  }

  /** `at_us`: what was measured before it is sound. */
  #halt(by: Halt, at_us = this.elapsed_us): void {
    if (this.step === "over") return;
    const isMeasured = this.step === "settling" || this.step === "reporting";
    // Once everything is measured only the user's own Stop still matters, and it drops the result.
    if (isMeasured && by !== "stopped") return;
    if (isMeasured || this.step === "admitting") this.#abort.abort();
    if (this.#haltedBy !== null) return;
    this.#haltedBy = by;
    this.#halted_us = Math.max(0, at_us);
    this.#ticker.halt();
    this.#handleUpdate();
  }

  /** Ten times a second, from the probe worker. */
  #handleTick(): void {
    const now = this.#machinery.epoch_us();
    const awake_us = Math.round(this.#tickEpochUs - this.#startEpochUs);
    if (this.step === "running" && now - this.#tickEpochUs > ASLEEP_US) this.#halt("asleep", awake_us);
    this.#tickEpochUs = now;
    const { phase } = this;
    if (phase !== null && isRamping(phase)) {
      for (const load of this.#loads) {
        load.grow(this.elapsed_us);
        this.#reached[load.direction] = load.reached;
      }
    }
    this.#ticker.tick();
    this.#handleUpdate();
  }

  /** `promise`, unless the test is halted first or `until_us` passes (then `null`). */
  async #orHalted<Value>(promise: Promise<Value>, until_us = Number.MAX_SAFE_INTEGER / 4): Promise<Value | null> {
    let value: Value | null = null;
    let isHere = false;
    void promise.then((arrived) => {
      value = arrived;
      isHere = true;
      this.#ticker.tick();
    });
    await this.#ticker.until(Math.min(until_us, this.elapsed_us + TEST_LIMIT_MS * 1000), () => isHere);
    return value;
  }

  async #endAtNode(): Promise<void> {
    if (this.admission === null) return;
    await this.#machinery.api.end(this.admission).catch(() => undefined);
  }

  /** Asks the node for its count until it is zero, for at most 10 s. */
  async #confirmGone(): Promise<void> {
    const { admission } = this;
    if (admission === null) return;
    await confirmGone(this.#machinery.api, admission, (open_flows) => {
      if (open_flows !== null) this.openFlows = open_flows;
      this.#handleUpdate();
      return this.#isAbandoned ? "enough" : "ask_on";
    });
  }
}

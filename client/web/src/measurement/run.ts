// The life of one test, whatever it measures: admission, probes on the absolute clock beside everything, Stop and everything
// else that halts it, its report, and the certainty that nothing of it is left. What is measured is its subclasses'. No DOM,
// and no statistics: those are the node's.

import type { ClientDescription, Direction, ProbeTransport, TestAdmission, TestSamples } from "../protocol";
import { ApiError, type Api } from "./api";
import { CountLink } from "./count_link";
import { Crew } from "./crew";
import { GoodputBins } from "./goodput_bins";
import type { LoadByHttp } from "./http_flows";
import { Load } from "./load";
import { confirmGone, failed, failureOf, handIn, type Outcome } from "./outcome";
import { ProbeLink } from "./probe_link";
import { FlowRegistry, TEST_LIMIT_MS } from "./registry";
import { SampleLog } from "./samples";
import { Halted, Ticker } from "./ticker";
import type { WorkerFactory } from "./worker_port";

/** What is unanswered for this long after the last phase is lost, µs. */
export const LATE_ANSWER_LIMIT_US = 3_000_000;
/** From the decision to start to the first probe, µs: the workers must have heard of it. */
export const START_LEAD_US = 150_000;
/** How long the load workers may take to start before the test starts without having heard of all, µs. */
const CREW_LIMIT_US = 5_000_000;
/** Silence of the probe worker after which the device must have been asleep, µs. */
const ASLEEP_US = 4_000_000;

/** What a test runs on. */
export type Machinery = { api: Api; workers: WorkerFactory; epoch_us: () => number; loadByHttp: () => LoadByHttp };

/** Where a test is. */
export type Step = "admitting" | "connecting" | "running" | "settling" | "reporting" | "over";

type Halt = "stopped" | "lost" | "asleep" | "too_long";

/** A time of load in one direction, on the test's clock. */
type Stretch = { direction: Direction; start_us: number; end_us: number };

/** How a stretch is loaded. */
type LoadShape = { flowsByHttp: number; flowsMax: number; flowsAtStart: number; noteFlows: (flows: number) => void };

/** What is in both kinds of samples. */
type CommonSamples = Pick<TestSamples, "client" | "started_at" | "probes" | "probe_transport" | "node_rtt" | "device">;

/** One test. Read its public fields at any time; `handleUpdate` is called when they are worth drawing again. */
export abstract class Run {
  readonly log = new SampleLog();
  readonly bins = new GoodputBins();
  readonly registry = new FlowRegistry();
  step: Step = "admitting";
  admission: TestAdmission | null = null;
  probeTransport: ProbeTransport = "ping_role";
  /** The node's own count of this test's open flows; `null` until asked. */
  openFlows: number | null = null;

  protected readonly ticker = new Ticker(() => this.elapsed_us);
  protected readonly crew: Crew;
  protected readonly handleUpdate: () => void;
  protected startEpoch_us = 0;
  protected count: CountLink | null = null;

  readonly #machinery: Machinery;
  readonly #client: ClientDescription;
  readonly #abort = new AbortController();
  #startedAt = new Date(0);
  #tickEpoch_us = 0;
  #haltedBy: Halt | null = null;
  #halted_us = 0;
  #isAbandoned = false;
  #probe: ProbeLink | null = null;

  constructor(machinery: Machinery, client: ClientDescription, handleUpdate: () => void) {
    this.#machinery = machinery;
    this.#client = client;
    this.handleUpdate = handleUpdate;
    this.crew = new Crew(machinery.workers, this.registry);
  }

  /** From admission to the end of the last phase; rejects with `Halted`, or with what went wrong. */
  protected abstract measure(): Promise<void>;
  /** Ends what load there is. */
  protected abstract endLoads(reason: "stopped"): Promise<void>;
  /** Whether what was seen until the halt says something. */
  protected abstract isJudgeable(): boolean;
  /** Ten times a second. */
  protected abstract handleTick(): void;
  /** Everything that was seen, as the node wants it. */
  abstract samples(): TestSamples;

  /** The last phase is over; what still runs by itself is to stop. */
  protected handleSettling(): void {}

  /** Whether nothing but probes can still be out. */
  protected get isSettled(): boolean {
    return true;
  }

  /** What went wrong, for the user. */
  protected outcomeOf(fault: unknown): Outcome {
    if (fault instanceof ApiError && fault.message === "blocked") {
      return failed("blocked", "The node answers, but nothing that could measure latency gets through to it.");
    }
    return { kind: "failed", failure: failureOf(fault) };
  }

  /** Microseconds since the start; 0 before it. */
  get elapsed_us(): number {
    if (this.startEpoch_us === 0) return 0;
    return Math.max(0, Math.round(this.#machinery.epoch_us() - this.startEpoch_us));
  }

  /** When the test was halted; `null` while nothing has. */
  protected get halted_us(): number | null {
    return this.#haltedBy === null ? null : this.#halted_us;
  }

  protected get signal(): AbortSignal {
    return this.#abort.signal;
  }

  protected get client(): ClientDescription {
    return this.#client;
  }

  /** Runs the test to its end, whatever that is. Never rejects. */
  async run(): Promise<Outcome> {
    const limit = setTimeout(() => this.#halt("too_long"), TEST_LIMIT_MS);
    try {
      await this.measure();
      await this.#settle();
      return await this.#report();
    } catch (fault) {
      return await this.#handleFault(fault);
    } finally {
      clearTimeout(limit);
      this.step = "over";
      this.handleUpdate();
      void this.#confirmGone();
    }
  }

  /** Ends the test now; where what was seen so far says something, it is still reported. */
  stop(): void {
    this.#halt("stopped");
  }

  /** The page is going away: ends everything before returning, and leaves the node a note. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#haltedBy ??= "stopped";
    this.ticker.halt();
    this.#abort.abort();
    this.registry.endNow();
    if (this.admission !== null) void this.#machinery.api.end(this.admission).catch(() => undefined);
  }

  /** Hands the samples in again after `report_failed`. */
  async reportAgain(): Promise<Outcome> {
    const outcome = await this.#report();
    this.step = "over";
    void this.#confirmGone();
    return outcome;
  }

  protected commonSamples(): CommonSamples {
    return {
      client: this.#client,
      started_at: this.#startedAt.toISOString(),
      probes: this.log.probes,
      probe_transport: this.probeTransport,
      node_rtt: this.log.nodeRtt,
      device: {
        probe_timer_late_us: this.log.timerLate_us,
        upload_backlog_bytes_max: this.log.uploadBacklog_bytes_max,
      },
    };
  }

  protected enter(step: Step): void {
    this.step = step;
    this.handleUpdate();
  }

  /** Starts the probe worker, which also keeps the time. */
  protected startProbe(): void {
    this.#probe = new ProbeLink(
      this.#machinery.workers.probe(),
      this.registry,
      this.log,
      () => this.#tick(),
      (at_us) => this.#halt("lost", at_us),
    );
  }

  /** Rejects when there is no way at all for probes. */
  protected async connectProbe({ endpoints, test_id }: TestAdmission): Promise<void> {
    const query = `?test_id=${test_id}`;
    const connected = this.#probe?.connect({
      ping_role: endpoints.ping_ws + query,
      main_role: endpoints.ping_ws_fallback + query,
      http: endpoints.ping_http,
    });
    let isHere = false;
    void connected?.then(() => {
      isHere = true;
      this.ticker.tick();
    });
    await this.ticker.until(Number.POSITIVE_INFINITY, () => isHere);
    const transport = (await connected) ?? null;
    if (transport === null) throw new ApiError("failed", "blocked");
    this.probeTransport = transport;
  }

  /** Has the workers that count and load come, without waiting for them. */
  protected hire(stretches: Stretch[]): void {
    this.count = new CountLink(this.#machinery.workers.count(), this.registry, this.bins);
    this.crew.hire(stretches, () => this.ticker.tick());
  }

  /** Starts the clock once the load's workers are there, or have had their time; probes are sent until `probes_end_us`. */
  protected async startClock(probes_end_us: number): Promise<void> {
    const { epoch_us } = this.#machinery;
    const crewLimit_us = epoch_us() + CREW_LIMIT_US;
    await this.ticker.until(Number.POSITIVE_INFINITY, () => this.crew.isReady || epoch_us() >= crewLimit_us);
    this.startEpoch_us = epoch_us() + START_LEAD_US;
    this.#startedAt = new Date(this.startEpoch_us / 1000);
    this.#tickEpoch_us = this.startEpoch_us;
    this.#probe?.run(this.startEpoch_us, probes_end_us);
    this.enter("running");
  }

  protected openLoad({ direction, start_us, end_us }: Stretch, shape: LoadShape): Load {
    const { admission } = this;
    if (admission === null) throw new Halted();
    const { endpoints, test_id, token } = admission;
    const query = `?test_id=${test_id}`;
    if (direction === "up") this.count?.start(this.startEpoch_us, endpoints.test, token);
    return new Load(this.elapsed_us, {
      direction,
      urls:
        direction === "down"
          ? { websocket: endpoints.bulk_download_ws + query, http: endpoints.download + query }
          : { websocket: endpoints.bulk_upload_ws + query, http: endpoints.upload + query },
      httpFlowsMax: shape.flowsByHttp,
      start_epoch_us: this.startEpoch_us,
      lifetime_ms: (end_us - start_us + LATE_ANSWER_LIMIT_US) / 1000,
      flowsMax: shape.flowsMax,
      flowsAtStart: shape.flowsAtStart,
      registry: this.registry,
      bins: this.bins,
      crew: this.crew.take(direction),
      noteFlows: shape.noteFlows,
      noteBacklog: (backlog_bytes) => {
        if (direction === "up") this.noteBacklog(backlog_bytes);
      },
    });
  }

  protected noteBacklog(backlog_bytes: number): void {
    this.log.uploadBacklog_bytes_max = Math.max(this.log.uploadBacklog_bytes_max, backlog_bytes);
  }

  /** From the probe worker. */
  #tick(): void {
    const now = this.#machinery.epoch_us();
    const awake_us = Math.round(this.#tickEpoch_us - this.startEpoch_us);
    if (this.step === "running" && now - this.#tickEpoch_us > ASLEEP_US) this.#halt("asleep", awake_us);
    this.#tickEpoch_us = now;
    this.handleTick();
    this.ticker.tick();
    this.handleUpdate();
  }

  /** Waits for the answers that are still out. */
  async #settle(): Promise<void> {
    this.enter("settling");
    this.#probe?.hush();
    this.handleSettling();
    const limit_us = this.elapsed_us + LATE_ANSWER_LIMIT_US;
    const isOver = () =>
      this.signal.aborted ||
      (this.log.unanswered === 0 && this.isSettled) ||
      this.elapsed_us >= limit_us ||
      this.registry.open === 0;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (isOver()) resolve();
        else setTimeout(look, 50);
      };
      // One batch interval, so that the last probes' own entries have arrived.
      setTimeout(look, 150);
    });
    await this.registry.end("finished");
  }

  async #report(): Promise<Outcome> {
    const { admission } = this;
    if (admission === null) return { kind: "stopped" };
    this.enter("reporting");
    return handIn(this.#machinery.api, admission, this.samples(), this.signal);
  }

  async #handleFault(fault: unknown): Promise<Outcome> {
    const wasRunning = this.step === "running";
    const haltedBy = this.#haltedBy;
    await this.endLoads("stopped");
    if (haltedBy !== null && wasRunning && this.isJudgeable()) {
      const outcome = await this.#reportPartial(haltedBy === "stopped");
      if (outcome !== null && (outcome.kind === "result" || haltedBy === "stopped")) return outcome;
    }
    await this.registry.end("stopped");
    if (this.admission !== null) await this.#machinery.api.end(this.admission).catch(() => undefined);
    switch (haltedBy) {
      case "stopped":
        return { kind: "stopped" };
      case "lost":
      case "too_long":
        return failed("lost", "The connection to the node was lost in the middle of the test.");
      case "asleep":
        return failed("asleep", "The page was put to sleep in the middle of the test.");
      case null:
        return this.outcomeOf(fault);
    }
  }

  /** What was measured until the halt; `null` when the user then stopped that, too. */
  async #reportPartial(isProbeAlive: boolean): Promise<Outcome | null> {
    try {
      if (isProbeAlive) await this.#settle();
      await this.registry.end("stopped");
      return await this.#report();
    } catch {
      return null;
    }
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
    this.ticker.halt();
    this.handleUpdate();
  }

  async #confirmGone(): Promise<void> {
    if (this.admission === null) return;
    await confirmGone(this.#machinery.api, this.admission, (open_flows) => {
      if (open_flows !== null) this.openFlows = open_flows;
      this.handleUpdate();
      return this.#isAbandoned ? "enough" : "ask_on";
    });
  }
}

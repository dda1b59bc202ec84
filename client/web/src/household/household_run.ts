// One household test from admission to report: the timeline on the absolute clock, the line's probe worker beside it, the
// capacity phases, the users, and the certainty that nothing of it is left. No DOM, and no statistics: those are the node's.
//
// Longer than most files: the order of a test is one idea, and its steps share the same dozen values.

import { ApiError } from "../measurement/api";
import type { Step } from "../measurement/controller";
import { CountLink } from "../measurement/count_link";
import { Crew } from "../measurement/crew";
import { FLOWS_AT_START } from "../measurement/flow_count";
import { GoodputBins } from "../measurement/goodput_bins";
import { httpFlowsMax } from "../measurement/http_flows";
import { Load } from "../measurement/load";
import { confirmGone, failed, failureOf, handIn, type Outcome } from "../measurement/outcome";
import { ProbeLink } from "../measurement/probe_link";
import { FlowRegistry, TEST_LIMIT_MS } from "../measurement/registry";
import { SampleLog } from "../measurement/samples";
import { Halted, Ticker } from "../measurement/ticker";
import type {
  ClientDescription,
  DemandMode,
  Direction,
  HouseholdPhase,
  HouseholdSpan,
  ProbeTransport,
  TestAdmission,
  TestSamples,
} from "../protocol";
import { AdaptiveDemand } from "./demand";
import type { HouseholdMachinery } from "./machinery";
import { capacityDirection, putOff, spanOf, spansUntil } from "./phases";
import { recordedFlows } from "./recorded";
import { UserLink } from "./user_link";
import { UserLog } from "./user_log";

/** A probe unanswered, or totals not said, for this long after the traffic are lost, µs. */
const LATE_ANSWER_LIMIT_US = 3_000_000;
/** From the decision to start to the first probe, and from that to the traffic to its start, µs: workers must have heard. */
const START_LEAD_US = 150_000;
/** How long workers may take to start before the test starts without having heard of all, µs. */
const CREW_LIMIT_US = 5_000_000;
/** How long the node may take to agree that the capacity flows are gone before the traffic begins all the same, µs. */
const GONE_LIMIT_US = 3_000_000;
const GONE_POLL_US = 100_000;
/** The end of a capacity phase over which the line's capacity is taken: the flows have ramped up by then, µs. */
const CAPACITY_WINDOW_US = 2_000_000;
/** Silence of the probe worker after which the device must have been asleep, µs. */
const ASLEEP_US = 4_000_000;
/** Traffic that ran for less says nothing of anybody, µs. */
const JUDGEABLE_US_MIN = 5_000_000;
/** The registry's name for the count worker, whose work is done before the traffic. */
const COUNT_FLOW = "count";

type Halt = "stopped" | "lost" | "asleep" | "too_long";

/** One test. Read its public fields at any time; `handleUpdate` is called when they are worth drawing again. */
export class HouseholdRun {
  /** The line's own probes, over the whole test. */
  readonly log = new SampleLog();
  /** What the capacity phases moved. */
  readonly bins = new GoodputBins();
  readonly registry = new FlowRegistry();
  readonly demandMode: DemandMode;
  step: Step = "admitting";
  admission: TestAdmission | null = null;
  /** As planned at first; as they really ran in the end. */
  phases: HouseholdSpan[] = [];
  /** In the order of their cards. */
  users: UserLink[] = [];
  capacity: Record<Direction, number | null> = { down: null, up: null };
  probeTransport: ProbeTransport = "ping_role";
  /** The node's own count of this test's open flows; `null` until asked. */
  openFlows: number | null = null;

  readonly #machinery: HouseholdMachinery;
  readonly #client: ClientDescription;
  readonly #handleUpdate: () => void;
  readonly #abort = new AbortController();
  readonly #ticker = new Ticker(() => this.elapsed_us);
  readonly #crew: Crew;
  readonly #demands = new Map<UserLink, AdaptiveDemand>();
  #load: Load | null = null;
  #startEpochUs = 0;
  #startedAt = new Date(0);
  #tickEpochUs = 0;
  #haltedBy: Halt | null = null;
  #halted_us = 0;
  #isAbandoned = false;
  #probe: ProbeLink | null = null;
  #count: CountLink | null = null;

  constructor(machinery: HouseholdMachinery, client: ClientDescription, demandMode: DemandMode, handleUpdate: () => void) {
    this.#machinery = machinery;
    this.#client = client;
    this.demandMode = demandMode;
    this.#handleUpdate = handleUpdate;
    this.#crew = new Crew(machinery.workers, this.registry);
  }

  /** Microseconds since the start; 0 before it. */
  get elapsed_us(): number {
    if (this.#startEpochUs === 0) return 0;
    return Math.max(0, Math.round(this.#machinery.epoch_us() - this.#startEpochUs));
  }

  /** The phase that is running; `null` outside of the timeline. */
  get phase(): HouseholdPhase | null {
    if (this.step !== "running") return null;
    return this.phases.find((span) => this.elapsed_us < span.end_us)?.phase ?? null;
  }

  /** What a user asks for now, to them, Mbit/s. */
  demandDown_mbps(user: UserLink): number {
    return this.#demands.get(user)?.mbps ?? user.log.demand_down_mbps;
  }

  /** Runs the test to its end, whatever that is. Never rejects. */
  async run(): Promise<Outcome> {
    const limit = setTimeout(() => this.#halt("too_long"), TEST_LIMIT_MS);
    try {
      await this.#prepare();
      await this.#measureCapacity();
      await this.#runTraffic();
      await this.#settle();
      return await this.#report();
    } catch (fault) {
      return await this.#handleFault(fault);
    } finally {
      clearTimeout(limit);
      this.step = "over";
      this.#handleUpdate();
      void this.#confirmGone();
    }
  }

  /** Ends the test now; where the users had their time, what they went through is still reported. */
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
    const phases = this.#haltedBy === null ? this.phases : spansUntil(this.phases, this.#halted_us);
    const end_us = phases.at(-1)?.end_us ?? 0;
    const demandOf = (user: UserLink) => this.#demands.get(user)?.mean_mbps(end_us) ?? user.log.demand_down_mbps;
    return {
      mode: "household",
      client: this.#client,
      started_at: this.#startedAt.toISOString(),
      phases: [],
      probes: this.log.probes,
      probe_transport: this.probeTransport,
      node_rtt: this.log.nodeRtt,
      goodput: [],
      flows: [],
      device: {
        probe_timer_late_us: this.log.timerLate_us,
        upload_backlog_bytes_max: this.log.uploadBacklog_bytes_max,
      },
      household: {
        demand: this.demandMode,
        phases,
        capacity_down_mbps: this.capacity.down,
        capacity_up_mbps: this.capacity.up,
        users: this.users.map((user) => user.log.samples(end_us, demandOf(user))),
      },
    };
  }

  /** Hands the samples in again after `report_failed`. */
  async reportAgain(): Promise<Outcome> {
    const outcome = await this.#report();
    this.step = "over";
    void this.#confirmGone();
    return outcome;
  }

  async #prepare(): Promise<void> {
    const { api, workers, epoch_us } = this.#machinery;
    const { signal } = this.#abort;
    const admission = await api.admit({ mode: "household", client: this.#client }, signal);
    this.admission = admission;
    const catalogue = await api.catalogue(signal);
    const plan = this.demandMode === "adaptive" ? catalogue.adaptive_phases : catalogue.standard_phases;
    this.phases = plan.map((span) => ({ ...span }));
    const { profiles } = catalogue;
    this.users = profiles.map(
      (profile) => new UserLink(workers.user(profile.user_id), this.registry, new UserLog(profile), () => this.#ticker.tick()),
    );
    this.step = "connecting";
    this.#handleUpdate();

    const traffic = spanOf(this.phases, "traffic");
    const recorded = recordedFlows(profiles, ((traffic?.end_us ?? 0) - (traffic?.start_us ?? 0)) / 1e6);
    for (const [index, user] of this.users.entries()) {
      const redirect_url = new URL(`/ws/virtual-household/${user.log.profile.user_id}`, admission.endpoints.test);
      user.connect(redirect_url.href, admission.test_id, recorded[index] ?? []);
    }
    this.#probe = new ProbeLink(
      workers.probe(),
      this.registry,
      this.log,
      () => this.#handleTick(),
      (at_us) => this.#halt("lost", at_us),
    );
    if (this.demandMode === "adaptive") {
      this.#count = new CountLink(workers.count(), this.registry, this.bins);
      const stretches = this.phases.flatMap(({ phase, start_us, end_us }) => {
        const direction = capacityDirection(phase);
        return direction === null ? [] : [{ direction, start_us, end_us }];
      });
      this.#crew.hire(stretches, () => this.#ticker.tick());
    }
    await this.#connectProbe(this.#probe, admission);
    await this.#ticker.until(Number.POSITIVE_INFINITY, () => this.users.every((user) => user.state !== "connecting"));
    const missing = this.users.filter((user) => user.state !== "connected").map((user) => user.log.profile.name);
    if (missing.length > 0) throw new ApiError("failed", `No session could be opened for ${missing.join(", ")}.`);
    const crewLimit_us = epoch_us() + CREW_LIMIT_US;
    await this.#ticker.until(Number.POSITIVE_INFINITY, () => this.#crew.isReady || epoch_us() >= crewLimit_us);

    this.#startEpochUs = epoch_us() + START_LEAD_US;
    this.#startedAt = new Date(this.#startEpochUs / 1000);
    this.#tickEpochUs = this.#startEpochUs;
    // The traffic may begin late; the probes stop when they are told to.
    this.#probe.run(this.#startEpochUs, (this.phases.at(-1)?.end_us ?? 0) + GONE_LIMIT_US + START_LEAD_US);
    this.step = "running";
    this.#handleUpdate();
  }

  async #connectProbe(probe: ProbeLink, { endpoints, test_id }: TestAdmission): Promise<void> {
    const query = `?test_id=${test_id}`;
    let isHere = false;
    const connected = probe.connect({
      ping_role: endpoints.ping_ws + query,
      main_role: endpoints.ping_ws_fallback + query,
      http: endpoints.ping_http,
    });
    void connected.then(() => {
      isHere = true;
      this.#ticker.tick();
    });
    await this.#ticker.until(Number.POSITIVE_INFINITY, () => isHere);
    const transport = await connected;
    if (transport === null) throw new ApiError("failed", "blocked");
    this.probeTransport = transport;
  }

  /** In adaptive mode; what the line carries each way, one after the other. */
  async #measureCapacity(): Promise<void> {
    for (const span of this.phases) {
      const direction = capacityDirection(span.phase);
      if (direction === null) continue;
      await this.#ticker.until(span.start_us);
      this.#load = this.#openLoad(direction, span);
      await this.#ticker.until(span.end_us);
      await this.#endLoad();
      const from_us = Math.max(span.start_us, span.end_us - CAPACITY_WINDOW_US);
      // The receiver of an upload is the node, whose word of the last bins is still on its way.
      if (direction === "up") await this.#waitUntilGone();
      const mean_mbps = this.bins.mean_mbps(direction, from_us, span.end_us);
      this.capacity[direction] = mean_mbps > 0 ? mean_mbps : null;
      this.#handleUpdate();
    }
    await this.registry.end("phase_over", [COUNT_FLOW]);
  }

  #openLoad(direction: Direction, span: HouseholdSpan): Load {
    const { admission } = this;
    if (admission === null) throw new Halted();
    const { endpoints, test_id, token, flows_max } = admission;
    const query = `?test_id=${test_id}`;
    if (direction === "up") this.#count?.start(this.#startEpochUs, endpoints.test, token);
    const flowsByHttp = httpFlowsMax(direction, { uploads: false, probesByHttp: false }, this.#machinery.loadByHttp());
    return new Load(this.elapsed_us, {
      direction,
      urls:
        direction === "down"
          ? { websocket: endpoints.bulk_download_ws + query, http: endpoints.download + query }
          : { websocket: endpoints.bulk_upload_ws + query, http: endpoints.upload + query },
      httpFlowsMax: flowsByHttp,
      start_epoch_us: this.#startEpochUs,
      lifetime_ms: (span.end_us - span.start_us + LATE_ANSWER_LIMIT_US) / 1000,
      flowsMax: flows_max,
      flowsAtStart: flowsByHttp || FLOWS_AT_START,
      registry: this.registry,
      bins: this.bins,
      crew: this.#crew.take(direction),
      noteFlows: () => undefined,
      noteBacklog: (backlog_bytes) => {
        if (direction === "up") this.#noteBacklog(backlog_bytes);
      },
    });
  }

  async #endLoad(reason: "phase_over" | "stopped" = "phase_over"): Promise<void> {
    const load = this.#load;
    this.#load = null;
    await load?.end(reason);
  }

  /** Until the node, too, has let go of the capacity flows, within a limit: the users shall find the line empty. */
  async #waitUntilGone(): Promise<void> {
    const { admission } = this;
    if (admission === null) return;
    const limit_us = this.elapsed_us + GONE_LIMIT_US;
    // The line's probe and the users' sessions stay.
    const ours = 1 + this.users.length;
    while (this.elapsed_us < limit_us) {
      const status = await this.#machinery.api.status(admission, this.#abort.signal).catch(() => null);
      if (status !== null && status.open_flows <= ours) return;
      await this.#ticker.until(this.elapsed_us + GONE_POLL_US);
    }
  }

  async #runTraffic(): Promise<void> {
    const planned = spanOf(this.phases, "traffic");
    if (planned === undefined) throw new Halted();
    await this.#ticker.until(planned.start_us - START_LEAD_US);
    this.phases = putOff(this.phases, "traffic", this.elapsed_us + START_LEAD_US);
    const { start_us, end_us } = spanOf(this.phases, "traffic") ?? planned;
    for (const user of this.users) {
      if (this.demandMode === "adaptive" && user.log.profile.model === "bulk") {
        const demand = new AdaptiveDemand(start_us, user.log.demand_down_mbps, this.capacity.down ?? 0);
        this.#demands.set(user, demand);
        user.setDemand(demand.mbps);
      }
      user.run(this.#startEpochUs, start_us, end_us);
    }
    await this.#ticker.until(end_us);
  }

  /** Ten times a second, from the line's probe worker. */
  #handleTick(): void {
    const now = this.#machinery.epoch_us();
    const awake_us = Math.round(this.#tickEpochUs - this.#startEpochUs);
    if (this.step === "running" && now - this.#tickEpochUs > ASLEEP_US) this.#halt("asleep", awake_us);
    this.#tickEpochUs = now;
    this.#load?.grow(this.elapsed_us);
    if (this.phase === "traffic") this.#raiseDemands();
    this.#noteBacklog(this.users.reduce((sum, user) => sum + user.log.backlog_bytes, 0));
    this.#ticker.tick();
    this.#handleUpdate();
  }

  #raiseDemands(): void {
    for (const [user, demand] of this.#demands) {
      const raised_mbps = demand.handleAchieved(this.elapsed_us, user.log.down_mbps(this.elapsed_us) ?? 0);
      if (raised_mbps !== null) user.setDemand(raised_mbps);
    }
  }

  #noteBacklog(backlog_bytes: number): void {
    this.log.uploadBacklog_bytes_max = Math.max(this.log.uploadBacklog_bytes_max, backlog_bytes);
  }

  /** Stops the traffic, and waits for the answers and totals that are still out. */
  async #settle(): Promise<void> {
    this.step = "settling";
    this.#handleUpdate();
    this.#probe?.hush();
    for (const user of this.users) user.stop();
    const limit_us = this.elapsed_us + LATE_ANSWER_LIMIT_US;
    const isSettled = () =>
      this.log.unanswered === 0 && this.users.every(({ state }) => state === "finished" || state === "lost");
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.#abort.signal.aborted || isSettled() || this.elapsed_us >= limit_us || this.registry.open === 0) resolve();
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
    this.step = "reporting";
    this.#handleUpdate();
    return handIn(this.#machinery.api, admission, this.samples(), this.#abort.signal);
  }

  async #handleFault(fault: unknown): Promise<Outcome> {
    const wasRunning = this.step === "running";
    const haltedBy = this.#haltedBy;
    await this.#endLoad("stopped");
    if (haltedBy !== null && wasRunning && this.#isJudgeable()) {
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
        return this.#failure(fault);
    }
  }

  #failure(fault: unknown): Outcome {
    if (fault instanceof ApiError && fault.message === "blocked") {
      return failed("blocked", "The node answers, but nothing that could measure latency gets through to it.");
    }
    const isAboutSessions = this.step === "connecting" && this.users.some((user) => user.state === "unreachable");
    if (isAboutSessions && fault instanceof ApiError) return failed("blocked", fault.message);
    return { kind: "failed", failure: failureOf(fault) };
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

  #isJudgeable(): boolean {
    const traffic = spanOf(spansUntil(this.phases, this.#halted_us), "traffic");
    return traffic !== undefined && traffic.end_us - traffic.start_us >= JUDGEABLE_US_MIN;
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

  /** Asks the node for its count until it is zero, for at most 10 s. */
  async #confirmGone(): Promise<void> {
    if (this.admission === null) return;
    await confirmGone(this.#machinery.api, this.admission, (open_flows) => {
      if (open_flows !== null) this.openFlows = open_flows;
      this.#handleUpdate();
      return this.#isAbandoned ? "enough" : "ask_on";
    });
  }
}

// One household test: the capacity phases, the users, and what their samples are. Its life is `Run`'s.

import { ApiError } from "../measurement/api";
import { FLOWS_AT_START } from "../measurement/flow_count";
import { httpFlowsMax } from "../measurement/http_flows";
import type { Load } from "../measurement/load";
import { failed, type Outcome } from "../measurement/outcome";
import { Run, START_LEAD_US } from "../measurement/run";
import { Halted } from "../measurement/ticker";
import type { ClientDescription, DemandMode, Direction, HouseholdPhase, HouseholdSpan, TestAdmission, TestSamples } from "../protocol";
import { AdaptiveDemand } from "./demand";
import type { HouseholdMachinery } from "./machinery";
import { capacityDirection, putOff, spanOf, spansUntil } from "./phases";
import { recordedFlows } from "./recorded";
import { UserLink } from "./user_link";
import { UserLog } from "./user_log";

/** How long the node may take to agree that the capacity flows are gone before the traffic begins all the same, µs. */
const GONE_LIMIT_US = 3_000_000;
const GONE_POLL_US = 100_000;
/** The end of a capacity phase over which the line's capacity is taken: the flows have ramped up by then, µs. */
const CAPACITY_WINDOW_US = 2_000_000;
/** Traffic that ran for less says nothing of anybody, µs. */
const JUDGEABLE_US_MIN = 5_000_000;
/** The registry's name for the count worker, whose work is done before the traffic. */
const COUNT_FLOW = "count";

/** One test: `log` has the line's own probes over all of it, `bins` what the capacity phases moved. */
export class HouseholdRun extends Run {
  readonly demandMode: DemandMode;
  /** As planned at first; as they really ran in the end. */
  phases: HouseholdSpan[] = [];
  /** In the order of their cards. */
  users: UserLink[] = [];
  capacity: Record<Direction, number | null> = { down: null, up: null };

  readonly #machinery: HouseholdMachinery;
  readonly #demands = new Map<UserLink, AdaptiveDemand>();
  #load: Load | null = null;

  constructor(machinery: HouseholdMachinery, client: ClientDescription, demandMode: DemandMode, handleUpdate: () => void) {
    super(machinery, client, handleUpdate);
    this.#machinery = machinery;
    this.demandMode = demandMode;
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

  override samples(): TestSamples {
    const phases = this.#phasesSeen();
    const end_us = phases.at(-1)?.end_us ?? 0;
    const demandOf = (user: UserLink) => this.#demands.get(user)?.mean_mbps(end_us) ?? user.log.demand_down_mbps;
    return {
      ...this.commonSamples(),
      mode: "household",
      phases: [],
      goodput: [],
      flows: [],
      household: {
        demand: this.demandMode,
        phases,
        capacity_down_mbps: this.capacity.down,
        capacity_up_mbps: this.capacity.up,
        users: this.users.map((user) => user.log.samples(end_us, demandOf(user))),
      },
    };
  }

  protected override async measure(): Promise<void> {
    await this.#prepare();
    await this.#measureCapacity();
    await this.#runTraffic();
  }

  async #prepare(): Promise<void> {
    const { api } = this.#machinery;
    const admission = await api.admit({ mode: "household", client: this.client }, this.signal);
    this.admission = admission;
    const catalogue = await api.catalogue(this.signal);
    const plan = this.demandMode === "adaptive" ? catalogue.adaptive_phases : catalogue.standard_phases;
    this.phases = plan.map((span) => ({ ...span }));
    const { workers } = this.#machinery;
    this.users = catalogue.profiles.map(
      (profile) => new UserLink(workers.user(profile.user_id), this.registry, new UserLog(profile), () => this.ticker.tick()),
    );
    this.enter("connecting");
    this.#connectUsers(admission);
    this.startProbe();
    if (this.demandMode === "adaptive") {
      const stretches = this.phases.flatMap(({ phase, start_us, end_us }) => {
        const direction = capacityDirection(phase);
        return direction === null ? [] : [{ direction, start_us, end_us }];
      });
      this.hire(stretches);
    }
    await this.connectProbe(admission);
    await this.ticker.until(Number.POSITIVE_INFINITY, () => this.users.every((user) => user.state !== "connecting"));
    const missing = this.users.filter((user) => user.state !== "connected").map((user) => user.log.profile.name);
    if (missing.length > 0) throw new ApiError("failed", `No session could be opened for ${missing.join(", ")}.`);
    // The traffic may begin late; the probes stop when they are told to.
    await this.startClock((this.phases.at(-1)?.end_us ?? 0) + GONE_LIMIT_US + START_LEAD_US);
  }

  #connectUsers({ endpoints, test_id }: TestAdmission): void {
    const traffic = spanOf(this.phases, "traffic");
    const traffic_s = ((traffic?.end_us ?? 0) - (traffic?.start_us ?? 0)) / 1e6;
    const profiles = this.users.map((user) => user.log.profile);
    const recorded = recordedFlows(profiles, traffic_s);
    for (const [index, user] of this.users.entries()) {
      const redirect_url = new URL(`/ws/virtual-household/${user.log.profile.user_id}`, endpoints.test);
      user.connect(redirect_url.href, test_id, recorded[index] ?? []);
    }
  }

  /** In adaptive mode; what the line carries each way, one after the other. */
  async #measureCapacity(): Promise<void> {
    for (const span of this.phases) {
      const direction = capacityDirection(span.phase);
      if (direction === null) continue;
      await this.ticker.until(span.start_us);
      this.#load = this.#loadCapacity(direction, span);
      await this.ticker.until(span.end_us);
      await this.#endLoad("phase_over");
      const from_us = Math.max(span.start_us, span.end_us - CAPACITY_WINDOW_US);
      // The receiver of an upload is the node, whose word of the last bins is still on its way.
      if (direction === "up") await this.#waitUntilGone();
      const mean_mbps = this.bins.mean_mbps(direction, from_us, span.end_us);
      this.capacity[direction] = mean_mbps > 0 ? mean_mbps : null;
      this.handleUpdate();
    }
    await this.registry.end("phase_over", [COUNT_FLOW]);
  }

  #loadCapacity(direction: Direction, span: HouseholdSpan): Load {
    const flowsByHttp = httpFlowsMax(direction, { uploads: false, probesByHttp: false }, this.#machinery.loadByHttp());
    return this.openLoad(
      { direction, start_us: span.start_us, end_us: span.end_us },
      {
        flowsByHttp,
        flowsMax: this.admission?.flows_max ?? 0,
        flowsAtStart: flowsByHttp || FLOWS_AT_START,
        noteFlows: () => undefined,
      },
    );
  }

  async #endLoad(reason: "phase_over" | "stopped"): Promise<void> {
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
      const status = await this.#machinery.api.status(admission, this.signal).catch(() => null);
      if (status !== null && status.open_flows <= ours) return;
      await this.ticker.until(this.elapsed_us + GONE_POLL_US);
    }
  }

  async #runTraffic(): Promise<void> {
    const planned = spanOf(this.phases, "traffic");
    if (planned === undefined) throw new Halted();
    await this.ticker.until(planned.start_us - START_LEAD_US);
    this.phases = putOff(this.phases, "traffic", this.elapsed_us + START_LEAD_US);
    const { start_us, end_us } = spanOf(this.phases, "traffic") ?? planned;
    for (const user of this.users) {
      if (this.demandMode === "adaptive" && user.log.profile.model === "bulk") {
        const demand = new AdaptiveDemand(start_us, user.log.demand_down_mbps, this.capacity.down ?? 0);
        this.#demands.set(user, demand);
        user.setDemand(demand.mbps);
      }
      user.run(this.startEpoch_us, start_us, end_us);
    }
    await this.ticker.until(end_us);
  }

  protected override handleTick(): void {
    this.#load?.grow(this.elapsed_us);
    if (this.phase === "traffic") this.#raiseDemands();
    this.noteBacklog(this.users.reduce((sum, user) => sum + user.log.backlog_bytes, 0));
  }

  #raiseDemands(): void {
    for (const [user, demand] of this.#demands) {
      const raised_mbps = demand.handleAchieved(this.elapsed_us, user.log.down_mbps(this.elapsed_us) ?? 0);
      if (raised_mbps !== null) user.setDemand(raised_mbps);
    }
  }

  protected override endLoads(reason: "stopped"): Promise<void> {
    return this.#endLoad(reason);
  }

  protected override handleSettling(): void {
    for (const user of this.users) user.stop();
  }

  /** Whether every user's totals are here. */
  protected override get isSettled(): boolean {
    return this.users.every(({ state }) => state === "finished" || state === "lost");
  }

  protected override isJudgeable(): boolean {
    const traffic = spanOf(this.#phasesSeen(), "traffic");
    return traffic !== undefined && traffic.end_us - traffic.start_us >= JUDGEABLE_US_MIN;
  }

  protected override outcomeOf(fault: unknown): Outcome {
    const isAboutSessions = this.step === "connecting" && this.users.some((user) => user.state === "unreachable");
    if (isAboutSessions && fault instanceof ApiError && fault.message !== "blocked") return failed("blocked", fault.message);
    return super.outcomeOf(fault);
  }

  #phasesSeen(): HouseholdSpan[] {
    return this.halted_us === null ? this.phases : spansUntil(this.phases, this.halted_us);
  }
}

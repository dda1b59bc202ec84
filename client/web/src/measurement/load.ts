// The load of one stretch of the timeline in one direction: its workers, its flows, its growth. Owns no clock of its own.

import type { Direction } from "../protocol";
import type { CrewMember } from "./crew";
import { FlowCount, JUDGEMENT_WINDOW_US } from "./flow_count";
import type { GoodputBins } from "./goodput_bins";
import type { FlowOrder, LoadNotice, LoadTransport } from "./messages";
import { END_BOUND_MS, type EndReason, type FlowRegistry } from "./registry";

/** What a load needs from the test it is part of. */
export type LoadContext = {
  direction: Direction;
  urls: Record<LoadTransport, string>;
  /** How many flows go by HTTP; those beyond go by WebSocket. */
  httpFlowsMax: number;
  start_epoch_us: number;
  lifetime_ms: number;
  flowsMax: number;
  flowsAtStart: number;
  registry: FlowRegistry;
  bins: GoodputBins;
  crew: CrewMember[];
  /** The number of connected flows changed. */
  noteFlows: (flows: number) => void;
  noteBacklog: (backlog_bytes: number) => void;
};

/** See the module's head. */
export class Load {
  readonly #context: LoadContext;
  readonly #count: FlowCount;
  readonly #backlogs = new Map<string, number>();
  readonly #connected = new Set<string>();
  readonly #surplus = new Set<string>();
  #opened = 0;
  #isEnding = false;

  /** Opens the first flows at once. */
  constructor(now_us: number, context: LoadContext) {
    this.#context = context;
    this.#count = new FlowCount(now_us, context.flowsMax, context.flowsAtStart);
    const { start_epoch_us, urls, registry } = context;
    for (const member of context.crew) {
      member.handle = (notice) => this.#handleProgress(member.id, notice);
      registry.touch(member.id);
      member.port.post({ type: "start", start_epoch_us, urls });
    }
    this.#openFlows(this.#count.flows);
  }

  /** Which way it loads. */
  get direction(): Direction {
    return this.#context.direction;
  }

  /** Where a later phase should start. */
  get reached(): { flows: number; isFast: boolean } {
    return { flows: this.#count.flows, isFast: this.#count.isFast };
  }

  /** Flows with a connection. */
  get connected(): number {
    return this.#connected.size;
  }

  /** Opens more flows if the last addition paid, or ends it. Called often while the load ramps up, and only then. */
  grow(now_us: number): void {
    if (this.#count.isSettled || this.#isEnding) return;
    const { bins, direction } = this.#context;
    const to_us = bins.countedUntil(direction, now_us);
    const goodput_mbps = bins.mean_mbps(direction, to_us - JUDGEMENT_WINDOW_US, to_us);
    const change = this.#count.handleGoodput(now_us, goodput_mbps);
    if (change > 0) this.#openFlows(change);
    else this.#closeFlows(-change);
  }

  /** Ends all flows and workers, and returns when they are gone from here. */
  async end(reason: EndReason): Promise<void> {
    this.#isEnding = true;
    await this.#context.registry.end(
      reason,
      this.#context.crew.map((member) => member.id),
      END_BOUND_MS,
    );
    this.#connected.clear();
    this.#context.noteFlows(0);
  }

  #openFlows(count: number): void {
    const { crew, httpFlowsMax, lifetime_ms } = this.#context;
    const batches: FlowOrder[][] = crew.map(() => []);
    for (let index = 0; index < count; index += 1) {
      const transport = this.#opened < httpFlowsMax ? "http" : "websocket";
      batches[this.#opened % batches.length]?.push({ id: `flow-${this.#opened}`, transport });
      this.#opened += 1;
    }
    for (const [index, flows] of batches.entries()) {
      if (flows.length > 0) crew[index]?.port.post({ type: "open", flows, lifetime_ms });
    }
  }

  /** Ends the newest flows. */
  #closeFlows(count: number): void {
    const { crew } = this.#context;
    for (let closed = 0; closed < count; closed += 1) {
      this.#opened -= 1;
      const id = `flow-${this.#opened}`;
      this.#connected.delete(id);
      this.#surplus.add(id);
      crew[this.#opened % crew.length]?.port.post({ type: "close", id });
    }
    if (count > 0) this.#context.noteFlows(this.#connected.size);
  }

  #handleProgress(workerId: string, notice: Extract<LoadNotice, { type: "progress" }>): void {
    const { bins, direction, registry } = this.#context;
    bins.add(direction, notice.bins);
    if (notice.bins.length > 0) registry.touch(workerId);
    this.#backlogs.set(workerId, notice.backlog_bytes);
    this.#context.noteBacklog([...this.#backlogs.values()].reduce((sum, backlog_bytes) => sum + backlog_bytes, 0));
    if (notice.opened.length === 0 && notice.lost.length === 0) return;
    // A flow may have been given up before its connection came about.
    for (const id of notice.opened) if (!this.#surplus.has(id)) this.#connected.add(id);
    for (const id of notice.lost) this.#connected.delete(id);
    if (!this.#isEnding) this.#context.noteFlows(this.#connected.size);
  }
}

// The load of one stretch of the timeline in one direction: its workers, its flows, its growth. Owns no clock of its own.

import type { Direction } from "../protocol";
import { FlowCount, JUDGEMENT_WINDOW_US } from "./flow_count";
import { BIN_US, type GoodputBins } from "./goodput_bins";
import type { LoadNotice, LoadOrder, LoadTransport } from "./messages";
import { END_BOUND_MS, type EndReason, type FlowRegistry } from "./registry";
import type { WorkerPort } from "./worker_port";

/** Load workers in one direction: more threads than this only take the cores from one another. */
export const WORKERS_PER_DIRECTION_MAX = 2;

/** What a load needs from the test it is part of. */
export type LoadContext = {
  direction: Direction;
  transport: LoadTransport;
  url: string;
  start_epoch_us: number;
  lifetime_ms: number;
  flowsMax: number;
  flowsAtStart: number;
  registry: FlowRegistry;
  bins: GoodputBins;
  openWorker: () => WorkerPort<LoadOrder, LoadNotice>;
  /** The number of connected flows changed. */
  noteFlows: (flows: number) => void;
  noteBacklog: (backlog_bytes: number) => void;
};

/** See the module's head. */
export class Load {
  readonly #context: LoadContext;
  readonly #count: FlowCount;
  readonly #workers: { id: string; port: WorkerPort<LoadOrder, LoadNotice>; backlog_bytes: number }[] = [];
  readonly #connected = new Set<string>();
  #opened = 0;
  #lost = 0;
  #isEnding = false;

  /** Opens the first flows at once. `name` is unique in the test. */
  constructor(name: string, now_us: number, context: LoadContext) {
    this.#context = context;
    this.#count = new FlowCount(now_us, context.flowsMax, context.flowsAtStart);
    const workers = Math.min(WORKERS_PER_DIRECTION_MAX, context.flowsMax);
    for (let index = 0; index < workers; index += 1) this.#openWorker(`${name}-${index}`);
    this.#openFlows(this.#count.flows);
  }

  /** Which way it loads. */
  get direction(): Direction {
    return this.#context.direction;
  }

  /** Flows that should be open. */
  get flows(): number {
    return this.#count.flows;
  }

  /** Flows with a connection. */
  get connected(): number {
    return this.#connected.size;
  }

  /** Whether every flow that was opened is gone again without having been asked to. */
  get isDead(): boolean {
    return this.#lost > 0 && this.#lost >= this.#opened;
  }

  /** Opens more flows if the last addition paid. Called often while the load ramps up, and only then. */
  grow(now_us: number): void {
    const due_us = this.#count.pollTimeout();
    if (due_us === null || now_us < due_us || this.#isEnding) return;
    // The last bin is still being filled, and a report is up to one interval old.
    const to_us = now_us - 1.5 * BIN_US;
    const goodput_mbps = this.#context.bins.mean_mbps(this.#context.direction, to_us - JUDGEMENT_WINDOW_US, to_us);
    this.#openFlows(this.#count.handleGoodput(now_us, goodput_mbps));
  }

  /** Ends all flows and workers, and returns when they are gone from here. */
  async end(reason: EndReason): Promise<void> {
    this.#isEnding = true;
    await this.#context.registry.end(
      reason,
      this.#workers.map((worker) => worker.id),
      END_BOUND_MS,
    );
    this.#connected.clear();
    this.#context.noteFlows(0);
  }

  #openWorker(id: string): void {
    const { registry } = this.#context;
    const port = this.#context.openWorker();
    const worker = { id, port, backlog_bytes: 0 };
    this.#workers.push(worker);
    registry.register(
      id,
      { kind: "worker", end: () => port.post({ type: "end" }), force: () => port.terminate() },
      this.#context.lifetime_ms,
    );
    port.listen((notice) => {
      if (notice.type === "ended") {
        port.terminate();
        registry.ended(id);
      } else {
        worker.backlog_bytes = notice.backlog_bytes;
        this.#handleProgress(id, notice);
      }
    });
    const { start_epoch_us, url, transport } = this.#context;
    port.post({ type: "start", start_epoch_us, url, transport });
  }

  #openFlows(count: number): void {
    if (count === 0) return;
    const batches: string[][] = this.#workers.map(() => []);
    for (let index = 0; index < count; index += 1) {
      batches[this.#opened % batches.length]?.push(`flow-${this.#opened}`);
      this.#opened += 1;
    }
    for (const [index, ids] of batches.entries()) {
      if (ids.length > 0) this.#workers[index]?.port.post({ type: "open", ids, lifetime_ms: this.#context.lifetime_ms });
    }
  }

  #handleProgress(workerId: string, notice: Extract<LoadNotice, { type: "progress" }>): void {
    const { bins, direction, registry } = this.#context;
    bins.add(direction, notice.bins);
    if (notice.bins.length > 0) registry.touch(workerId);
    this.#context.noteBacklog(this.#workers.reduce((sum, worker) => sum + worker.backlog_bytes, 0));
    if (notice.opened.length === 0 && notice.lost.length === 0) return;
    for (const id of notice.opened) this.#connected.add(id);
    for (const id of notice.lost) this.#connected.delete(id);
    this.#lost += notice.lost.length;
    if (!this.#isEnding) this.#context.noteFlows(this.#connected.size);
  }
}

// The load workers of a whole test, started before its clock: a thread that starts up in the middle of a graded phase
// takes the processor from the probes, and a loaded machine takes seconds to start one.

import type { Direction } from "../protocol";
import type { LoadNotice, LoadOrder } from "./messages";
import type { FlowRegistry } from "./registry";
import type { LoadStretch } from "./timeline";
import type { WorkerFactory, WorkerPort } from "./worker_port";

/** Load workers in one direction: more threads than this only take the cores from one another. */
export const WORKERS_PER_DIRECTION_MAX = 2;

/** A load worker that waits for its stretch, or works in it. */
export type CrewMember = {
  /** Its name in the registry. */
  id: string;
  port: WorkerPort<LoadOrder, LoadNotice>;
  /** Takes what it says besides that it is ready and that it has ended. */
  handle: (notice: Extract<LoadNotice, { type: "progress" }>) => void;
};

/** See the module's head. */
export class Crew {
  readonly #registry: FlowRegistry;
  readonly #workers: WorkerFactory;
  readonly #waiting: Record<Direction, CrewMember[]> = { down: [], up: [] };
  #hired = 0;
  #ready = 0;

  constructor(workers: WorkerFactory, registry: FlowRegistry) {
    this.#workers = workers;
    this.#registry = registry;
  }

  /** Whether every worker that was started has said that it is there. */
  get isReady(): boolean {
    return this.#ready === this.#hired;
  }

  /** Starts the workers of these stretches. `handleReady` is called as each of them is there. */
  hire(stretches: readonly LoadStretch[], handleReady: () => void): void {
    for (const { direction } of stretches) {
      for (let count = 0; count < WORKERS_PER_DIRECTION_MAX; count += 1) {
        this.#waiting[direction].push(this.#start(direction, handleReady));
      }
    }
  }

  /** The workers of one stretch in one direction. Each ends with its stretch, so none carries anything into the next. */
  take(direction: Direction): CrewMember[] {
    const waiting = this.#waiting[direction].splice(0, WORKERS_PER_DIRECTION_MAX);
    // A load that changes its transport needs a second crew for the same stretch.
    return waiting.length > 0 ? waiting : [this.#start(direction, () => undefined)];
  }

  #start(direction: Direction, handleReady: () => void): CrewMember {
    const id = `${direction}-${this.#hired}`;
    this.#hired += 1;
    const port = direction === "down" ? this.#workers.download() : this.#workers.upload();
    const member: CrewMember = { id, port, handle: () => undefined };
    this.#registry.register(id, { kind: "worker", end: () => port.post({ type: "end" }), force: () => port.terminate() });
    port.listen((notice) => {
      switch (notice.type) {
        case "ready":
          this.#ready += 1;
          handleReady();
          break;
        case "progress":
          member.handle(notice);
          break;
        case "ended":
          port.terminate();
          this.#registry.ended(id);
          break;
      }
    });
    return member;
  }
}

// The page's side of the count worker: the node's count of uploaded bytes, into the test's bins.

import type { GoodputBins } from "./goodput_bins";
import type { CountNotice, CountOrder } from "./messages";
import type { FlowRegistry } from "./registry";
import type { WorkerPort } from "./worker_port";

/** The registry's name for the count worker. */
const FLOW_ID = "count";

/** See the module's head. */
export class CountLink {
  readonly #port: WorkerPort<CountOrder, CountNotice>;
  #isStarted = false;

  constructor(port: WorkerPort<CountOrder, CountNotice>, registry: FlowRegistry, bins: GoodputBins) {
    this.#port = port;
    registry.register(FLOW_ID, { kind: "worker", end: () => port.post({ type: "end" }), force: () => port.terminate() });
    port.listen((notice) => {
      switch (notice.type) {
        case "counted":
          registry.touch(FLOW_ID);
          bins.add("up", notice.bins);
          break;
        case "ended":
          port.terminate();
          registry.ended(FLOW_ID);
          break;
      }
    });
  }

  /** Starts asking; nothing happens when it was started before. */
  start(start_epoch_us: number, url: string, token: string): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#port.post({ type: "start", start_epoch_us, url, token });
  }
}

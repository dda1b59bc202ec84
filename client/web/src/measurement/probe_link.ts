// The page's side of the probe worker: connect, run, drain, end.

import type { ProbeTransport } from "../protocol";
import type { ProbeNotice, ProbeOrder, ProbeUrls } from "./messages";
import type { FlowRegistry } from "./registry";
import type { SampleLog } from "./samples";
import type { WorkerPort } from "./worker_port";

/** The registry's name for the probe worker. */
const FLOW_ID = "probe";

/** See the module's head. */
export class ProbeLink {
  readonly #port: WorkerPort<ProbeOrder, ProbeNotice>;
  readonly #connected: Promise<ProbeTransport | null>;

  /**
   * `handleTick` is called with every batch, ten times a second; `handleLost`, with the time at which the connection
   * broke, when it is beyond recovery.
   */
  constructor(
    port: WorkerPort<ProbeOrder, ProbeNotice>,
    registry: FlowRegistry,
    log: SampleLog,
    handleTick: () => void,
    handleLost: (at_us: number) => void,
  ) {
    this.#port = port;
    registry.register(FLOW_ID, { kind: "worker", end: () => port.post({ type: "end" }), force: () => port.terminate() });
    this.#connected = new Promise((resolve) => {
      port.listen((notice) => {
        switch (notice.type) {
          case "connected":
            resolve(notice.transport);
            break;
          case "unreachable":
            resolve(null);
            break;
          case "batch":
            registry.touch(FLOW_ID);
            log.handleBatch(notice.sent, notice.answered, notice.node_rtt);
            handleTick();
            break;
          case "lost":
            handleLost(notice.at_us);
            break;
          case "ended":
            port.terminate();
            registry.ended(FLOW_ID);
            break;
        }
      });
    });
  }

  /** Which way the probes take; `null` when none is open. */
  connect(urls: ProbeUrls): Promise<ProbeTransport | null> {
    this.#port.post({ type: "connect", urls });
    return this.#connected;
  }

  /** Starts sending at the start of the test. */
  run(start_epoch_us: number, end_us: number): void {
    this.#port.post({ type: "run", start_epoch_us, end_us });
  }

  /** Sends no more, but still listens. */
  hush(): void {
    this.#port.post({ type: "hush" });
  }
}

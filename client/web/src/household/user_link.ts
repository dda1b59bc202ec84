// The page's side of a user's worker: connect, run, stop, end.

import type { FlowRegistry } from "../measurement/registry";
import type { WorkerPort } from "../measurement/worker_port";
import type { UserNotice, UserOrder } from "./messages";
import type { UserLog } from "./user_log";

/** How a session stands. */
export type SessionState = "connecting" | "connected" | "unreachable" | "lost" | "finished";

/** See the module's head. */
export class UserLink {
  readonly log: UserLog;
  state: SessionState = "connecting";
  /** Whether a process of the user's own serves it; `null` before it is connected. */
  isolated: boolean | null = null;
  readonly #port: WorkerPort<UserOrder, UserNotice>;

  /** `handleUpdate` is called with everything that is heard. */
  constructor(port: WorkerPort<UserOrder, UserNotice>, registry: FlowRegistry, log: UserLog, handleUpdate: () => void) {
    const id = `user-${log.profile.user_id}`;
    this.log = log;
    this.#port = port;
    registry.register(id, { kind: "worker", end: () => port.post({ type: "end" }), force: () => port.terminate() });
    port.listen((notice) => {
      registry.touch(id);
      switch (notice.type) {
        case "connected":
          this.state = "connected";
          this.isolated = notice.isolated;
          break;
        case "unreachable":
        case "lost":
        case "finished":
          this.state = notice.type;
          break;
        case "started":
          log.started_us = notice.at_us;
          break;
        case "batch":
          log.handleBatch(notice);
          break;
        case "ended":
          port.terminate();
          registry.ended(id);
          break;
      }
      handleUpdate();
    });
  }

  /** Opens the session; `state` tells when it is there. */
  connect(redirect_url: string, test_id: string, recorded_flows: number[]): void {
    const { profile } = this.log;
    this.#port.post({ type: "connect", redirect_url, test_id, profile, recorded_flows });
  }

  /** All traffic, both ways, between two moments of the test. */
  run(start_epoch_us: number, from_us: number, to_us: number): void {
    this.#port.post({ type: "run", start_epoch_us, from_us, to_us });
  }

  /** Asks for another rate to the user, Mbit/s. */
  setDemand(down_mbps: number): void {
    this.#port.post({ type: "demand", down_mbps });
  }

  /** No more traffic; `state` tells when the node's totals are in. */
  stop(): void {
    this.#port.post({ type: "stop" });
  }
}

// For tests only: a node with a household and workers without threads or network, on whatever clock the test runs.

import { FakeMachinery, type Behaviour } from "../measurement/fake_machinery";
import type { WorkerPort } from "../measurement/worker_port";
import type { HouseholdCatalogue, HouseholdPhase, HouseholdSpan, ProfileDescription } from "../protocol";
import type { HouseholdMachinery } from "./machinery";
import type { UserNotice, UserOrder } from "./messages";
import { addReceived, NOTHING_RECEIVED } from "./received";

/** How a user's worker misbehaves. */
export type UserBehaviour = { unreachable?: string; lost?: string; isStubborn?: boolean };

/** What a user's worker was told and did. */
export type UserTrace = { user_id: string; orders: UserOrder[]; gone: boolean };

function spans(rows: [HouseholdPhase, number, number][]): HouseholdSpan[] {
  return rows.map(([phase, from_s, to_s]) => ({ phase, start_us: from_s * 1e6, end_us: to_s * 1e6 }));
}

/** A user with one constant flow each way. */
export function profile(user_id: string, model: ProfileDescription["model"], down_mbps = 1.5): ProfileDescription {
  const flow = { pattern: { type: "constant" as const, messages_per_second: 64 }, message_bytes: 1_000, messages_per_second: 64 };
  return {
    user_id,
    name: user_id.toUpperCase(),
    activity: "something",
    description: "",
    port: 1,
    model,
    down_mbps,
    up_mbps: 0.5,
    mean_down_mbps: down_mbps,
    mean_up_mbps: 0.5,
    flows: [
      { ...flow, direction: "down", rate_bps: down_mbps * 1e6 },
      { ...flow, direction: "up", rate_bps: 500_000 },
    ],
  };
}

/** A game and a transfer. */
export function catalogue(): HouseholdCatalogue {
  return {
    profiles: [profile("alex", "gaming"), profile("computer", "bulk", 50)],
    adaptive_phases: spans([
      ["baseline", 0, 5],
      ["capacity_down", 5, 10],
      ["capacity_up", 10, 15],
      ["traffic", 15, 45],
    ]),
    standard_phases: spans([
      ["baseline", 0, 5],
      ["traffic", 5, 35],
    ]),
  };
}

/** See the module's head. A user receives, each 100 ms, what they ask for. */
export class FakeHousehold {
  readonly node: FakeMachinery;
  readonly users: UserTrace[] = [];
  readonly #behaviour: UserBehaviour;

  constructor(behaviour: UserBehaviour = {}, node: Behaviour = {}) {
    this.node = new FakeMachinery(node);
    this.#behaviour = behaviour;
  }

  /** What the test runs on. */
  get machinery(): HouseholdMachinery {
    const { api, workers, epoch_us, loadByHttp } = this.node.machinery;
    return {
      api: { ...api, catalogue: async () => catalogue() },
      workers: { ...workers, user: (user_id) => this.#user(user_id) },
      epoch_us,
      loadByHttp,
    };
  }

  /** The only order of a kind that a user got. */
  order<Type extends UserOrder["type"]>(user_id: string, type: Type): Extract<UserOrder, { type: Type }> | undefined {
    const orders = this.users.find((user) => user.user_id === user_id)?.orders ?? [];
    return orders.find((order): order is Extract<UserOrder, { type: Type }> => order.type === type);
  }

  #user(user_id: string): WorkerPort<UserOrder, UserNotice> {
    const trace: UserTrace = { user_id, orders: [], gone: false };
    this.users.push(trace);
    let tell: (notice: UserNotice) => void = () => undefined;
    let timer: ReturnType<typeof setInterval> | undefined;
    let demand_mbps = catalogue().profiles.find((known) => known.user_id === user_id)?.down_mbps ?? 0;
    let isStarted = false;
    let received = NOTHING_RECEIVED;
    const batch = (run: Extract<UserOrder, { type: "run" }>) => {
      const now_us = this.node.now_us;
      if (now_us < run.from_us) return;
      if (!isStarted) tell({ type: "started", at_us: now_us });
      isStarted = true;
      received = addReceived(received, { ...NOTHING_RECEIVED, received_bytes: 6_250, messages: 6, goodput_mbps: 0.5 });
      const bins: [number, number][] = [[Math.floor(now_us / 100_000), Math.round((demand_mbps * 1e5) / 8)]];
      const none = { sent: [], answered: [], messages: [], segments: [], backlog_bytes: 0 };
      tell({ type: "batch", bins, ...none, ups: [{ at_us: now_us, stats: received }] });
    };
    return {
      listen: (handle) => {
        tell = handle;
      },
      post: (order) => {
        trace.orders.push(order);
        if (order.type === "connect") {
          const isOut = this.#behaviour.unreachable === user_id;
          setTimeout(() => tell(isOut ? { type: "unreachable" } : { type: "connected", isolated: true }), 5);
        } else if (order.type === "run") {
          timer = setInterval(() => batch(order), 100);
          if (this.#behaviour.lost === user_id) setTimeout(() => tell({ type: "lost" }), 20_000);
        } else if (order.type === "demand") {
          demand_mbps = order.down_mbps;
        } else if (order.type === "stop") {
          clearInterval(timer);
          setTimeout(() => tell({ type: "finished" }), 20);
        } else if (order.type === "end" && this.#behaviour.isStubborn !== true) {
          clearInterval(timer);
          setTimeout(() => tell({ type: "ended" }), 5);
        }
      },
      terminate: () => {
        clearInterval(timer);
        trace.gone = true;
      },
    };
  }
}

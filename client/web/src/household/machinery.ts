// What a household test runs on, beside what every test does: the catalogue, and a worker for each user.

import { request, type Api } from "../measurement/api";
import type { LoadByHttp } from "../measurement/http_flows";
import { workers, wrap, type WorkerFactory, type WorkerPort } from "../measurement/worker_port";
import type { HouseholdCatalogue } from "../protocol";
import type { UserNotice, UserOrder } from "./messages";

/** What a test needs of the node. */
export type HouseholdApi = Api & { catalogue: (signal?: AbortSignal) => Promise<HouseholdCatalogue> };

/** Starts the kinds of worker that a household has. */
export type HouseholdWorkers = WorkerFactory & { user: (user_id: string) => WorkerPort<UserOrder, UserNotice> };

/** See the module's head. */
export type HouseholdMachinery = { api: HouseholdApi; workers: HouseholdWorkers; epoch_us: () => number; loadByHttp: () => LoadByHttp };

/** Who lives in the household of the node that served this page. */
export function fetchCatalogue(signal?: AbortSignal): Promise<HouseholdCatalogue> {
  return request("/virtual-household/profiles", {}, signal);
}

/** Real workers. */
export const householdWorkers: HouseholdWorkers = {
  ...workers,
  user: (user_id) =>
    wrap(new Worker(new URL("./user.worker.ts", import.meta.url), { type: "module", name: `user-${user_id}` })),
};

// A worker as the measurement sees it, so that tests can bring one that is no thread.

import type { CountNotice, CountOrder, LoadNotice, LoadOrder, ProbeNotice, ProbeOrder } from "./messages";

/** One end of a conversation with a worker. */
export type WorkerPort<Order, Notice> = {
  post: (order: Order) => void;
  listen: (handle: (notice: Notice) => void) => void;
  terminate: () => void;
};

/** Starts the four kinds of worker. */
export type WorkerFactory = {
  probe: () => WorkerPort<ProbeOrder, ProbeNotice>;
  download: () => WorkerPort<LoadOrder, LoadNotice>;
  upload: () => WorkerPort<LoadOrder, LoadNotice>;
  count: () => WorkerPort<CountOrder, CountNotice>;
};

/** A real worker's end. */
export function wrap<Order, Notice>(worker: Worker): WorkerPort<Order, Notice> {
  return {
    post: (order) => worker.postMessage(order),
    listen: (handle) => {
      worker.onmessage = (event: MessageEvent<Notice>) => handle(event.data);
    },
    terminate: () => worker.terminate(),
  };
}

/** Real workers. */
export const workers: WorkerFactory = {
  probe: () => wrap(new Worker(new URL("./probe.worker.ts", import.meta.url), { type: "module", name: "probe" })),
  download: () => wrap(new Worker(new URL("./download.worker.ts", import.meta.url), { type: "module", name: "download" })),
  upload: () => wrap(new Worker(new URL("./upload.worker.ts", import.meta.url), { type: "module", name: "upload" })),
  count: () => wrap(new Worker(new URL("./count.worker.ts", import.meta.url), { type: "module", name: "count" })),
};

// The count worker: asks the node, ten times a second, how much of the test's upload it has received.
//
// From the first upload to the test's end without a break, so that what arrives between two phases is in neither lost nor
// counted twice. A question that waits behind a full uplink takes as long as the queue is deep; its answer is then spread
// evenly over the time since the last.

import type { TestStatus } from "../protocol";
import { sinceUs } from "./clock";
import { BinCounter } from "./goodput_bins";
import type { CountNotice, CountOrder } from "./messages";
import { workerScope } from "./worker_scope";

/** From one answer to the next question, ms: the node brings its count up to date this often. */
const COUNT_INTERVAL_MS = 100;

const scope = workerScope<CountOrder, CountNotice>();
const abort = new AbortController();

async function count(order: Extract<CountOrder, { type: "start" }>): Promise<void> {
  const headers = { authorization: `Bearer ${order.token}` };
  const counter = new BinCounter();
  let received_bytes = 0;
  let counted_us = sinceUs(order.start_epoch_us);
  while (!abort.signal.aborted) {
    try {
      const reply = await fetch(order.url, { headers, cache: "no-store", signal: abort.signal });
      if (reply.ok) {
        const status = (await reply.json()) as TestStatus;
        const now_us = sinceUs(order.start_epoch_us);
        counter.addOver(counted_us, now_us, status.received_bytes - received_bytes);
        received_bytes = status.received_bytes;
        counted_us = now_us;
        scope.postMessage({ type: "counted", bins: counter.take() });
      }
    } catch {
      // Ended, or an answer was lost: the next one brings what this one would have.
    }
    await new Promise((resolve) => {
      setTimeout(resolve, COUNT_INTERVAL_MS);
    });
  }
}

scope.onmessage = (event) => {
  switch (event.data.type) {
    case "start":
      void count(event.data);
      break;
    case "end":
      abort.abort();
      scope.postMessage({ type: "ended" });
      break;
  }
};

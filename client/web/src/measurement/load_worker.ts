// The body of both load workers: opens flows, counts, reports every 100 ms, ends. What a flow does is its opener's part.

import { sinceUs } from "./clock";
import { BinCounter } from "./goodput_bins";
import type { FlowOrder, LoadNotice, LoadOrder, LoadTransport } from "./messages";
import { FlowRegistry, type FlowHandle } from "./registry";
import { workerScope } from "./worker_scope";

/** How often the page hears from a load worker, ms. Its thread must stay free for drawing. */
const REPORT_INTERVAL_MS = 100;

/** What a flow tells its worker. */
export type FlowEvents = {
  /** The connection is there. */
  opened: () => void;
  /** This end received `bytes` more. */
  counted: (bytes: number) => void;
  /** The flow is gone, asked to or not. */
  gone: () => void;
};

/** Opens a flow to `url`. */
export type FlowOpener = (url: string, events: FlowEvents) => FlowHandle & { backlog_bytes: () => number };

/** Runs this worker with one opener for each transport. */
export function runLoadWorker(openers: Record<LoadTransport, FlowOpener>): void {
  const scope = workerScope<LoadOrder, LoadNotice>();
  const registry = new FlowRegistry();
  const backlogs = new Map<string, () => number>();
  const counter = new BinCounter();
  let start: Extract<LoadOrder, { type: "start" }> | null = null;
  let opened: string[] = [];
  let lost: string[] = [];
  let isEnding = false;
  scope.postMessage({ type: "ready" });

  const report = () => {
    let backlog_bytes = 0;
    for (const backlog of backlogs.values()) backlog_bytes += backlog();
    scope.postMessage({ type: "progress", bins: counter.take(), opened, lost, backlog_bytes });
    opened = [];
    lost = [];
  };

  const open = ({ id, transport }: FlowOrder, lifetime_ms: number) => {
    if (start === null) return;
    const { start_epoch_us, urls } = start;
    const flow = openers[transport](urls[transport], {
      opened: () => opened.push(id),
      counted: (bytes) => {
        counter.add(sinceUs(start_epoch_us), bytes);
        registry.touch(id);
      },
      gone: () => {
        if (registry.find(id)?.ending_ms === null) lost.push(id);
        backlogs.delete(id);
        registry.ended(id);
      },
    });
    backlogs.set(id, flow.backlog_bytes);
    registry.register(id, flow, lifetime_ms);
  };

  scope.onmessage = (event) => {
    const order = event.data;
    switch (order.type) {
      case "start":
        start = order;
        setInterval(report, REPORT_INTERVAL_MS);
        break;
      case "open":
        if (!isEnding) for (const flow of order.flows) open(flow, order.lifetime_ms);
        break;
      case "close":
        void registry.end("surplus", [order.id]);
        break;
      case "end":
        isEnding = true;
        void registry.end("phase_over").then(() => {
          report();
          scope.postMessage({ type: "ended" });
        });
        break;
    }
  };
}

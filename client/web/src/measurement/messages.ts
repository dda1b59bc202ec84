// What the page and its workers say to each other. Types only.

import type { NodeRttSample, ProbeSample, ProbeTransport } from "../protocol";
import type { Bin } from "./goodput_bins";

/** How a load flow travels. */
export type LoadTransport = "websocket" | "http";

/** A flow to open. */
export type FlowOrder = { id: string; transport: LoadTransport };

/** Page → load worker. */
export type LoadOrder =
  | {
      type: "start";
      start_epoch_us: number;
      urls: Record<LoadTransport, string>;
    }
  | { type: "open"; flows: FlowOrder[]; lifetime_ms: number }
  | { type: "close"; id: string }
  | { type: "end" };

/** Load worker → page, at most one each 100 ms and one at the end. */
export type LoadNotice =
  /** The worker is there and has its payload. */
  | { type: "ready" }
  | {
      type: "progress";
      bins: Bin[];
      /** Flows that got their first connection since the last report. */
      opened: string[];
      /** Flows that ended without being asked to. */
      lost: string[];
      /** Bytes handed to sockets but not yet taken by the network. */
      backlog_bytes: number;
    }
  | { type: "ended" };

/** Page → count worker. `url` answers with the test's status to the bearer of `token`. */
export type CountOrder = { type: "start"; start_epoch_us: number; url: string; token: string } | { type: "end" };

/** Count worker → page: what the node received, in the bins in which it did. */
export type CountNotice = { type: "counted"; bins: Bin[] } | { type: "ended" };

/** Where the probe worker may connect, in the order of preference. */
export type ProbeUrls = { ping_role: string; main_role: string; http: string };

/** Page → probe worker. */
export type ProbeOrder =
  | { type: "connect"; urls: ProbeUrls }
  | { type: "run"; start_epoch_us: number; end_us: number }
  /** Send no more, but take the answers that are still out. */
  | { type: "hush" }
  | { type: "end" };

/** A probe that was sent, and how late the timer was that sent it. */
export type SentProbe = { sequence: number; sent_us: number; late_us: number };

/** A probe that was answered. */
export type AnsweredProbe = Omit<ProbeSample, "sent_us">;

/** Probe worker → page. */
export type ProbeNotice =
  | { type: "connected"; transport: ProbeTransport }
  | { type: "unreachable" }
  | { type: "batch"; sent: SentProbe[]; answered: AnsweredProbe[]; node_rtt: NodeRttSample[] }
  /** The connection broke at `at_us` and could not be had again. */
  | { type: "lost"; at_us: number }
  | { type: "ended" };

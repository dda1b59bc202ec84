// For tests only: a node and workers without threads or network, on whatever clock the test runs.

import type { Phase, PhaseSpan, Report, TestAdmission, TestSamples, TestStatus } from "../protocol";
import { ApiError } from "./api";
import type { Machinery } from "./run";
import { binAt, type Bin } from "./goodput_bins";
import type { LoadByHttp } from "./http_flows";
import type { CountNotice, CountOrder, LoadNotice, LoadOrder, ProbeNotice, ProbeOrder } from "./messages";
import { ProbeSchedule } from "./probe_schedule";
import type { WorkerPort } from "./worker_port";

/** The node's timeline of 40 s. */
export function timeline(): PhaseSpan[] {
  const spans: [Phase, number, number][] = [
    ["baseline", 0, 5],
    ["download_warmup", 5, 10],
    ["download", 10, 20],
    ["upload_warmup", 20, 25],
    ["upload", 25, 35],
    ["bidirectional", 35, 40],
  ];
  return spans.map(([phase, from_s, to_s]) => ({ phase, start_us: from_s * 1e6, end_us: to_s * 1e6 }));
}

/** How the fake misbehaves. */
export type Behaviour = {
  refuses?: ApiError;
  reportFails?: boolean;
  probe?: "ping_role" | "http" | "unreachable";
  /** Which of the load the browser sends by HTTP. */
  loadByHttp?: LoadByHttp;
  /** Load workers that do not answer to `end`. */
  isStubborn?: boolean;
  /** The line carries the same however many flows there are. */
  isFull?: boolean;
  /** The newest probes stay unanswered. */
  answers?: boolean;
};

/** What happened to a worker. */
export type WorkerLog = { kind: "probe" | "count" | "download" | "upload"; flows: number; transports: string[]; started_us: number | null; opened_us: number; gone_us: number | null };

const ROUND_TRIP_US = 20_000;
const BYTES_PER_FLOW_AND_BIN = 100_000;

/** See the module's head. */
export class FakeMachinery {
  readonly workerLogs: WorkerLog[] = [];
  readonly reported: TestSamples[] = [];
  deletions = 0;
  /** Loses the probe connection for good. */
  loseProbe: () => void = () => undefined;
  readonly behaviour: Behaviour;
  #start_epoch_us = 0;

  constructor(behaviour: Behaviour = {}) {
    this.behaviour = behaviour;
  }

  /** µs since the start that the page announced. */
  get now_us(): number {
    return Date.now() * 1000 - this.#start_epoch_us;
  }

  /** What the controller runs on. */
  get machinery(): Machinery {
    return {
      epoch_us: () => Date.now() * 1000,
      loadByHttp: () => this.behaviour.loadByHttp ?? "both",
      api: {
        admit: async () => {
          if (this.behaviour.refuses !== undefined) throw this.behaviour.refuses;
          return admission();
        },
        report: async (_, samples) => {
          if (this.behaviour.reportFails === true) throw new ApiError("unreachable", "gone");
          this.reported.push(structuredClone(samples));
          return { total_grade: "A" } as Report;
        },
        status: async () => this.#status(),
        end: async () => {
          this.deletions += 1;
          return this.#status();
        },
      },
      workers: {
        probe: () => this.#probe(),
        download: () => this.#load("download"),
        upload: () => this.#load("upload"),
        count: () => this.#count(),
      },
    };
  }

  /** Workers not gone. */
  get openWorkers(): number {
    return this.workerLogs.filter((log) => log.gone_us === null).length;
  }

  #status(): TestStatus {
    const open_flows = this.workerLogs.reduce((sum, log) => sum + (log.gone_us === null ? log.flows : 0), 0);
    return { test_id: "t", ended: false, open_flows, received_bytes: 0 };
  }

  #probe(): WorkerPort<ProbeOrder, ProbeNotice> {
    const log: WorkerLog = { kind: "probe", flows: 1, transports: [], started_us: null, opened_us: this.now_us, gone_us: null };
    this.workerLogs.push(log);
    let tell: (notice: ProbeNotice) => void = () => undefined;
    let schedule: ProbeSchedule | null = null;
    let timer: ReturnType<typeof setInterval> | undefined;
    this.loseProbe = () => {
      clearInterval(timer);
      tell({ type: "lost", at_us: this.now_us });
    };
    const batch = () => {
      const sent = [];
      for (let due = schedule?.pollTimeout(); due !== undefined && due !== null && due <= this.now_us; due = schedule?.pollTimeout()) {
        const probe = schedule?.pollProbe(due);
        if (probe !== undefined && probe !== null) sent.push({ ...probe, sent_us: due });
      }
      const answered = sent.map(({ sequence, sent_us }) => ({
        sequence,
        received_us: sent_us + ROUND_TRIP_US,
        node_receive_us: 1,
        node_send_us: 1,
      }));
      tell({ type: "batch", sent, answered: this.behaviour.answers === false ? [] : answered, node_rtt: [] });
    };
    return {
      listen: (handle) => {
        tell = handle;
      },
      post: (order) => {
        if (order.type === "connect") {
          const probe = this.behaviour.probe ?? "ping_role";
          setTimeout(() => tell(probe === "unreachable" ? { type: "unreachable" } : { type: "connected", transport: probe }), 5);
        } else if (order.type === "run") {
          this.#start_epoch_us = order.start_epoch_us;
          schedule = new ProbeSchedule(order.end_us);
          timer = setInterval(batch, 100);
        } else if (order.type === "end") {
          clearInterval(timer);
          setTimeout(() => tell({ type: "ended" }), 5);
        }
      },
      terminate: () => {
        clearInterval(timer);
        log.gone_us ??= this.now_us;
      },
    };
  }

  /** Its counts are the upload workers' own, for simplicity. */
  #count(): WorkerPort<CountOrder, CountNotice> {
    const log: WorkerLog = { kind: "count", flows: 0, transports: [], started_us: null, opened_us: this.now_us, gone_us: null };
    this.workerLogs.push(log);
    let tell: (notice: CountNotice) => void = () => undefined;
    return {
      listen: (handle) => {
        tell = handle;
      },
      post: (order) => {
        if (order.type === "start") log.started_us = this.now_us;
        else setTimeout(() => tell({ type: "ended" }), 5);
      },
      terminate: () => {
        log.gone_us ??= this.now_us;
      },
    };
  }

  #load(kind: "download" | "upload"): WorkerPort<LoadOrder, LoadNotice> {
    const log: WorkerLog = { kind, flows: 0, transports: [], started_us: null, opened_us: this.now_us, gone_us: null };
    this.workerLogs.push(log);
    let tell: (notice: LoadNotice) => void = () => undefined;
    let timer: ReturnType<typeof setInterval> | undefined;
    let opened: string[] = [];
    const report = () => {
      const filled = this.behaviour.isFull === true ? 1 : log.flows;
      const bins: Bin[] = [[binAt(this.now_us), filled * BYTES_PER_FLOW_AND_BIN]];
      tell({ type: "progress", bins, opened, lost: [], backlog_bytes: 7 });
      opened = [];
    };
    return {
      listen: (handle) => {
        tell = handle;
        setTimeout(() => tell({ type: "ready" }), 5);
      },
      post: (order) => {
        if (order.type === "start") {
          log.started_us = this.now_us;
          timer = setInterval(report, 100);
        } else if (order.type === "open") {
          log.flows += order.flows.length;
          log.transports.push(...order.flows.map((flow) => flow.transport));
          opened.push(...order.flows.map((flow) => flow.id));
        } else if (order.type === "close") {
          log.flows -= 1;
        } else if (this.behaviour.isStubborn !== true) {
          clearInterval(timer);
          setTimeout(() => tell({ type: "ended" }), 5);
        }
      },
      terminate: () => {
        clearInterval(timer);
        log.gone_us ??= this.now_us;
      },
    };
  }
}

function admission(): TestAdmission {
  return {
    test_id: "t",
    token: "secret",
    expires_s: 300,
    flows_max: 16,
    phases: timeline(),
    endpoints: {
      ping_ws: "ws://node/ping",
      ping_ws_fallback: "ws://node/main-ping",
      ping_http: "http://node/ping",
      warmup: "http://node/warmup",
      download: "http://node/download",
      upload: "http://node/upload",
      bulk_download_ws: "ws://node/bulk-download",
      bulk_upload_ws: "ws://node/bulk-upload",
      report: "http://node/report",
      test: "http://node/test",
    },
  };
}

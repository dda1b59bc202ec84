// The probe worker: its own thread, its own connection, its own timer, and nothing else in it. It sends on schedule,
// stamps each echo where it arrives, and tells the page twenty or fewer times a second what it saw.

import type { NodeMessage, NodeRttSample, ProbeTransport } from "../protocol";
import { PROBE_BYTES } from "../protocol";
import { epochUs } from "./clock";
import type { AnsweredProbe, ProbeNotice, ProbeOrder, ProbeUrls, SentProbe } from "./messages";
import { decodeEcho, encodeProbe } from "./probe_codec";
import { ProbeSchedule } from "./probe_schedule";
import { workerScope } from "./worker_scope";

/** How long one way of probing may take to connect before the next is tried, ms. */
const CONNECT_LIMIT_MS = 3_000;
/** How long a lost connection is tried again before the test is given up, ms. */
const RECONNECT_LIMIT_MS = 4_000;
/** Pause between two tries, ms. */
const RECONNECT_PAUSE_MS = 200;
/** A `GET /ping` unanswered for this long is given up, ms; the next one needs its connection. */
const HTTP_PROBE_LIMIT_MS = 3_000;
/** How often the page hears from here, ms. */
const BATCH_INTERVAL_MS = 100;
/** Probes sent before the test to warm the path and the code; their sequences are told from real ones by this. */
const WARM_SEQUENCE = 0xffff_ffff;
const WARM_PROBES = 5;

const scope = workerScope<ProbeOrder, ProbeNotice>();
const probeBuffer = new ArrayBuffer(PROBE_BYTES);

let socket: WebSocket | null = null;
let transport: ProbeTransport = "ping_role";
let urls: ProbeUrls | null = null;
let startEpochUs = 0;
let schedule: ProbeSchedule | null = null;
let isEnding = false;
let isHushed = false;
let httpAbort: AbortController | null = null;
let sent: SentProbe[] = [];
let answered: AnsweredProbe[] = [];
let nodeRtt: NodeRttSample[] = [];

const now_us = () => Math.round(epochUs() - startEpochUs);

function pause(duration_ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, duration_ms);
  });
}

/** Opens a WebSocket, or says that it can't within the limit. */
function openSocket(url: string, limit_ms: number): Promise<WebSocket | null> {
  return new Promise((resolve) => {
    let candidate: WebSocket;
    try {
      candidate = new WebSocket(url);
    } catch {
      resolve(null);
      return;
    }
    candidate.binaryType = "arraybuffer";
    const timer = setTimeout(() => {
      candidate.onopen = candidate.onclose = null;
      candidate.close();
      resolve(null);
    }, limit_ms);
    candidate.onopen = () => {
      clearTimeout(timer);
      resolve(candidate);
    };
    candidate.onclose = () => {
      clearTimeout(timer);
      resolve(null);
    };
  });
}

function adopt(opened: WebSocket): void {
  socket = opened;
  opened.onmessage = handleMessage;
  opened.onclose = () => {
    socket = null;
    if (isEnding) scope.postMessage({ type: "ended" });
    else void reconnect();
  };
}

async function connect(): Promise<void> {
  if (urls === null) return;
  const ways = [
    ["ping_role", urls.ping_role],
    ["main_role", urls.main_role],
  ] as const;
  for (const [way, url] of ways) {
    const opened = await openSocket(url, CONNECT_LIMIT_MS);
    if (opened === null) continue;
    transport = way;
    adopt(opened);
    for (let index = 0; index < WARM_PROBES; index += 1) {
      opened.send(encodeProbe(probeBuffer, WARM_SEQUENCE, 0));
      await pause(10);
    }
    scope.postMessage({ type: "connected", transport });
    return;
  }
  try {
    const reply = await fetch(urls.http, { cache: "no-store", signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
    await reply.text();
    transport = "http";
    scope.postMessage({ type: reply.ok ? "connected" : "unreachable", transport });
  } catch {
    scope.postMessage({ type: "unreachable" });
  }
}

/** The same way as before: changing it in the middle of a test would compare two different paths. */
async function reconnect(): Promise<void> {
  if (urls === null || schedule === null) return;
  const url = transport === "main_role" ? urls.main_role : urls.ping_role;
  const lost_us = now_us();
  const deadline_us = epochUs() + RECONNECT_LIMIT_MS * 1000;
  while (!isEnding) {
    const left_ms = (deadline_us - epochUs()) / 1000;
    if (left_ms <= 0) {
      scope.postMessage({ type: "lost", at_us: lost_us });
      return;
    }
    const opened = await openSocket(url, left_ms);
    if (opened !== null) {
      adopt(opened);
      return;
    }
    await pause(RECONNECT_PAUSE_MS);
  }
}

function handleMessage(event: MessageEvent<ArrayBuffer | string>): void {
  const received_us = now_us();
  if (typeof event.data === "string") {
    handleText(event.data, received_us);
    return;
  }
  const echo = decodeEcho(event.data);
  if (echo === null || echo.sequence === WARM_SEQUENCE || schedule === null) return;
  answered.push({
    sequence: echo.sequence,
    received_us,
    node_receive_us: echo.node_receive_us,
    node_send_us: echo.node_send_us,
  });
}

function handleText(text: string, at_us: number): void {
  if (schedule === null) return;
  let message: NodeMessage;
  try {
    message = JSON.parse(text) as NodeMessage;
  } catch {
    return;
  }
  if (message.type !== "node_rtt") return;
  nodeRtt.push({
    at_us: Math.max(0, at_us),
    ping_rtt_us: message.ping_rtt_us,
    kernel_rtt_us: message.kernel_rtt_us ?? null,
    kernel_min_rtt_us: message.kernel_min_rtt_us ?? null,
  });
}

function arm(): void {
  const due_us = schedule?.pollTimeout() ?? null;
  if (due_us === null || isEnding || isHushed) return;
  setTimeout(fire, Math.max(0, (due_us - now_us()) / 1000));
}

function fire(): void {
  if (schedule === null || isEnding || isHushed) return;
  const sent_us = now_us();
  const probe = schedule.pollProbe(sent_us);
  // A timer may fire a fraction of a millisecond early; then it is armed again.
  if (probe !== null) {
    sent.push({ sequence: probe.sequence, sent_us, late_us: probe.late_us });
    // Without a connection the probe counts as sent and lost: to the subscriber it is.
    if (transport === "http") void probeByHttp(probe.sequence);
    else if (socket?.readyState === WebSocket.OPEN) socket.send(encodeProbe(probeBuffer, probe.sequence, sent_us));
  }
  arm();
}

let isHttpProbeOut = false;

/** One at a time: two would need two connections, and their order would mean nothing. */
async function probeByHttp(sequence: number): Promise<void> {
  if (urls === null) return;
  if (isHttpProbeOut) {
    // Its slot passes unsent; a probe that was never sent must not be counted as lost.
    sent = sent.filter((probe) => probe.sequence !== sequence);
    return;
  }
  isHttpProbeOut = true;
  httpAbort = new AbortController();
  const limit = setTimeout(() => httpAbort?.abort(), HTTP_PROBE_LIMIT_MS);
  try {
    const reply = await fetch(urls.http, { cache: "no-store", signal: httpAbort.signal });
    await reply.arrayBuffer();
    answered.push({ sequence, received_us: now_us(), node_receive_us: null, node_send_us: null });
  } catch {
    // Unanswered: the sample stays without a reception time, which is what lost means.
  } finally {
    clearTimeout(limit);
    isHttpProbeOut = false;
  }
}

function postBatch(): void {
  scope.postMessage({ type: "batch", sent, answered, node_rtt: nodeRtt });
  sent = [];
  answered = [];
  nodeRtt = [];
}

scope.onmessage = (event) => {
  const order = event.data;
  switch (order.type) {
    case "connect":
      urls = order.urls;
      void connect();
      break;
    case "run":
      startEpochUs = order.start_epoch_us;
      schedule = new ProbeSchedule(order.end_us);
      arm();
      // Also the page's heartbeat: unlike its own timers these messages are not slowed down in a hidden tab.
      setInterval(postBatch, BATCH_INTERVAL_MS);
      break;
    case "hush":
      isHushed = true;
      break;
    case "end":
      isEnding = true;
      postBatch();
      httpAbort?.abort();
      if (socket === null) scope.postMessage({ type: "ended" });
      else socket.close(1000);
      break;
  }
};

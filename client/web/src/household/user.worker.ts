// One user of the household: a thread, a session, a clock. Receives what the node paces down, paces up what the user sends,
// and probes within the session, so that the figures are those of the user's own path and queue.

import { epochUs } from "../measurement/clock";
import type { AnsweredProbe, SentProbe } from "../measurement/messages";
import { decodeEcho, encodeProbe } from "../measurement/probe_codec";
import { ProbeSchedule } from "../measurement/probe_schedule";
import { workerScope } from "../measurement/worker_scope";
import {
  PROBE_BYTES,
  TRAFFIC_HEADER_BYTES,
  type ReceivedStats,
  type SessionClientMessage,
  type SessionNodeMessage,
  type SessionStats,
} from "../protocol";
import { Alarm } from "./alarm";
import { Downlink } from "./downlink";
import type { UpCount, UserNotice, UserOrder } from "./messages";
import { openSession } from "./session_route";
import { readHeader, writeHeader } from "./traffic_codec";
import { addReceived, NOTHING_RECEIVED } from "./received";
import { Uplink } from "./uplink";

/** How often the page hears from here, ms. */
const BATCH_INTERVAL_MS = 100;
/** How long a session may take to be there before the test, ms. */
const CONNECT_LIMIT_MS = 8_000;
/**
 * While so many bytes of the uplink wait in the page nothing more is released: the pacer decides what becomes of what is
 * overdue, not a queue. As in the node's own half.
 */
const WAITING_BYTES_MAX = 64 * 1024;
/** A worker whose socket is full looks again after this long, µs. */
const FULL_RETRY_US = 2_000;
/** The largest traffic message, bytes. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** Probes sent before the test to warm the path and the code; told from real ones by this. */
const WARM_SEQUENCE = 0xffff_ffff;
const WARM_PROBES = 5;

type Connect = Extract<UserOrder, { type: "connect" }>;
type Run = Extract<UserOrder, { type: "run" }>;

const scope = workerScope<UserOrder, UserNotice>();
const probeBuffer = new ArrayBuffer(PROBE_BYTES);
const message = randomBytes(MESSAGE_BYTES_MAX);
const messageView = new DataView(message.buffer);

let order: Connect | null = null;
let run: Run | null = null;
let socket: WebSocket | null = null;
let downlink: Downlink | null = null;
let uplink: Uplink | null = null;
let schedule: ProbeSchedule | null = null;
let demand_mbps: number | null = null;
let isStarted = false;
let isStopping = false;
let isEnding = false;
/** When this session's traffic began, and what the node had received before it, in a session that broke. */
let sessionStart_us = 0;
let receivedBefore = NOTHING_RECEIVED;
let received = NOTHING_RECEIVED;
let sent: SentProbe[] = [];
let answered: AnsweredProbe[] = [];
let ups: UpCount[] = [];

const now_us = () => Math.round(epochUs() - (run?.start_epoch_us ?? 0));
const alarm = new Alarm(handleAlarm);

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  crypto.getRandomValues(bytes);
  return bytes;
}

function say(text: SessionClientMessage): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(text));
}

async function connect(limit_ms: number): Promise<boolean> {
  if (order === null) return false;
  const deadline_us = epochUs() + limit_ms * 1000;
  const opened = await openSession(order.redirect_url, order.test_id, () => !isEnding && !isStopping && epochUs() < deadline_us);
  if (opened === null) return false;
  if (isEnding) {
    opened.socket.close(1000);
    return false;
  }
  socket = opened.socket;
  socket.onmessage = handleMessage;
  socket.onclose = handleClosed;
  scope.postMessage({ type: "connected", isolated: opened.isolated });
  return true;
}

async function connectFirst(): Promise<void> {
  if (!(await connect(CONNECT_LIMIT_MS))) {
    if (!isEnding) scope.postMessage({ type: "unreachable" });
    return;
  }
  for (let probe = 0; probe < WARM_PROBES; probe += 1) socket?.send(encodeProbe(probeBuffer, WARM_SEQUENCE, 0));
}

function handleClosed(): void {
  socket = null;
  if (isEnding) {
    scope.postMessage({ type: "ended" });
    return;
  }
  if (isStopping) {
    // Without the totals the last statistics stand.
    postBatch();
    scope.postMessage({ type: "finished" });
    return;
  }
  void reconnect();
}

async function reconnect(): Promise<void> {
  receivedBefore = received;
  // As long as the session is needed at all: a role that was killed is back within a second or three.
  const limit_ms = run === null ? CONNECT_LIMIT_MS : (run.to_us - now_us()) / 1000;
  if (!(await connect(limit_ms))) {
    if (isEnding) scope.postMessage({ type: "ended" });
    else scope.postMessage(isStopping ? { type: "finished" } : { type: "lost" });
    return;
  }
  if (isStarted) {
    downlink?.handleReopened(now_us());
    startTraffic();
  }
}

function handleMessage(event: MessageEvent<ArrayBuffer | string>): void {
  const received_us = now_us();
  if (typeof event.data === "string") {
    handleText(event.data);
    return;
  }
  const header = readHeader(event.data);
  if (header !== null) {
    if (isStarted) downlink?.handle(header, event.data.byteLength, received_us);
    return;
  }
  const echo = decodeEcho(event.data);
  if (echo === null || echo.sequence === WARM_SEQUENCE) return;
  const { sequence, node_receive_us, node_send_us } = echo;
  answered.push({ sequence, received_us, node_receive_us, node_send_us });
}

function handleText(text: string): void {
  let said: SessionNodeMessage;
  try {
    said = JSON.parse(text) as SessionNodeMessage;
  } catch {
    return;
  }
  switch (said.type) {
    case "session_stats":
      handleStats(said);
      break;
    case "session_end":
      if (isStarted) handleStats(said.totals);
      if (!isStopping) break;
      postBatch();
      scope.postMessage({ type: "finished" });
      break;
    case "welcome":
    case "error":
      break;
  }
}

/** The node's own time since the start says when it counted; when its word arrives, in a full queue, is another matter. */
function handleStats({ elapsed_us, up }: SessionStats): void {
  if (!isStarted) return;
  received = addReceived(receivedBefore, up as ReceivedStats);
  ups.push({ at_us: Math.min(now_us(), sessionStart_us + elapsed_us), stats: received });
}

function startTraffic(): void {
  if (order === null || run === null) return;
  sessionStart_us = now_us();
  say({ type: "start" });
  // Before its start a session has no flows whose demand could be set.
  if (demand_mbps !== null) say({ type: "set_demand", down_mbps: demand_mbps, up_mbps: null });
  uplink = new Uplink(order.profile, sessionStart_us);
  handleAlarm();
}

function handleAlarm(): void {
  if (run === null || isStopping || isEnding) return;
  const now = now_us();
  if (now < run.from_us) {
    alarm.set(run.from_us - now);
    return;
  }
  if (now >= run.to_us) return;
  if (!isStarted) {
    isStarted = true;
    scope.postMessage({ type: "started", at_us: now });
    startTraffic();
    return;
  }
  sendProbe(now);
  const isFull = !sendTraffic(now);
  const next_us = Math.min(
    schedule?.pollTimeout() ?? run.to_us,
    isFull ? now + FULL_RETRY_US : (uplink?.deadline_us ?? run.to_us),
    run.to_us,
  );
  alarm.set(next_us - now_us());
}

function sendProbe(now: number): void {
  const probe = schedule?.pollProbe(now) ?? null;
  if (probe === null) return;
  const { sequence, late_us } = probe;
  // Without a session the probe counts as sent and lost: to the user it is.
  sent.push({ sequence, sent_us: now, late_us });
  if (socket?.readyState === WebSocket.OPEN) socket.send(encodeProbe(probeBuffer, sequence, now));
}

/** Sends what is due and fits; false when it did not all fit. */
function sendTraffic(now: number): boolean {
  if (uplink === null || socket?.readyState !== WebSocket.OPEN) return false;
  for (;;) {
    if (socket.bufferedAmount >= WAITING_BYTES_MAX) return false;
    const outgoing = uplink.pollMessage(now);
    if (outgoing === null) return true;
    writeHeader(messageView, { ...outgoing.header, send_us: Math.round(epochUs()) });
    const bytes = Math.max(TRAFFIC_HEADER_BYTES, Math.min(MESSAGE_BYTES_MAX, outgoing.bytes));
    socket.send(message.subarray(0, bytes));
  }
}

function postBatch(): void {
  const arrived = downlink?.take() ?? { bins: [], messages: [], segments: [] };
  scope.postMessage({ type: "batch", ...arrived, sent, answered, ups, backlog_bytes: socket?.bufferedAmount ?? 0 });
  sent = [];
  answered = [];
  ups = [];
}

scope.onmessage = (event) => {
  const said = event.data;
  switch (said.type) {
    case "connect":
      order = said;
      downlink = new Downlink(said.profile, said.recorded_flows);
      void connectFirst();
      break;
    case "run":
      run = said;
      // In a bulk transfer a probe would measure the transfer's own queue.
      if (order?.profile.model !== "bulk") schedule = new ProbeSchedule(said.to_us, said.from_us);
      setInterval(postBatch, BATCH_INTERVAL_MS);
      handleAlarm();
      break;
    case "demand":
      demand_mbps = said.down_mbps;
      if (isStarted) say({ type: "set_demand", down_mbps: said.down_mbps, up_mbps: null });
      break;
    case "stop":
      isStopping = true;
      if (socket === null) scope.postMessage({ type: "finished" });
      else say({ type: "stop" });
      break;
    case "end":
      isEnding = true;
      alarm.close();
      if (socket === null) scope.postMessage({ type: "ended" });
      else socket.close(1000);
      break;
  }
};

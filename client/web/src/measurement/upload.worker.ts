// Upload flows: keep the network supplied with random bytes. What arrives is the node's to count (`count.worker.ts`).
//
// A POST of a Blob takes Chromium a third of the processor time that a WebSocket takes for the same bytes (4 flows over
// loopback on two busy cores: 1.6 to 2.2 Gbit/s against 0.4 to 0.9), but a browser allows only six of them to a host.
// In Firefox it is the other way round; see `http_flows.ts`.

import { isChromium } from "./http_flows";
import { runLoadWorker, type FlowOpener } from "./load_worker";
import { randomPayload } from "./payload";
import { UploadWindow } from "./upload_window";

/** Pieces handed to a socket, bytes: large ones cost less, small ones keep a slow line's window tight. */
const PIECE_BYTES_MAX = 256 * 1024;
const PIECE_BYTES_MIN = 16 * 1024;
/** How often sockets are topped up, ms; browsers clamp nested timers to about this. */
const FEED_INTERVAL_MS = 4;
/**
 * The body of one upload request, bytes: seconds at a gigabit, so that a flow rarely pauses between two. Firefox copies a
 * body before it sends the first byte of it: at 1 GiB it sent nothing for seconds, and answered no probe in less than one.
 */
const BODY_BYTES = isChromium ? 1024 * 1024 * 1024 : 16 * 1024 * 1024;
/** A body is made of so large pieces, bytes; the same piece over and over, which costs no memory. */
const BODY_PIECE_BYTES = 1024 * 1024;

const payload = randomPayload(BODY_PIECE_BYTES);
const piece = new Blob([payload]);
const body = new Blob(Array.from({ length: BODY_BYTES / BODY_PIECE_BYTES }, () => piece));

const byWebSocket: FlowOpener = (url, events) => {
  const socket = new WebSocket(url);
  const window = new UploadWindow();
  let waiting_bytes = 0;
  let fed_ms = performance.now();
  let timer: ReturnType<typeof setInterval> | undefined;

  const feed = () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const now_ms = performance.now();
    const left_bytes = socket.bufferedAmount;
    window.handleTaken(waiting_bytes - left_bytes, (now_ms - fed_ms) / 1000, left_bytes === 0 && waiting_bytes > 0);
    fed_ms = now_ms;
    const piece_bytes = Math.max(PIECE_BYTES_MIN, Math.min(PIECE_BYTES_MAX, window.bytes / 4)) & ~0xfff;
    const frame = payload.subarray(0, piece_bytes);
    waiting_bytes = left_bytes;
    while (waiting_bytes + piece_bytes <= window.bytes) {
      socket.send(frame);
      waiting_bytes += piece_bytes;
    }
  };
  const stop = () => clearInterval(timer);

  socket.onopen = () => {
    events.opened();
    feed();
    timer = setInterval(feed, FEED_INTERVAL_MS);
  };
  socket.onclose = () => {
    stop();
    events.gone();
  };
  return {
    kind: "socket",
    end: () => {
      stop();
      socket.close(1000);
    },
    // A page cannot reset a socket; the worker that owns it is ended instead.
    force: () => socket.close(),
    backlog_bytes: () => socket.bufferedAmount,
  };
};

const byHttp: FlowOpener = (url, events) => {
  const abort = new AbortController();
  const run = async () => {
    try {
      events.opened();
      while (!abort.signal.aborted) {
        const reply = await fetch(url, { method: "POST", body, cache: "no-store", signal: abort.signal });
        if (!reply.ok) return;
        await reply.arrayBuffer();
      }
    } catch {
      // Aborted or lost; `gone` tells which by whether the flow had been asked to end.
    } finally {
      events.gone();
    }
  };
  void run();
  return {
    kind: "fetch",
    end: () => abort.abort(),
    force: () => abort.abort(),
    backlog_bytes: () => 0,
  };
};

runLoadWorker({ websocket: byWebSocket, http: byHttp });

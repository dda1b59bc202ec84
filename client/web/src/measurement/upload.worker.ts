// Upload flows: keep the network supplied with random bytes, and count only what the node says it received.

import type { NodeMessage, UploadReply } from "../protocol";
import { runLoadWorker, type FlowOpener } from "./load_worker";
import { randomPayload } from "./payload";
import { UploadWindow } from "./upload_window";

/** Pieces handed to a socket, bytes: large ones cost less, small ones keep a slow line's window tight. */
const PIECE_BYTES_MAX = 256 * 1024;
const PIECE_BYTES_MIN = 16 * 1024;
/** How often sockets are topped up, ms; browsers clamp nested timers to about this. */
const FEED_INTERVAL_MS = 4;
/** How long one upload request should last where WebSockets are blocked, s: its count arrives only at its end. */
const REQUEST_S = 0.25;
const REQUEST_BYTES_MIN = 64 * 1024;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

const payload = randomPayload(PIECE_BYTES_MAX);

const byWebSocket: FlowOpener = (url, events) => {
  const socket = new WebSocket(url);
  const window = new UploadWindow();
  let counted_bytes = 0;
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
    const piece = payload.subarray(0, piece_bytes);
    waiting_bytes = left_bytes;
    while (waiting_bytes + piece_bytes <= window.bytes) {
      socket.send(piece);
      waiting_bytes += piece_bytes;
    }
  };
  const stop = () => clearInterval(timer);

  socket.onopen = () => {
    events.opened();
    feed();
    timer = setInterval(feed, FEED_INTERVAL_MS);
  };
  socket.onmessage = (event: MessageEvent<string>) => {
    if (typeof event.data !== "string") return;
    const message = JSON.parse(event.data) as NodeMessage;
    if (message.type !== "upload_progress") return;
    events.counted(message.bytes - counted_bytes);
    counted_bytes = message.bytes;
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
    let body_bytes = REQUEST_BYTES_MIN;
    try {
      events.opened();
      while (!abort.signal.aborted) {
        const pieces = Array.from({ length: Math.ceil(body_bytes / PIECE_BYTES_MAX) }, () => payload);
        const body = new Blob(pieces).slice(0, body_bytes);
        const reply = await fetch(url, { method: "POST", body, cache: "no-store", signal: abort.signal });
        if (!reply.ok) return;
        const count = (await reply.json()) as UploadReply;
        events.counted(count.bytes);
        const rate_bytes_per_s = count.bytes / Math.max(0.001, count.elapsed_us / 1e6);
        body_bytes = Math.round(Math.max(REQUEST_BYTES_MIN, Math.min(REQUEST_BYTES_MAX, rate_bytes_per_s * REQUEST_S)));
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

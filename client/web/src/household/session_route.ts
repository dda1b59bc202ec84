// The way to a user's session: ask the node where it is, connect there, and where that fails ask again. A role that is down
// is answered for by main, so asking again is the fallback.

import type { SessionRedirect } from "../protocol";

/** How long one connection may take, ms. */
const CONNECT_LIMIT_MS = 3_000;
/** The first pause between two tries, ms; each is twice the one before, up to the limit. */
const PAUSE_MS = 100;
const PAUSE_LIMIT_MS = 1_600;

/** A session's socket, open. */
export type Opened = { socket: WebSocket; isolated: boolean };

/** Tries until `isWanted` says no more; `null` then. */
export async function openSession(redirect_url: string, test_id: string, isWanted: () => boolean): Promise<Opened | null> {
  for (let pause_ms = PAUSE_MS; isWanted(); pause_ms = Math.min(PAUSE_LIMIT_MS, pause_ms * 2)) {
    const redirect = await askTheWay(redirect_url);
    if (redirect !== null && isWanted()) {
      const socket = await connect(`${redirect.websocket_url}?test_id=${test_id}`);
      if (socket !== null) return { socket, isolated: redirect.process_isolation };
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pause_ms);
    });
  }
  return null;
}

async function askTheWay(url: string): Promise<SessionRedirect | null> {
  try {
    const reply = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
    return reply.ok ? ((await reply.json()) as SessionRedirect) : null;
  } catch {
    return null;
  }
}

function connect(url: string): Promise<WebSocket | null> {
  return new Promise((resolve) => {
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch {
      resolve(null);
      return;
    }
    socket.binaryType = "arraybuffer";
    const limit = setTimeout(() => {
      socket.onopen = socket.onclose = null;
      socket.close();
      resolve(null);
    }, CONNECT_LIMIT_MS);
    socket.onopen = () => {
      clearTimeout(limit);
      socket.onopen = socket.onclose = null;
      resolve(socket);
    };
    socket.onclose = () => {
      clearTimeout(limit);
      resolve(null);
    };
  });
}

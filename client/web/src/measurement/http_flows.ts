// How many of the load flows go by HTTP; those beyond go by WebSocket. Pure but for what the browser says of itself.

import type { Direction } from "../protocol";

/** What else holds connections while a load runs. */
export type Beside = {
  /** The uploads run on. */
  uploads: boolean;
  /** The probes go by HTTP, because no WebSocket opened; then none will for the load either. */
  probesByHttp: boolean;
};

/**
 * A browser allows six connections to a host: one is that of the node's count, three are the uploads' for as long as they
 * run, which leaves two for the downloads that join them. Downloads alone leave two, for the page itself.
 */
const HTTP_FLOWS_MAX = { up: 3, down: 4, downBesideUp: 2 };
/** The same in either direction where the probes go by HTTP as well: both directions leave two connections. */
const HTTP_FLOWS_BESIDE_PROBES_MAX = 2;

/**
 * Whether this browser is built on Chromium. Only there does a POST cost less than a WebSocket: four flows of Firefox 153
 * over loopback on two cores carried 0.6 to 0.9 Gbit/s by POST and held the probes up by 0.3 to 0.5 s, and 2.2 Gbit/s
 * with 0.07 s by WebSocket.
 */
export const isChromium = namesChromium(globalThis.navigator?.userAgent ?? "");

/** Whether a browser that calls itself so is built on Chromium; without a window it is `HeadlessChrome`. */
export function namesChromium(userAgent: string): boolean {
  return /Chrom(e|ium)\//.test(userAgent);
}

/** Which of the load may go by HTTP. */
export type LoadByHttp = "both" | "down" | "neither";

/** What suits this browser and its connection to the node. */
export function loadByHttp(): LoadByHttp {
  if (isMultiplexed(performance.getEntries())) return "neither";
  return isChromium ? "both" : "down";
}

/**
 * Whether requests to the node share one connection (HTTP/2): all flows would be one to the line then. WebSockets keep to
 * connections of their own whatever was agreed for the rest, for the node does not offer them over HTTP/2.
 */
export function isMultiplexed(entries: readonly PerformanceEntry[]): boolean {
  return entries.some((entry) => "nextHopProtocol" in entry && /^h[23]\b/.test(String(entry.nextHopProtocol)));
}

/** The most flows in `direction` that go by HTTP. */
export function httpFlowsMax(direction: Direction, beside: Beside, byHttp: LoadByHttp): number {
  if (beside.probesByHttp) return HTTP_FLOWS_BESIDE_PROBES_MAX;
  if (byHttp === "neither") return 0;
  if (direction === "up") return byHttp === "both" ? HTTP_FLOWS_MAX.up : 0;
  return beside.uploads && byHttp === "both" ? HTTP_FLOWS_MAX.downBesideUp : HTTP_FLOWS_MAX.down;
}

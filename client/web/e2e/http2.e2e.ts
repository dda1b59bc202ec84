// Over HTTP/2 all requests of a page share one connection; its load must not.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { NodeStats } from "../src/protocol";
import { expectGone, launch, visit } from "./browser";
import { ownNode, untrustedCertificate, type Node } from "./node";

let browser: Browser;
let node: Node;
beforeAll(async () => {
  [browser, node] = await Promise.all([
    launch(["--ignore-certificate-errors"]),
    ownNode([...untrustedCertificate(), "--profile-ports", "0", "--http2", "true"]),
  ]);
});
afterAll(async () => {
  await browser.close();
  await node.kill();
});

/** What the main role counts: its TCP connections, and the load flows among them. */
async function counted(): Promise<{ connections: number; down: number; up: number }> {
  const stats = (await (await fetch(`${node.url}/virtual-household/stats`)).json()) as NodeStats;
  const main = stats.roles.find(({ role }) => role === "main");
  if (main === undefined) throw new Error("no main role");
  return { connections: main.connections, down: main.flows_down, up: main.flows_up };
}

it("every load flow is a TCP connection of its own where the page came by HTTP/2", async () => {
  // The node's certificate is one that nobody trusts.
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  const { page, faults, admission } = await visit(browser, node.url);
  const protocols = await page.evaluate(() =>
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map(
      (entry) => (entry as PerformanceResourceTiming).nextHopProtocol,
    ),
  );
  expect(new Set(protocols)).toEqual(new Set(["h2"]));
  await page.click(".start-button");
  // Looked at from outside: a page that fills the line is slow to answer.
  const seen = { down: 0, up: 0 };
  while (seen.down < 4 || seen.up < 4) {
    const { connections, down, up } = await counted();
    // The page's own, and one for each flow.
    expect(connections).toBeGreaterThan(down + up);
    seen.down = Math.max(seen.down, down);
    seen.up = Math.max(seen.up, up);
    await new Promise((done) => setTimeout(done, 200));
  }
  await page.close();
  await expectGone(admission());
  expect(faults).toEqual([]);
}, 100_000);

// Over HTTP/2 all requests of a page share one connection; its load must not.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { NodeStats } from "../src/protocol";
import { expectGone, launch, phase, visit } from "./browser";
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
async function counted(page: Page): Promise<{ connections: number; flows: number }> {
  const stats = await page.evaluate(async () => (await (await fetch("/virtual-household/stats")).json()) as unknown as NodeStats);
  const main = stats.roles.find(({ role }) => role === "main");
  if (main === undefined) throw new Error("no main role");
  return { connections: main.connections, flows: main.flows_down + main.flows_up };
}

it("every load flow is a TCP connection of its own where the page came by HTTP/2", async () => {
  const { page, faults, admission } = await visit(browser, node.url);
  const protocols = await page.evaluate(() =>
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map(
      (entry) => (entry as PerformanceResourceTiming).nextHopProtocol,
    ),
  );
  expect(new Set(protocols)).toEqual(new Set(["h2"]));
  const idle = await counted(page);
  expect(idle.flows).toBe(0);
  await page.click(".start-button");
  for (const name of ["download", "upload", "bidirectional"]) {
    await phase(page, name);
    await expect.poll(async () => (await counted(page)).flows, { timeout: 8_000 }).toBeGreaterThanOrEqual(4);
    const { connections, flows } = await counted(page);
    // The page's own, and one for each flow.
    expect(connections).toBeGreaterThan(flows);
  }
  await page.waitForSelector('[data-view="result"]', { timeout: 60_000 });
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  await expectGone(admission());
  expect(faults).toEqual([]);
}, 150_000);

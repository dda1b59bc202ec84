// The page at an IPv6 address, which a content security policy cannot name.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { NodeStats } from "../src/protocol";
import { launch, visit } from "./browser";
import { ownNode, type Node } from "./node";

let browser: Browser;
let node: Node;
beforeAll(async () => {
  [browser, node] = await Promise.all([launch(), ownNode()]);
});
afterAll(async () => {
  await browser.close();
  await node.kill();
});

/** Probes that the ping role has open. */
async function probesOnPing(url: string): Promise<number> {
  const stats = (await (await fetch(`${url}/virtual-household/stats`)).json()) as NodeStats;
  return stats.roles.find(({ role }) => role === "ping")?.probes ?? 0;
}

it("the page at an IPv6 address probes on the ping port", async () => {
  const url = node.url.replace("localhost", "[::1]");
  expect(url).toContain("[::1]");
  const { page, faults } = await visit(browser, url);
  await page.click(".start-button");
  await expect.poll(() => probesOnPing(url), { timeout: 10_000 }).toBe(1);
  await page.click(".stop-button");
  await page.context().close();
  expect(faults).toEqual([]);
});

// Ending a test before its time: whatever the user does, the node's own count goes to zero.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectGone, launch, openFlows, phase, visit } from "./browser";
import { sharedNode, type Node } from "./node";

let browser: Browser;
let node: Node;
beforeAll(async () => {
  [browser, node] = await Promise.all([launch(), sharedNode()]);
});
afterAll(async () => {
  await browser.close();
  await node.kill();
});

/** A page in the middle of the download's load, which the node counts. */
async function loading() {
  const visited = await visit(browser, node.url);
  await visited.page.click(".start-button");
  await phase(visited.page, "download_warmup");
  // Its probe and at least the first four flows.
  await expect.poll(() => openFlows(visited.admission()), { timeout: 5_000 }).toBeGreaterThan(4);
  return visited;
}

it("Stop ends every flow and returns to the start", async () => {
  const { page, admission, faults } = await loading();
  await page.click(".stop-button");
  await page.waitForSelector('[data-view="start"]', { timeout: 10_000 });
  await expectGone(admission());
  await page.waitForSelector('[data-open-flows="0"]');
  expect(faults).toEqual([]);
  await page.context().close();
});

it("Stop in a graded phase gives a result that says it is incomplete", async () => {
  const { page, admission } = await visit(browser, node.url);
  await page.click(".start-button");
  await phase(page, "download");
  await page.waitForTimeout(4_000);
  await page.click(".stop-button");
  await page.waitForSelector('[data-view="result"]', { timeout: 15_000 });
  expect(await page.isVisible(".confidence")).toBe(true);
  await expectGone(admission());
  await page.context().close();
});

it("reloading ends every flow", async () => {
  const { page, admission } = await loading();
  const left = admission();
  await page.reload();
  await expectGone(left);
  await page.waitForSelector(".start-button");
  await page.context().close();
});

it("closing the tab ends every flow", async () => {
  const { page, admission } = await loading();
  const left = admission();
  await page.close({ runBeforeUnload: true });
  await expectGone(left);
});

it("a browser that is killed leaves no flow", async () => {
  const own = await launch();
  const { page, admission } = await visit(own, node.url);
  await page.click(".start-button");
  await phase(page, "download_warmup");
  const left = admission();
  await own.close();
  await expectGone(left);
});

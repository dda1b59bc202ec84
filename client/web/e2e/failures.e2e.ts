// What goes wrong, and that the page says so in words one can act on.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectAccessible, launch, phase, shoot, visit } from "./browser";
import { ownNode, sharedNode, type Node } from "./node";

let browser: Browser;
let node: Node;
beforeAll(async () => {
  [browser, node] = await Promise.all([launch(), sharedNode()]);
});
afterAll(async () => {
  await browser.close();
  await node.kill();
});

it("a refusal is shown with its countdown and the place in the queue", async () => {
  const { page } = await visit(browser, node.url);
  await page.route("**/api/tests", (route) =>
    route.fulfill({
      status: 429,
      headers: { "content-type": "application/json", "retry-after": "20" },
      body: JSON.stringify({
        error: {
          code: "too_many_tests",
          message: "This node runs as many tests as it may.",
          retry_after_s: 20,
          queue_position: 3,
        },
      }),
    }),
  );
  await page.click(".start-button");
  await page.waitForSelector('[data-failure="refused"]');
  expect(await page.textContent(".failure")).toContain("Place in the queue: 3");
  const before = await page.textContent(".countdown");
  await page.waitForTimeout(2_100);
  expect(await page.textContent(".countdown")).not.toBe(before);
  await expectAccessible(page);
  await shoot(page, "refused");

  await page.unroute("**/api/tests");
  await page.click(".failure .primary");
  await phase(page, "baseline");
  await page.click(".stop-button");
  await page.context().close();
});

it("a node that is killed midway, and then can't be reached", async () => {
  const own = await ownNode();
  const { page } = await visit(browser, own.url);
  await page.click(".start-button");
  await phase(page, "download_warmup");
  await own.kill();
  await page.waitForSelector('[data-failure="lost"]', { timeout: 20_000 });
  expect(await page.textContent(".failure")).toContain("Incomplete");
  await expectAccessible(page);
  await shoot(page, "lost");

  await page.click(".failure .primary");
  await page.waitForSelector('[data-failure="unreachable"]', { timeout: 20_000 });
  await page.context().close();
});

it("a network that blocks WebSockets still gets a test, over HTTP", async () => {
  const { page, requests } = await visit(browser, node.url);
  // The workers' own sockets can't be routed from here, so their scripts start with a browser in which none opens.
  await page.route("**/*.worker-*.js", async (route) => {
    const script = await route.fetch();
    const blocked = 'self.WebSocket = class { constructor() { throw new Error("blocked"); } };';
    await route.fulfill({ response: script, body: blocked + (await script.text()) });
  });
  await page.click(".start-button");
  await phase(page, "download_warmup");
  await expect.poll(() => requests.some((url) => url.includes("/download?test_id="))).toBe(true);
  await expect.poll(() => page.textContent(".tone-down dd"), { timeout: 5_000 }).not.toContain("–");
  await page.click(".stop-button");
  await page.context().close();
});

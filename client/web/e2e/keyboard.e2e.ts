// Without a mouse: every control is reached, the focus follows the views, and Escape stops.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectGone, launch, phase, visit } from "./browser";
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

it("starts with Enter, announces the phases, and stops with Escape", async () => {
  const { page, admission, faults } = await visit(browser, node.url);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  await page.keyboard.press("Tab");
  expect(await focused()).toContain("Bufferbloat test");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("value"))).toBe("single");
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Start");
  await page.keyboard.press("Enter");

  await phase(page, "baseline");
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
  await expect.poll(() => page.textContent('[role="status"]')).toBe("Measuring the idle line");
  await phase(page, "download_warmup");
  await expect.poll(() => page.textContent('[role="status"]')).toBe("Filling the line with downloads");
  await page.keyboard.press("Tab");
  expect(await focused()).toContain("Stop");

  await page.keyboard.press("Escape");
  await page.waitForSelector('[data-view="start"]');
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
  await expectGone(admission());
  expect(faults).toEqual([]);
});

it("shows what moves less when less motion is asked for", async () => {
  const { page } = await visit(browser, node.url);
  await page.emulateMedia({ reducedMotion: "reduce" });
  const duration = await page.$eval(".start-button", (button) => getComputedStyle(button).transitionDuration);
  expect(duration.split(",").every((part) => Number.parseFloat(part) === 0)).toBe(true);
});

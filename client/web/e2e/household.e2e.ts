// The household in a real browser against the real node: chosen, run, looked at, and gone without a trace.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Report, TestSamples } from "../src/protocol";
import { expectAccessible, expectGone, expectNoSidewaysScroll, launch, openFlows, phase, shoot, visit, type Visit } from "./browser";
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

async function household(demand: "adaptive" | "standard"): Promise<Visit> {
  const visited = await visit(browser, node.url);
  await visited.page.check("input[value=household]", { force: true });
  await visited.page.waitForSelector('[data-people="4"]');
  if (demand === "standard") await visited.page.check("input[value=standard]");
  return visited;
}

it("the mode is chosen with the keyboard alone", async () => {
  const { page } = await visit(browser, node.url);
  await page.focus("input[value=single]");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector('.start[data-mode="household"]');
  await page.keyboard.press("ArrowLeft");
  await page.waitForSelector('.start[data-mode="single"]');
  await page.context().close();
});

it("runs to a result for everybody, accessible in both colour schemes, and leaves no session", async () => {
  const { page, requests, faults, admission } = await household("adaptive");
  await shoot(page, "household-start");
  await expectAccessible(page);

  const reported = page.waitForResponse((response) => response.url().endsWith("/report"), { timeout: 90_000 });
  await page.click(".start-button");
  await phase(page, "capacity_down");
  expect(await page.locator(".user-card").count()).toBe(4);
  await phase(page, "traffic");
  // The probe and the four sessions; the capacity's flows are gone.
  await expect.poll(() => openFlows(admission()), { timeout: 5_000 }).toBe(5);
  await page.waitForTimeout(7_000);
  await expectAccessible(page);
  await shoot(page, "household-running");
  await expectNoSidewaysScroll(page);

  const response = await reported;
  const report = (await response.json()) as Report;
  const samples = (JSON.parse(response.request().postData() ?? "{}") as TestSamples).household;
  await page.waitForSelector('[data-view="result"]');
  await expectGone(admission());
  await page.waitForSelector('[data-open-flows="0"]');

  await shoot(page, "household-result");
  await shoot(page, "household-result-full", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  for (const closed of await page.$$("details:not([open]) summary")) await closed.click();
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);

  expect(report.total_grade).not.toBeNull();
  expect(await page.getAttribute(".result", "data-grade")).toBe(report.total_grade);
  const users = report.household?.users ?? [];
  expect(users.map((user) => user.user_id)).toEqual(["alex", "sarah", "jake", "computer"]);
  for (const user of users) {
    expect(user.score).not.toBeNull();
    expect(await page.textContent(`.user-result[data-user="${user.user_id}"] .impact`)).toBe(user.impact);
  }
  const [alex, sarah, jake, computer] = samples?.users ?? [];
  // 64 messages a second for 30 s, and 80; a busy machine gives some up, and this is no test of the machine.
  expect(alex?.messages.length).toBeGreaterThan(900);
  expect(sarah?.messages.length).toBeGreaterThan(1_200);
  expect(jake?.segments.length).toBeGreaterThanOrEqual(3);
  expect(computer?.probes).toEqual([]);
  for (const user of [alex, sarah, jake]) expect(user?.probes.length).toBeGreaterThan(300);
  for (const user of [alex, sarah, jake, computer]) expect(user?.up?.received_bytes).toBeGreaterThan(150_000);
  expect(samples?.capacity_down_mbps).toBeGreaterThan(20);

  const host = new URL(node.url).hostname;
  expect(requests.filter((url) => !url.startsWith("data:") && new URL(url).hostname !== host)).toEqual([]);
  expect(faults).toEqual([]);
  await page.context().close();
}, 150_000);

it("Stop in the middle of the traffic ends every session", async () => {
  const { page, admission, faults } = await household("standard");
  await page.click(".start-button");
  await phase(page, "traffic");
  await page.click(".stop-button");
  await page.waitForSelector('[data-view="start"]', { timeout: 10_000 });
  await expectGone(admission());
  await page.waitForSelector('[data-open-flows="0"]');
  expect(faults).toEqual([]);
  await page.context().close();
}, 60_000);

it("closing the tab ends every session", async () => {
  const { page, admission } = await household("standard");
  await page.click(".start-button");
  await phase(page, "traffic");
  const left = admission();
  await page.close({ runBeforeUnload: true });
  await expectGone(left);
}, 60_000);

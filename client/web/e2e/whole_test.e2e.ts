// The whole test, from Start to the result, looked at on the way.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Report, TestSamples } from "../src/protocol";
import { expectAccessible, expectGone, expectNoSidewaysScroll, launch, phase, shoot, visit } from "./browser";
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

it("runs to a result, accessible in both colour schemes, talking to the node only, and leaves no flow", async () => {
  const { page, requests, faults, admission } = await visit(browser, node.url);
  await shoot(page, "start");
  await expectAccessible(page);

  const reported = page.waitForResponse((response) => response.url().endsWith("/report"), { timeout: 90_000 });
  await page.click(".start-button");
  await phase(page, "download_warmup");
  await expectAccessible(page);
  await phase(page, "upload");
  await shoot(page, "running");
  await expectNoSidewaysScroll(page);

  const response = await reported;
  const report = (await response.json()) as Report;
  const samples = JSON.parse(response.request().postData() ?? "{}") as TestSamples;
  await page.waitForSelector('[data-view="result"]');
  await expectGone(admission());
  await page.waitForSelector('[data-open-flows="0"]');

  await shoot(page, "result");
  await shoot(page, "result-full", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  for (const closed of await page.$$("details:not([open]) summary")) await closed.click();
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);

  expect(report.total_grade).not.toBeNull();
  expect(await page.getAttribute(".result", "data-grade")).toBe(report.total_grade);
  for (const graded of [report.phases.download, report.phases.upload, report.phases.bidirectional]) {
    expect(graded?.samples).toBeGreaterThan(30);
  }
  expect(report.phases.download?.goodput_down_mbps).toBeGreaterThan(0);
  expect(report.phases.upload?.goodput_up_mbps).toBeGreaterThan(0);
  expect(samples.probe_transport).toBe("ping_role");
  expect(samples.probes.length).toBeGreaterThan(400);
  expect(samples.node_rtt.length).toBeGreaterThan(10);

  // Load goes as a user's Chromium sends it: some of it by HTTP in either direction.
  const paths = new Set(requests.filter((url) => url.startsWith("http")).map((url) => new URL(url).pathname));
  expect([...paths]).toEqual(expect.arrayContaining(["/download", "/upload"]));

  const host = new URL(node.url).hostname;
  const foreign = requests.filter((url) => !url.startsWith("data:") && new URL(url).hostname !== host);
  expect(foreign).toEqual([]);
  expect(faults).toEqual([]);
}, 150_000);

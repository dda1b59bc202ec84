// A Chromium and a page in it that keeps a record: requests, faults, policy violations, and the test it was admitted to.

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium, type Browser, type Page } from "playwright-core";
import { expect } from "vitest";
import type { TestAdmission, TestStatus } from "../src/protocol";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** Screenshots go here. */
const OUTPUT = resolve(process.env["E2E_OUTPUT"] ?? "e2e/output");
/** How long the node may take to notice that a test's flows are gone, ms. */
const GONE_LIMIT_MS = 8_000;

/** Starts Chromium. It runs as root in the build, hence without its sandbox. */
export function launch(more: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--no-first-run", ...more],
  });
}

/** A page with its record. */
export type Visit = {
  page: Page;
  /** URLs of every request and WebSocket. */
  requests: string[];
  /** Console errors, uncaught errors and policy violations. */
  faults: string[];
  /** The last test that the node admitted. */
  admission: () => TestAdmission;
};

/** Opens the page. */
export async function visit(browser: Browser, url: string): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  const page = await context.newPage();
  const requests: string[] = [];
  const faults: string[] = [];
  let admitted: TestAdmission | null = null;
  page.on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => requests.push(socket.url()));
  page.on("pageerror", (fault) => faults.push(String(fault)));
  page.on("console", (message) => {
    if (message.type() === "error" || /Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  page.on("response", (response) => {
    if (response.request().method() === "POST" && response.url().endsWith("/api/tests") && response.status() === 201) {
      void response.json().then((body) => {
        admitted = body as TestAdmission;
      });
    }
  });
  await page.goto(url);
  await page.waitForSelector(".start-button");
  return {
    page,
    requests,
    faults,
    admission: () => {
      if (admitted === null) throw new Error("the page was not admitted to a test");
      return admitted;
    },
  };
}

/** What the node itself counts of a test. */
export async function openFlows(admission: TestAdmission): Promise<number> {
  const reply = await fetch(admission.endpoints.test, { headers: { authorization: `Bearer ${admission.token}` } });
  expect(reply.status).toBe(200);
  return ((await reply.json()) as TestStatus).open_flows;
}

/** Waits until the node counts no flow of the test. */
export async function expectGone(admission: TestAdmission): Promise<void> {
  await expect.poll(() => openFlows(admission), { timeout: GONE_LIMIT_MS, interval: 100 }).toBe(0);
}

/** Waits for a phase of the running test. */
export async function phase(page: Page, name: string): Promise<void> {
  await page.waitForSelector(`[data-phase="${name}"]`, { timeout: 60_000 });
}

/** No accessibility violations, in both colour schemes. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const found = violations.map(({ id, nodes }) => `${colorScheme}: ${id}: ${nodes.map((node) => node.html).join(" ")}`);
    expect(found).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Pictures of the page as it is now: phone and desktop, light and dark. */
export async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  mkdirSync(OUTPUT, { recursive: true });
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      // Two frames: one to lay out anew, one for the charts that follow.
      await page.evaluate(
        () =>
          new Promise<void>((done) => {
            requestAnimationFrame(() => requestAnimationFrame(() => done()));
          }),
      );
      await page.screenshot({ path: `${OUTPUT}/${name}-${width}x${height}-${colorScheme}.png`, fullPage, animations: "disabled" });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Nothing is wider than the window. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBe(0);
}

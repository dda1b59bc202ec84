// An operator's own look: his name, link, city, logo and colour, and nothing of them where he gave none.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectAccessible, expectNoSidewaysScroll, launch, shoot, visit } from "./browser";
import { ownNode, sharedNode } from "./node";

// With a script, which must not run wherever the picture is shown.
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40" width="160" height="40">
  <style>text { font: bold 26px sans-serif; fill: #b58900 }</style>
  <circle cx="20" cy="20" r="18" fill="#ffcc00" /><path d="M10 26 20 10l10 16z" fill="#7a5c00" />
  <text x="46" y="29">Alpnet</text><script>document.documentElement.setAttribute("data-ran", "")</script>
</svg>`;

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

it("shows whose node it is, in light and dark, within the page's policy", async () => {
  const logo = join(mkdtempSync(join(tmpdir(), "bufferbloat-e2e-")), "logo.svg");
  writeFileSync(logo, LOGO);
  const sponsor = ["--sponsor-name", "Alpnet <b>Example", "--sponsor-link", "https://alpnet.example/", "--sponsor-city", "Bolzano"];
  const node = await ownNode([...sponsor, "--logo", logo, "--accent-colour", "#FFCC00"]);
  try {
    const { page, requests, faults } = await visit(browser, node.url);
    expect(await page.textContent(".host")).toBe("Hosted by Alpnet <b>Example, Bolzano");
    const link = page.locator(".host a");
    expect(await link.getAttribute("href")).toBe("https://alpnet.example/");
    expect(await link.getAttribute("rel")).toBe("noopener noreferrer");
    const picture = page.locator("img.logo");
    await expect.poll(() => picture.evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBe(160);
    expect(await picture.getAttribute("alt")).toBe("Alpnet <b>Example");

    const colours = () =>
      page.$eval(".start-button", (button) => {
        const style = getComputedStyle(button);
        return [style.backgroundColor, style.color, style.borderTopColor];
      });
    const [yellow, black] = ["rgb(255, 204, 0)", "rgb(0, 0, 0)"];
    // On white the yellow needs an edge; on the dark ground it does not.
    const [fill, text, edge] = await colours();
    expect([fill, text]).toEqual([yellow, black]);
    expect(edge).not.toBe("rgba(0, 0, 0, 0)");
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(colours).toEqual([yellow, black, "rgba(0, 0, 0, 0)"]);

    await expectAccessible(page);
    await shoot(page, "branding");
    await page.setViewportSize({ width: 320, height: 640 });
    await expectNoSidewaysScroll(page);
    // Asked once, though it is asked for before the script is there.
    expect(requests.filter((url) => url.endsWith("/api/branding"))).toHaveLength(1);
    expect(faults).toEqual([]);

    const alone = await page.context().newPage();
    await alone.goto(new URL("/api/branding/logo", node.url).href);
    expect(await alone.evaluate(() => document.documentElement.tagName)).toBe("svg");
    expect(await alone.evaluate(() => document.documentElement.hasAttribute("data-ran"))).toBe(false);
  } finally {
    await node.kill();
  }
});

it("looks like the product where the operator gave nothing", async () => {
  const node = await sharedNode();
  try {
    const { page, faults } = await visit(browser, node.url);
    expect(await page.locator(".host, img.logo").count()).toBe(0);
    expect(await page.locator(".brand svg").count()).toBe(1);
    expect(await page.$eval(".start-button", (button) => getComputedStyle(button).backgroundColor)).toBe("rgb(22, 86, 196)");
    await shoot(page, "no-branding");
    expect(faults).toEqual([]);
  } finally {
    await node.kill();
  }
});

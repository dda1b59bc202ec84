// One whole test of the page in Chromium, as a person runs it: `node run_page.mjs URL REPORT_FILE`, in the page's folder.
// Writes the node's report. playwright-core is the page's own, so it is looked for where this is run.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [url, reportFile] = process.argv.slice(2);
const { chromium } = createRequire(join(process.cwd(), "package.json"))("playwright-core");

const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  // Chromium refuses its sandbox to root, and the line needs root.
  args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});
try {
  const page = await browser.newPage();
  page.on("pageerror", (fault) => console.error(`page error: ${fault}`));
  await page.goto(url);
  const reported = page.waitForResponse((response) => response.url().endsWith("/report"), { timeout: 100_000 });
  await page.click(".start-button");
  const response = await reported;
  if (response.status() !== 200) {
    throw new Error(`the report got ${response.status()}: ${await response.text()}`);
  }
  writeFileSync(reportFile, await response.text());
} finally {
  await browser.close();
}

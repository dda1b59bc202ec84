// One whole test of the page in Chromium, as a person runs it: `node run_page.mjs URL REPORT_FILE [--household [--standard]]
// [--ignore-certificate-errors]`.
// Writes the node's report, and says on standard output when Start was pressed.
//
// Speaks the DevTools protocol over a pipe and uses only what it needs of it: test frameworks watch the network, and a
// browser that tells them of every WebSocket frame has half the speed and several times the latency of a subscriber's.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIMIT_MS = 110_000;
const POLL_MS = 500;

const [url, reportFile, ...options] = process.argv.slice(2);
/** The choices to make on the start page before Start: names and values of its radio buttons. */
const choices = [
  ...(options.includes("--household") ? [["mode", "household"]] : []),
  ...(options.includes("--standard") ? [["demand", "standard"]] : []),
];
/** A node with a certificate of its own making is as good as any here. */
const trust = options.includes("--ignore-certificate-errors") ? ["--ignore-certificate-errors"] : [];
const profile = mkdtempSync(join(tmpdir(), "run-page-"));
const browser = spawn(
  process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  [
    "--headless=new",
    // Chromium refuses its sandbox to root, and the line needs root.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1440,900",
    ...trust,
    `--user-data-dir=${profile}`,
    "--remote-debugging-pipe",
    "about:blank",
  ],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
const [, , , orders, answers] = browser.stdio;

const waiting = new Map();
let number = 0;
let received = "";
answers.setEncoding("utf8");
answers.on("data", (piece) => {
  const messages = (received + piece).split("\0");
  received = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    const settle = waiting.get(message.id);
    waiting.delete(message.id);
    settle?.(message);
  }
});

/** Calls a method of the protocol. */
async function call(method, params = {}, sessionId = undefined) {
  number += 1;
  const answer = new Promise((resolve) => waiting.set(number, resolve));
  orders.write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
  const { result, error } = await answer;
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function run() {
  const { targetId } = await call("Target.createTarget", { url });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, returnByValue: true }, sessionId);
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const until = async (expression) => {
    for (;;) {
      // While the page is on its way there is nothing yet to evaluate in.
      const value = await evaluate(expression).catch(() => null);
      if (value) return value;
      await pause(POLL_MS);
    }
  };
  await until("document.querySelector('.start-button') !== null");
  for (const [name, value] of choices) {
    const button = `document.querySelector("input[name=${name}][value=${value}]")`;
    await until(`${button} !== null`);
    await evaluate(`${button}.click()`);
  }
  // The page asks for its report itself; a copy of the answer is kept aside.
  await evaluate(`{
    const ask = window.fetch.bind(window);
    window.fetch = async (...request) => {
      const reply = await ask(...request);
      if (String(request[0]).endsWith("/report")) {
        window.reportReply = { status: reply.status, text: await reply.clone().text() };
      }
      return reply;
    };
    document.querySelector(".start-button").click();
  }`);
  console.log("started");
  const { status, text } = await until("window.reportReply");
  if (status !== 200) throw new Error(`the report got ${status}: ${text}`);
  writeFileSync(reportFile, text);
}

const limit = new Promise((_, reject) => {
  setTimeout(() => reject(new Error(`no report within ${LIMIT_MS / 1000} s`)), LIMIT_MS).unref();
});
const gone = new Promise((_, reject) => {
  browser.on("error", reject);
  browser.on("exit", (code) => reject(new Error(`Chromium ended with code ${code}`)));
});
gone.catch(() => undefined);
try {
  await Promise.race([run(), limit, gone]);
} catch (fault) {
  console.error(String(fault));
  process.exitCode = 1;
} finally {
  browser.kill();
  await gone.catch(() => undefined);
  // Chromium's other processes may still be writing there.
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

// A node to test against: the one at BUFFERBLOAT_URL, or the daemon at BUFFERBLOATD, started on a free port.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** The daemon; the release build unless told otherwise. Relative to this package, as npm runs it. */
const DAEMON = resolve(process.env["BUFFERBLOATD"] ?? "../../target/release/bufferbloatd");
const START_LIMIT_MS = 20_000;

/** A node that is running. */
export type Node = { url: string; kill: () => Promise<void> };

/** The node that most tests share. */
export function sharedNode(): Promise<Node> {
  const url = process.env["BUFFERBLOAT_URL"];
  if (url !== undefined) return Promise.resolve({ url, kill: () => Promise.resolve() });
  return ownNode();
}

/** A node of one's own, to be killed. */
export async function ownNode(flags: string[] = []): Promise<Node> {
  const daemon = spawn(DAEMON, ["--port", "0", "--ping-port", "0", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  const url = await announcedUrl(daemon);
  return {
    url,
    kill: () =>
      new Promise((done) => {
        if (daemon.exitCode !== null) {
          done();
          return;
        }
        daemon.once("exit", () => done());
        daemon.kill("SIGTERM");
      }),
  };
}

/** Flags for HTTPS, with a certificate that nobody trusts. */
export function untrustedCertificate(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "bufferbloat-e2e-"));
  const [chain, key] = [join(folder, "node.pem"), join(folder, "node.key")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, "-subj", "/CN=localhost", "-out", chain, "-keyout", key], { stdio: "ignore" });
  return ["--ssl-certfile", chain, "--ssl-keyfile", key];
}

function announcedUrl(daemon: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let said = "";
    const limit = setTimeout(() => failed(new Error(`the node did not say where it listens:\n${said}`)), START_LIMIT_MS);
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const url = /https?:\/\/[\w.[\]:-]+:\d+/.exec(said)?.[0];
      if (url === undefined) return;
      clearTimeout(limit);
      found(url.replace("0.0.0.0", "127.0.0.1").replace("[::]", "localhost"));
    };
    daemon.stdout?.on("data", listen);
    daemon.stderr?.on("data", listen);
    daemon.once("error", failed);
    daemon.once("exit", (code) => failed(new Error(`the node ended with ${code}:\n${said}`)));
  });
}

// How the page is built: hashed names, nothing inlined (the page's Content-Security-Policy allows no inline code), and
// a .br and a .gz beside every file that gains from it, so that the node never compresses while it serves.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

// A compressed twin is kept only when it saves at least a tenth; below that, decoding costs more than the bytes.
const WORTHWHILE_RATIO = 0.9;
// What has no twin: twins themselves, and the document. A compressed document gives away by its length what it has in common
// with what an attacker had put into it (BREACH). This one holds no secret and reflects nothing, nor do scripts and styles; but
// auditors and their programs judge a site by its document, which is a packet long as it is.
const NOT_COMPRESSED = /\.(br|gz|html)$/;

function precompress(): Plugin {
  let outputFolder = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      outputFolder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(outputFolder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || NOT_COMPRESSED.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const plain = readFileSync(path);
        const brotli = brotliCompressSync(plain, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
          },
        });
        const gzip = gzipSync(plain, { level: 9 });
        if (brotli.length < plain.length * WORTHWHILE_RATIO) writeFileSync(`${path}.br`, brotli);
        if (gzip.length < plain.length * WORTHWHILE_RATIO) writeFileSync(`${path}.gz`, gzip);
      }
    },
  };
}

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

export default defineConfig({
  base: "/",
  define: { PAGE_VERSION: JSON.stringify(version) },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  plugins: [precompress()],
  test: { include: ["src/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);

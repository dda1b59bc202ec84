// One fact about the node, checked with Node's ws: `node ws_check.mjs FACT WS_URL`.
// Prints one line on what was seen and exits 0, or says what was wrong and exits 1.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";

const GIBIBYTE = 2 ** 30;
// Frames of a size that no buffer of the node's is a multiple of.
const FRAME_BYTES = 1_000_003;

async function open(url, options = { perMessageDeflate: false }) {
  const socket = new WebSocket(url, options);
  await once(socket, "open");
  return socket;
}

async function close(socket) {
  const closed = once(socket, "close");
  socket.close(1000);
  const [code] = await closed;
  assert.equal(code, 1000, `the node answered the close with ${code}`);
}

async function ping(url) {
  const socket = await open(`${url}/ws/ping`);
  let binary = () => {};
  socket.on("message", (data, isBinary) => isBinary && binary(data));
  for (let sequence = 0; sequence < 20; sequence += 1) {
    const probe = Buffer.alloc(16);
    probe.writeUInt8(1, 0);
    probe.writeUInt32LE(sequence, 4);
    probe.writeBigUInt64LE(process.hrtime.bigint() / 1000n, 8);
    const echoed = new Promise((resolve) => {
      binary = resolve;
    });
    socket.send(probe);
    const echo = await echoed;
    assert.equal(echo.length, 32);
    assert.equal(echo.readUInt8(0), 2);
    assert.deepEqual(echo.subarray(4, 16), probe.subarray(4, 16));
    assert.ok(echo.readBigUInt64LE(16) <= echo.readBigUInt64LE(24));
  }
  await close(socket);
  return "20 probes echoed";
}

async function controlPing(url) {
  const socket = await open(`${url}/ws/ping`);
  const pong = once(socket, "pong");
  socket.ping("are you there");
  const [payload] = await pong;
  assert.equal(payload.toString(), "are you there");
  await close(socket);
  return "a ping was answered with its payload";
}

async function download(url) {
  const wanted = 10 * FRAME_BYTES;
  const socket = new WebSocket(`${url}/ws/bulk-download?bytes=${wanted}`, { perMessageDeflate: false });
  let received = 0;
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", (code) => reject(new Error(`closed with ${code} after ${received} bytes`)));
    socket.on("message", (data, isBinary) => {
      received += isBinary ? data.length : 0;
      if (received >= wanted) {
        resolve();
      }
    });
  });
  assert.equal(received, wanted);
  socket.terminate();
  return `${received} bytes`;
}

async function upload(url) {
  const socket = await open(`${url}/ws/bulk-upload`);
  const counted = new Promise((resolve, reject) => {
    socket.on("close", (code) => reject(new Error(`closed with ${code}`)));
    socket.on("message", (text) => {
      const progress = JSON.parse(text.toString());
      if (progress.type !== "upload_progress" || progress.bytes > GIBIBYTE) {
        reject(new Error(text.toString()));
      }
      if (progress.bytes === GIBIBYTE) {
        resolve();
      }
    });
  });
  const payload = Buffer.alloc(FRAME_BYTES);
  for (let left = GIBIBYTE; left > 0; left -= FRAME_BYTES) {
    await new Promise((resolve, reject) => {
      // ws masks in place unless it is given a copy to mask: zeros stay what they are to the node either way.
      socket.send(payload.subarray(0, Math.min(left, FRAME_BYTES)), (error) => (error ? reject(error) : resolve()));
    });
  }
  await counted;
  await close(socket);
  return `${GIBIBYTE} bytes counted`;
}

async function compression(url) {
  const socket = await open(`${url}/ws/bulk-upload`, { perMessageDeflate: true });
  assert.equal(socket.extensions, "");
  await close(socket);
  return "permessage-deflate was offered and refused";
}

const FACTS = { ping, "control-ping": controlPing, download, upload, compression };
const [fact, url] = process.argv.slice(2);
const limit = setTimeout(() => {
  console.error(`${fact}: nothing more happened within 60 s`);
  process.exit(1);
}, 60_000);
console.log(await FACTS[fact](url));
clearTimeout(limit);

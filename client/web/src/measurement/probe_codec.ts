// The binary probe and its echo, little-endian, as `protocol/src/message/probe.rs` defines them. No sockets here.

import { ECHO_BYTES, ECHO_KIND, PROBE_BYTES, PROBE_KIND } from "../protocol";

/** A probe as the node answers it; the node's two times are on the node's own monotonic clock, µs. */
export type Echo = {
  sequence: number;
  client_send_us: number;
  node_receive_us: number;
  node_send_us: number;
};

/** Writes a probe into `buffer` (at least 16 bytes, reused from probe to probe) and returns the bytes to send. */
export function encodeProbe(buffer: ArrayBuffer, sequence: number, clientSendUs: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(buffer);
  view.setUint32(0, 0, true);
  view.setUint8(0, PROBE_KIND);
  view.setUint32(4, sequence, true);
  view.setBigUint64(8, BigInt(clientSendUs), true);
  return new Uint8Array(buffer, 0, PROBE_BYTES);
}

/** Reads an echo; `null` when the length or the kind is wrong. */
export function decodeEcho(bytes: ArrayBuffer): Echo | null {
  if (bytes.byteLength !== ECHO_BYTES) return null;
  const view = new DataView(bytes);
  if (view.getUint8(0) !== ECHO_KIND) return null;
  return {
    sequence: view.getUint32(4, true),
    client_send_us: Number(view.getBigUint64(8, true)),
    node_receive_us: Number(view.getBigUint64(16, true)),
    node_send_us: Number(view.getBigUint64(24, true)),
  };
}

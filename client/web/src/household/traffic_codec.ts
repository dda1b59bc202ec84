// The header of a traffic message, little-endian, as `protocol/src/message/profile.rs` defines it. No sockets here.

import { TRAFFIC_HEADER_BYTES, TRAFFIC_KIND } from "../protocol";

/** A message's header; `send_us` is on its sender's clock. */
export type TrafficHeader = { flow: number; flags: number; sequence: number; send_us: number };

/** Writes a header to the start of `view`. */
export function writeHeader(view: DataView, { flow, flags, sequence, send_us }: TrafficHeader): void {
  view.setUint8(0, TRAFFIC_KIND);
  view.setUint8(1, flow);
  view.setUint8(2, flags);
  view.setUint8(3, 0);
  view.setUint32(4, sequence, true);
  view.setBigUint64(8, BigInt(send_us), true);
}

/** Reads the header of a message; `null` when it is too short or of another kind. */
export function readHeader(message: ArrayBuffer): TrafficHeader | null {
  if (message.byteLength < TRAFFIC_HEADER_BYTES) return null;
  const view = new DataView(message);
  if (view.getUint8(0) !== TRAFFIC_KIND) return null;
  return {
    flow: view.getUint8(1),
    flags: view.getUint8(2),
    sequence: view.getUint32(4, true),
    send_us: Number(view.getBigUint64(8, true)),
  };
}

import { describe, expect, it } from "vitest";
import { decodeEcho, encodeProbe } from "./probe_codec";
import { PROBE_INTERVAL_US, ProbeSchedule } from "./probe_schedule";

describe("probe codec", () => {
  it("writes the bytes that the protocol names", () => {
    const bytes = encodeProbe(new ArrayBuffer(16), 0x01020304, 0x0102030405);
    expect([...bytes]).toEqual([1, 0, 0, 0, 4, 3, 2, 1, 5, 4, 3, 2, 1, 0, 0, 0]);
  });

  it("leaves nothing of an earlier probe in a reused buffer", () => {
    const buffer = new ArrayBuffer(16);
    encodeProbe(buffer, 0xffffffff, Number.MAX_SAFE_INTEGER);
    expect([...encodeProbe(buffer, 0, 0)]).toEqual([1, ...Array.from({ length: 15 }, () => 0)]);
  });

  it("reads an echo, to the last bit a double holds", () => {
    const bytes = new ArrayBuffer(32);
    const view = new DataView(bytes);
    view.setUint8(0, 2);
    view.setUint32(4, 7, true);
    view.setBigUint64(8, 40_000_000n, true);
    view.setBigUint64(16, (1n << 53n) - 1n, true);
    view.setBigUint64(24, 9n, true);
    expect(decodeEcho(bytes)).toEqual({
      sequence: 7,
      client_send_us: 40_000_000,
      node_receive_us: Number.MAX_SAFE_INTEGER,
      node_send_us: 9,
    });
  });

  it("refuses a wrong length or kind", () => {
    expect(decodeEcho(new ArrayBuffer(31))).toBeNull();
    expect(decodeEcho(new ArrayBuffer(32))).toBeNull();
  });
});

describe("ProbeSchedule", () => {
  it("sends twenty a second, numbered without gaps", () => {
    const schedule = new ProbeSchedule(1_000_000);
    const sequences: number[] = [];
    for (let due_us = schedule.pollTimeout(); due_us !== null; due_us = schedule.pollTimeout()) {
      sequences.push(schedule.pollProbe(due_us)?.sequence ?? -1);
    }
    expect(sequences).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it("keeps to the grid when a timer is late, and says how late", () => {
    const schedule = new ProbeSchedule(1_000_000);
    expect(schedule.pollProbe(7_000)).toEqual({ sequence: 0, late_us: 7_000 });
    expect(schedule.pollTimeout()).toBe(PROBE_INTERVAL_US);
  });

  it("does not make up for slots slept through with a burst", () => {
    const schedule = new ProbeSchedule(1_000_000);
    expect(schedule.pollProbe(230_000)).toEqual({ sequence: 0, late_us: 230_000 });
    expect(schedule.pollProbe(230_001)).toBeNull();
    expect(schedule.pollTimeout()).toBe(250_000);
  });

  it("sends nothing early and nothing after the end", () => {
    const schedule = new ProbeSchedule(100_000);
    schedule.pollProbe(0);
    expect(schedule.pollProbe(49_999)).toBeNull();
    expect(schedule.pollProbe(100_000)).toBeNull();
    expect(schedule.pollTimeout()).toBeNull();
  });
});

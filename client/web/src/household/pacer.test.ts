// Each pattern's releases against the node's own table, and what a stall may do.

import { expect, it } from "vitest";
import type { FlowDescription } from "../protocol";
import golden from "../protocol/pacing.golden.json";
import { TokenBucket } from "./bucket";
import { pacerOf } from "./pacer";

const rows = golden as unknown as { flow: FlowDescription; ns_bytes_flags: [number, number, number][] }[];
const SECOND_NS = 1_000_000_000;

/** Every release until `until_ns`, asked exactly at each deadline. */
function releases(flow: FlowDescription, until_ns: number): [number, number, number][] {
  const pacer = pacerOf(flow, 0);
  const released: [number, number, number][] = [];
  for (;;) {
    const now_ns = pacer.deadline_ns;
    if (now_ns >= until_ns) return released;
    for (let release = pacer.pollRelease(now_ns); release !== null; release = pacer.pollRelease(now_ns)) {
      released.push([now_ns, release.bytes, release.flags]);
    }
    if (pacer.deadline_ns <= now_ns) throw new Error("a deadline that does not advance");
  }
}

it.each(rows.map((row) => [`${row.flow.direction} ${row.flow.pattern.type} ${row.flow.rate_bps}`, row] as const))(
  "%s is released exactly as the node releases it",
  (_, { flow, ns_bytes_flags }) => {
    const seen = releases(flow, 6 * SECOND_NS).filter(([at_ns, , flags]) => at_ns < 150_000_000 || flags !== 0);
    expect(seen).toEqual(ns_bytes_flags);
  },
);

it.each(rows.map((row) => [`${row.flow.direction} ${row.flow.pattern.type} ${row.flow.rate_bps}`, row.flow] as const))(
  "%s keeps its mean rate within one per cent over 30 s",
  (_, flow) => {
    const bytes = releases(flow, 30 * SECOND_NS).reduce((sum, [, size]) => sum + size, 0);
    const { pattern } = flow;
    const share = pattern.type === "on_off" ? pattern.on_ms / (pattern.on_ms + pattern.off_ms) : 1;
    const exact = ((flow.rate_bps * share) / 8) * 30;
    expect(Math.abs(bytes - exact) / exact).toBeLessThan(0.01);
  },
);

it.each(rows.map((row) => [`${row.flow.direction} ${row.flow.pattern.type} ${row.flow.rate_bps}`, row.flow] as const))(
  "%s makes no burst of a stall",
  (_, flow) => {
    for (const stall_ms of [1, 20, 300, 2_000, 17_000]) {
      const pacer = pacerOf(flow, 0);
      while (pacer.deadline_ns <= 2 * SECOND_NS) {
        const now_ns = pacer.deadline_ns;
        while (pacer.pollRelease(now_ns) !== null);
      }
      const now_ns = 2 * SECOND_NS + stall_ms * 1_000_000;
      let atOnce = 0;
      for (let release = pacer.pollRelease(now_ns); release !== null; release = pacer.pollRelease(now_ns)) atOnce += release.bytes;
      // 50 ms of messages and a key frame, or the bucket's burst.
      const keyframe = flow.pattern.type === "frames" ? flow.pattern.keyframe_ratio : 1;
      const burst = flow.pattern.type === "continuous" ? flow.pattern.burst_bytes : 0;
      const most = Math.max(
        burst,
        (flow.rate_bps / 8) * 0.05 + 2 * keyframe * flow.message_bytes + 2,
      );
      expect(atOnce).toBeLessThanOrEqual(most);
      expect(pacer.deadline_ns).toBeGreaterThan(now_ns);
    }
  },
);

it("a stall of a game leaves a gap of the messages that were given up", () => {
  const flow: FlowDescription = {
    direction: "up",
    rate_bps: 750_000,
    pattern: { type: "constant", messages_per_second: 64 },
    message_bytes: 1465,
    messages_per_second: 64,
  };
  const pacer = pacerOf(flow, 0);
  pacer.pollRelease(0);
  let sent = 0;
  while (pacer.pollRelease(SECOND_NS) !== null) sent += 1;
  // Due at 1 s: messages 1 to 64; those of the last 50 ms are sent.
  expect(sent).toBe(4);
  expect(pacer.skipped).toBe(60);
});

it("the bucket carries its remainder exactly", () => {
  // 7 bit/s for 8 000 s are 7 000 bytes, however often it is asked.
  const bucket = new TokenBucket(0, 7, 10);
  let taken = 0;
  for (let tenth = 1; tenth <= 80_000; tenth += 1) if (bucket.take(tenth * 100_000_000, 1)) taken += 1;
  expect(taken).toBe(7_000);
});

it("a full bucket yields its burst and no more", () => {
  const bucket = new TokenBucket(0, 8_000_000_000, 1_500);
  expect(bucket.take(3_600_000_000_000, 1_500)).toBe(true);
  expect(bucket.take(3_600_000_000_000, 1)).toBe(false);
  expect(bucket.readyAt(1)).toBe(3_600_000_000_001);
  expect(bucket.readyAt(1_501)).toBe(Number.POSITIVE_INFINITY);
});

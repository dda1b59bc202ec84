// The pure halves of a session: the wire's header, what arrives, what leaves, what is recorded, what is asked for, how it feels.

import { expect, it } from "vitest";
import { FLAG_SEGMENT_END, type ProfileDescription } from "../protocol";
import { AdaptiveDemand, DEMAND_MBPS_MAX } from "./demand";
import { Downlink } from "./downlink";
import { profile } from "./fake_household";
import { feelingOf, type Circumstances } from "./feeling";
import { putOff } from "./phases";
import { addReceived, NOTHING_RECEIVED } from "./received";
import { recordedFlows } from "./recorded";
import { readHeader, writeHeader } from "./traffic_codec";
import { Uplink } from "./uplink";

it("a header survives the wire, byte by byte as the node writes it", () => {
  const message = new ArrayBuffer(40);
  const header = { flow: 3, flags: 1, sequence: 0x0102_0304, send_us: 2 ** 50 };
  writeHeader(new DataView(message), header);
  expect([...new Uint8Array(message, 0, 8)]).toEqual([16, 3, 1, 0, 4, 3, 2, 1]);
  expect(readHeader(message)).toEqual(header);
  expect(readHeader(message.slice(0, 15))).toBeNull();
  new Uint8Array(message)[0] = 2;
  expect(readHeader(message)).toBeNull();
});

it("an uplink numbers each flow by itself, and a stall leaves a gap", () => {
  const uplink = new Uplink(profile("alex", "gaming"), 1_000_000);
  expect(uplink.deadline_us).toBe(1_000_000);
  const sequences = [1_000_000, 1_015_625, 3_000_000].map((now_us) => {
    const seen: number[] = [];
    for (let outgoing = uplink.pollMessage(now_us); outgoing !== null; outgoing = uplink.pollMessage(now_us)) {
      expect(outgoing.header.flow).toBe(1);
      seen.push(outgoing.header.sequence);
    }
    return seen;
  });
  expect(sequences[0]).toEqual([0]);
  expect(sequences[1]).toEqual([1]);
  // Due by then: up to 128; of those that are overdue by more than 50 ms none is sent.
  expect(sequences[2]?.at(-1)).toBe(128);
  expect(sequences[2]?.length).toBeLessThanOrEqual(5);
});

it("a game's messages are recorded one by one, a transfer's only counted", () => {
  const game = new Downlink(profile("alex", "gaming"), [0]);
  game.handle({ flow: 0, flags: 0, sequence: 7, send_us: 5 }, 100, 250_000);
  expect(game.take()).toEqual({
    bins: [[2, 100]],
    messages: [{ flow: 0, sequence: 7, send_us: 5, received_us: 250_000 }],
    segments: [],
  });
  const transfer = new Downlink(profile("computer", "bulk"), []);
  transfer.handle({ flow: 0, flags: 0, sequence: 7, send_us: 5 }, 100, 250_000);
  expect(transfer.take()).toEqual({ bins: [[2, 100]], messages: [], segments: [] });
});

it("a segment is what arrived up to its end flag", () => {
  const film = new Downlink(profile("jake", "streaming"), []);
  film.handle({ flow: 0, flags: 0, sequence: 0, send_us: 0 }, 1_000, 10);
  film.handle({ flow: 0, flags: FLAG_SEGMENT_END, sequence: 1, send_us: 0 }, 500, 20);
  film.handle({ flow: 0, flags: 0, sequence: 2, send_us: 0 }, 1_000, 30);
  expect(film.take().segments).toEqual([{ first_us: 10, complete_us: 20, bytes: 1_500 }]);
});

it("after a break the numbers go on, with a gap as long as the break", () => {
  const game = new Downlink(profile("alex", "gaming"), [0]);
  game.handle({ flow: 0, flags: 0, sequence: 99, send_us: 0 }, 100, 1_000_000);
  game.handleReopened(2_000_000);
  game.handle({ flow: 0, flags: 0, sequence: 0, send_us: 0 }, 100, 2_010_000);
  expect(game.take().messages.map((message) => message.sequence)).toEqual([99, 99 + 1 + 64]);
});

it("what the node received adds up over two sessions of one user", () => {
  const before = { ...NOTHING_RECEIVED, received_bytes: 10, messages: 2, late: 1, lost: 1, jitter_us: 5 };
  const now = { ...NOTHING_RECEIVED, received_bytes: 5, messages: 1, goodput_mbps: 3 };
  expect(addReceived(before, now)).toEqual({ ...before, received_bytes: 15, messages: 3, goodput_mbps: 3 });
});

it("flows whose messages would not fit a report are left out whole", () => {
  const busy: ProfileDescription = { ...profile("maria", "call"), flows: profile("maria", "call").flows.map((flow) => ({ ...flow, messages_per_second: 1_000 })) };
  expect(recordedFlows([profile("alex", "gaming"), busy, profile("computer", "bulk")], 30)).toEqual([[0], [], []]);
});

it("a transfer asks for the line's capacity, never for less than the catalogue says", () => {
  expect(new AdaptiveDemand(0, 50, 300).mbps).toBe(300);
  expect(new AdaptiveDemand(0, 50, 20).mbps).toBe(50);
  expect(new AdaptiveDemand(0, 50, 9_000).mbps).toBe(DEMAND_MBPS_MAX);
});

it("a transfer that gets all it asks for asks for more; one that doesn't has filled the line", () => {
  const demand = new AdaptiveDemand(0, 50, 100);
  expect(demand.handleAchieved(1_000_000, 100)).toBeNull();
  expect(demand.handleAchieved(2_000_000, 90)).toBeNull();
  expect(demand.handleAchieved(4_000_000, 99)).toBe(125);
  expect(demand.handleAchieved(6_000_000, 110)).toBeNull();
  // 4 s of 100 and 4 s of 125.
  expect(demand.mean_mbps(8_000_000)).toBe(112.5);
});

it("a phase that is put off takes those after it with it", () => {
  const phases = [
    { phase: "baseline" as const, start_us: 0, end_us: 5 },
    { phase: "traffic" as const, start_us: 5, end_us: 35 },
  ];
  expect(putOff(phases, "traffic", 7)).toEqual([phases[0], { phase: "traffic", start_us: 7, end_us: 37 }]);
  expect(putOff(phases, "traffic", 5)).toEqual(phases);
});

it.each([
  [{ model: "gaming", increase_ms: 5 }, "happy"],
  [{ model: "gaming", increase_ms: 150 }, "upset"],
  [{ model: "gaming", increase_ms: 5, jitter_ms: 40 }, "uneasy"],
  [{ model: "call", increase_ms: 100 }, "content"],
  [{ model: "call", increase_ms: 400 }, "upset"],
  [{ model: "streaming", buffer_s: 4 }, "happy"],
  [{ model: "streaming", buffer_s: -3 }, "upset"],
  [{ model: "bulk", achieved_ratio: 0.97 }, "happy"],
  [{ model: "bulk", achieved_ratio: 0.5 }, "uneasy"],
  [{ model: "gaming" }, null],
] as [Partial<Circumstances> & Pick<Circumstances, "model">, string | null][])("%o feels %s", (given, feeling) => {
  expect(feelingOf({ increase_ms: null, jitter_ms: null, achieved_ratio: null, buffer_s: null, ...given })).toBe(feeling);
});

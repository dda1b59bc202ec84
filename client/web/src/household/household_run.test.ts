// A whole household test in virtual time: its order, its demands, its ends.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeHousehold } from "./fake_household";
import { HouseholdRun } from "./household_run";

const CLIENT = { name: "test", version: "1" };

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function begin(fake: FakeHousehold, demand: "adaptive" | "standard" = "adaptive") {
  const run = new HouseholdRun(fake.machinery, CLIENT, demand, () => undefined);
  return { run, outcome: run.run() };
}

it("an adaptive test measures the capacity, raises the transfer to it, and leaves nothing", async () => {
  const fake = new FakeHousehold();
  const { run, outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(60_000);
  expect((await outcome).kind).toBe("result");
  const household = fake.node.reported[0]?.household;
  expect(household?.demand).toBe("adaptive");
  expect(household?.phases.map((span) => span.phase)).toEqual(["baseline", "capacity_down", "capacity_up", "traffic"]);
  const capacity_mbps = household?.capacity_down_mbps ?? 0;
  expect(capacity_mbps).toBeGreaterThan(30);
  const [alex, computer] = household?.users ?? [];
  expect(alex?.demand_down_mbps).toBe(1.5);
  expect(fake.order("computer", "demand")?.down_mbps).toBeGreaterThanOrEqual(50);
  expect(computer?.demand_down_mbps).toBeGreaterThanOrEqual(50);
  expect(fake.order("alex", "demand")).toBeUndefined();
  expect(fake.users.every((user) => user.gone)).toBe(true);
  expect(fake.node.openWorkers).toBe(0);
  expect(run.registry.open).toBe(0);
  expect(run.openFlows).toBe(0);
});

it("every load worker is gone before the traffic begins", async () => {
  const fake = new FakeHousehold();
  begin(fake);
  await vi.advanceTimersByTimeAsync(50_000);
  const traffic_us = fake.order("alex", "run")?.from_us ?? 0;
  expect(traffic_us).toBeGreaterThanOrEqual(15e6);
  const loads = fake.node.workerLogs.filter((log) => log.kind !== "probe");
  expect(loads.map((log) => log.kind).toSorted()).toContain("count");
  for (const log of loads) expect(log.gone_us).toBeLessThanOrEqual(traffic_us);
});

it("a standard test has no capacity phases and keeps to the catalogue", async () => {
  const fake = new FakeHousehold();
  const { outcome } = begin(fake, "standard");
  await vi.advanceTimersByTimeAsync(45_000);
  expect((await outcome).kind).toBe("result");
  const household = fake.node.reported[0]?.household;
  expect(household?.phases.map((span) => span.phase)).toEqual(["baseline", "traffic"]);
  expect(household?.capacity_down_mbps).toBeNull();
  expect(household?.users.map((user) => user.demand_down_mbps)).toEqual([1.5, 50]);
  expect(fake.node.workerLogs.map((log) => log.kind)).toEqual(["probe"]);
});

it("all users start at one moment and end at one moment", async () => {
  const fake = new FakeHousehold();
  begin(fake);
  await vi.advanceTimersByTimeAsync(60_000);
  const [alex, computer] = [fake.order("alex", "run"), fake.order("computer", "run")];
  expect(alex).toEqual(computer);
  expect((alex?.to_us ?? 0) - (alex?.from_us ?? 0)).toBe(30e6);
});

it("what a user received and sent is reported in intervals that do not overlap", async () => {
  const fake = new FakeHousehold();
  begin(fake, "standard");
  await vi.advanceTimersByTimeAsync(45_000);
  const goodput = fake.node.reported[0]?.household?.users[0]?.goodput ?? [];
  const up = goodput.filter((sample) => sample.direction === "up");
  expect(up.length).toBeGreaterThan(250);
  expect(up.every((sample, index) => index === 0 || sample.at_us > (up[index - 1]?.at_us ?? 0))).toBe(true);
  expect(up.reduce((sum, sample) => sum + sample.bytes, 0)).toBe(up.length * 6_250);
  const down_bytes = goodput.filter((sample) => sample.direction === "down").reduce((sum, sample) => sum + sample.bytes, 0);
  expect(Math.abs((down_bytes * 8) / 30e6 - 1.5)).toBeLessThan(0.03);
});

it("a user without a session fails the test before its start, by name", async () => {
  const fake = new FakeHousehold({ unreachable: "computer" });
  const { outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(12_000);
  const ended = await outcome;
  expect(ended.kind === "failed" && ended.failure.kind).toBe("blocked");
  expect(ended.kind === "failed" && ended.failure.message).toContain("COMPUTER");
  expect(fake.users.every((user) => user.gone)).toBe(true);
  expect(fake.node.deletions).toBe(1);
});

it("a user whose session is lost is part of the result all the same", async () => {
  const fake = new FakeHousehold({ lost: "alex" });
  const { outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(60_000);
  expect((await outcome).kind).toBe("result");
});

it("Stop before there is anything to judge ends everything and reports nothing", async () => {
  const fake = new FakeHousehold();
  const { run, outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(run.phase).toBe("capacity_up");
  run.stop();
  await vi.advanceTimersByTimeAsync(2_000);
  expect((await outcome).kind).toBe("stopped");
  expect(fake.node.reported).toEqual([]);
  expect(fake.node.deletions).toBe(1);
  expect(fake.users.every((user) => user.gone)).toBe(true);
  expect(fake.node.openWorkers).toBe(0);
});

it("Stop in the middle of the traffic reports what there was of it", async () => {
  const fake = new FakeHousehold();
  const { run, outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(25_000);
  run.stop();
  await vi.advanceTimersByTimeAsync(5_000);
  expect((await outcome).kind).toBe("result");
  const traffic = fake.node.reported[0]?.household?.phases.at(-1);
  expect(traffic?.phase).toBe("traffic");
  expect((traffic?.end_us ?? 0) - (traffic?.start_us ?? 0)).toBeLessThan(11e6);
});

it("a worker that does not end is ended", async () => {
  const fake = new FakeHousehold({ isStubborn: true });
  const { run, outcome } = begin(fake);
  await vi.advanceTimersByTimeAsync(60_000);
  await outcome;
  expect(fake.users.every((user) => user.gone)).toBe(true);
  expect(run.registry.forcedTotal).toBe(2);
});

it("a page that goes away ends every worker before it is gone, and tells the node", async () => {
  const fake = new FakeHousehold();
  const { run } = begin(fake);
  await vi.advanceTimersByTimeAsync(20_000);
  run.abandon();
  expect(fake.users.every((user) => user.gone)).toBe(true);
  expect(fake.node.openWorkers).toBe(0);
  expect(fake.node.deletions).toBeGreaterThanOrEqual(1);
});

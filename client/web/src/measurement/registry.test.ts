import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { END_BOUND_MS, FlowRegistry, INACTIVITY_LIMIT_MS, SWEEP_INTERVAL_MS, TEST_LIMIT_MS, type EndReason } from "./registry";

type Fake = { reasons: EndReason[]; forced: number };

function flow(registry: FlowRegistry, id: string, isObedient: boolean, lifetime_ms?: number): Fake {
  const fake: Fake = { reasons: [], forced: 0 };
  registry.register(
    id,
    {
      kind: "socket",
      end: (reason) => {
        fake.reasons.push(reason);
        if (isObedient) setTimeout(() => registry.ended(id), 10);
      },
      force: () => {
        fake.forced += 1;
      },
    },
    lifetime_ms,
  );
  return fake;
}

describe("FlowRegistry", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends every flow and forces only the one that does not go", async () => {
    const registry = new FlowRegistry(() => Date.now());
    const obedient = flow(registry, "a", true);
    const stubborn = flow(registry, "b", false);
    const outcome = registry.end("phase_over");
    await vi.advanceTimersByTimeAsync(END_BOUND_MS);
    expect(await outcome).toEqual({ ended: 1, forced: 1 });
    expect(obedient).toEqual({ reasons: ["phase_over"], forced: 0 });
    expect(stubborn).toEqual({ reasons: ["phase_over"], forced: 1 });
    expect(registry.open).toBe(0);
  });

  it("returns as soon as all are gone, not at the bound", async () => {
    const registry = new FlowRegistry(() => Date.now());
    flow(registry, "a", true);
    const began_ms = Date.now();
    const outcome = registry.end("finished").then(() => Date.now() - began_ms);
    await vi.advanceTimersByTimeAsync(END_BOUND_MS);
    expect(await outcome).toBe(10);
  });

  it("ends only the flows that are named", async () => {
    const registry = new FlowRegistry(() => Date.now());
    flow(registry, "load", true);
    const probe = flow(registry, "probe", true);
    const outcome = registry.end("phase_over", ["load"]);
    await vi.advanceTimersByTimeAsync(END_BOUND_MS);
    await outcome;
    expect(registry.open).toBe(1);
    expect(probe.reasons).toEqual([]);
  });

  it("ends an inactive flow at a sweep, and forces it at the next if it stays", async () => {
    const registry = new FlowRegistry(() => Date.now());
    const silent = flow(registry, "silent", false);
    const busy = flow(registry, "busy", false);
    for (let elapsed_ms = 0; elapsed_ms < INACTIVITY_LIMIT_MS; elapsed_ms += SWEEP_INTERVAL_MS) {
      registry.touch("busy");
      await vi.advanceTimersByTimeAsync(SWEEP_INTERVAL_MS);
    }
    expect(silent.reasons).toEqual(["inactive"]);
    expect(busy.reasons).toEqual([]);
    await vi.advanceTimersByTimeAsync(SWEEP_INTERVAL_MS);
    expect(silent.forced).toBe(1);
    expect(registry.open).toBe(1);
  });

  it("ends a flow that outlives its deadline, however busy", async () => {
    const registry = new FlowRegistry(() => Date.now());
    const old = flow(registry, "old", true, 20_000);
    for (let sweeps = 0; sweeps < 2; sweeps += 1) {
      registry.touch("old");
      await vi.advanceTimersByTimeAsync(SWEEP_INTERVAL_MS);
    }
    expect(old.reasons).toEqual(["too_old"]);
  });

  it("gives no flow more than the test limit", async () => {
    const registry = new FlowRegistry(() => Date.now());
    flow(registry, "endless", true, Number.POSITIVE_INFINITY);
    expect(registry.find("endless")?.deadline_ms).toBe(Date.now() + TEST_LIMIT_MS);
    registry.endNow();
  });

  it("ends everything before endNow returns", () => {
    const registry = new FlowRegistry(() => Date.now());
    const first = flow(registry, "a", false);
    const second = flow(registry, "b", false);
    expect(registry.endNow()).toBe(2);
    expect([first.forced, second.forced, registry.open]).toEqual([1, 1, 0]);
  });

  it("keeps no timer when nothing is open", () => {
    const registry = new FlowRegistry(() => Date.now());
    flow(registry, "a", false);
    registry.ended("a");
    expect(vi.getTimerCount()).toBe(0);
  });
});

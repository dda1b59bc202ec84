import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "./api";
import { TestRun } from "./controller";
import type { Outcome } from "./outcome";
import { FakeMachinery, type Behaviour } from "./fake_machinery";
import { END_BOUND_MS } from "./registry";

type Started = { fake: FakeMachinery; run: TestRun; outcome: Promise<Outcome> };

function begin(behaviour: Behaviour = {}): Started {
  const fake = new FakeMachinery(behaviour);
  const run = new TestRun(fake.machinery, { name: "web", version: "0" }, () => undefined);
  return { fake, run, outcome: run.run() };
}

/** Lets the page's clock run; one step for each bin, so that every timer in between fires in its turn. */
async function pass(seconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(seconds * 1000);
}

describe("TestRun", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("runs the timeline to a report with 20 probes a second and no flow left", async () => {
    const { fake, run, outcome } = begin();
    await pass(50);
    expect((await outcome).kind).toBe("result");
    const [samples] = fake.reported;
    expect(samples?.probes).toHaveLength(800);
    expect(samples?.probes.every((probe) => probe.received_us !== null)).toBe(true);
    expect(samples?.device.probe_timer_late_us).toHaveLength(800);
    expect(samples?.goodput).toHaveLength(800);
    expect(run.registry.open).toBe(0);
    expect(fake.openWorkers).toBe(0);
    expect(run.openFlows).toBe(0);
  });

  it("loads each stretch only within its time", async () => {
    const { fake, outcome } = begin();
    await pass(50);
    await outcome;
    const slack_us = END_BOUND_MS * 1000;
    const spans = fake.workerLogs
      .filter((log) => log.kind === "download" || log.kind === "upload")
      .map((log) => [log.kind, Math.round((log.started_us ?? 0) / 1e6), Math.floor(((log.gone_us ?? 0) - slack_us / 2) / 1e6) + 1]);
    expect(spans).toEqual([
      ["download", 5, 20],
      ["download", 5, 20],
      ["upload", 20, 40],
      ["upload", 20, 40],
      ["download", 35, 40],
      ["download", 35, 40],
    ]);
  });

  it("terminates load workers that do not end in time", async () => {
    const { fake, run, outcome } = begin({ isStubborn: true });
    await pass(50);
    expect((await outcome).kind).toBe("result");
    const download = fake.workerLogs.find((log) => log.kind === "download");
    expect(download?.gone_us).toBeLessThanOrEqual(20e6 + END_BOUND_MS * 1000 + 50_000);
    expect(run.registry.forcedTotal).toBe(6);
    expect(fake.openWorkers).toBe(0);
  });

  it("loads a line that four flows fill with four, each way", async () => {
    const { fake, run, outcome } = begin({ isFull: true });
    await pass(50);
    await outcome;
    const loads = fake.workerLogs.filter((log) => log.kind === "download" || log.kind === "upload");
    const flows = (from: number) =>
      loads.filter((log) => Math.round((log.started_us ?? 0) / 1e6) === from).reduce((sum, log) => sum + log.flows, 0);
    expect([flows(5), flows(20), flows(35)]).toEqual([4, 4, 4]);
    expect(loads.flatMap((log) => log.transports)).toHaveLength(6 + 6 + 4);
    const counts = (fake.reported[0]?.flows ?? []).map(({ flows: count }) => count);
    expect(Math.max(...counts)).toBe(6);
    expect(run.registry.forcedTotal).toBe(0);
  });

  it("starts the bidirectional phase with the flows that the download had reached, beside the upload's", async () => {
    const { fake, outcome } = begin();
    await pass(50);
    await outcome;
    const flows = (kind: string, from: number) =>
      fake.workerLogs
        .filter((log) => log.kind === kind && Math.round((log.started_us ?? 0) / 1e6) === from)
        .reduce((sum, log) => sum + log.flows, 0);
    // Goodput of the fake rises with every flow, so each direction grows to the node's limit.
    expect([flows("download", 5), flows("upload", 20)]).toEqual([16, 16]);
    expect([flows("download", 35), flows("upload", 35)]).toEqual([16, 0]);
  });

  it("counts the bidirectional phase from when its flows have ramped up and the upload's are gone", async () => {
    const { fake, outcome } = begin();
    await pass(50);
    await outcome;
    const phase = fake.reported[0]?.phases.at(-1);
    expect(phase?.start_us).toBe(36.5e6);
    expect(phase?.end_us).toBe(40e6);
  });

  it("waits 3 s for late answers, then reports the probes as lost", async () => {
    const { fake, outcome } = begin({ answers: false });
    await pass(42);
    expect(fake.reported).toHaveLength(0);
    await pass(3);
    expect((await outcome).kind).toBe("result");
    expect(fake.reported[0]?.probes.every((probe) => probe.received_us === null)).toBe(true);
  });

  it("stops without a report before anything was graded, and tells the node", async () => {
    const { fake, run, outcome } = begin();
    await pass(8);
    run.stop();
    await pass(2);
    expect((await outcome).kind).toBe("stopped");
    expect(fake.deletions).toBe(1);
    expect(fake.openWorkers).toBe(0);
    expect(fake.reported).toHaveLength(0);
  });

  it("reports what was graded when it is stopped later, the phases cut there", async () => {
    const { fake, run, outcome } = begin();
    await pass(17);
    run.stop();
    await pass(5);
    expect((await outcome).kind).toBe("result");
    const phases = fake.reported[0]?.phases;
    expect(phases?.map((span) => span.phase)).toEqual(["baseline", "download_warmup", "download"]);
    expect(phases?.at(-1)?.end_us).toBeLessThanOrEqual(17e6);
    expect(fake.openWorkers).toBe(0);
  });

  it("ends everything at once when the page goes away", async () => {
    const { fake, run, outcome } = begin();
    await pass(12);
    run.abandon();
    expect(fake.openWorkers).toBe(0);
    expect(fake.deletions).toBe(1);
    await pass(5);
    await outcome;
  });

  it("tells a refusal with its countdown", async () => {
    const { outcome } = begin({ refuses: new ApiError("refused", "full", 20, 3) });
    await pass(1);
    expect(await outcome).toEqual({
      kind: "failed",
      failure: { kind: "refused", message: "full", retry_after_s: 20, queue_position: 3 },
    });
  });

  it("says so when nothing lets a probe through", async () => {
    const { fake, outcome } = begin({ probe: "unreachable" });
    await pass(5);
    const ended = await outcome;
    expect(ended.kind === "failed" && ended.failure.kind).toBe("blocked");
    expect(fake.openWorkers).toBe(0);
  });

  it("keeps a test that is lost midway, marked, and leaves nothing open", async () => {
    const { fake, run, outcome } = begin({ reportFails: true });
    await pass(15);
    fake.loseProbe();
    await pass(10);
    const ended = await outcome;
    expect(ended.kind === "failed" && ended.failure.kind).toBe("lost");
    expect(run.samples().probes.length).toBeGreaterThan(200);
    expect(fake.openWorkers).toBe(0);
  });

  it("keeps the samples when they can't be handed in, and hands them in again", async () => {
    const { fake, run, outcome } = begin({ reportFails: true });
    await pass(50);
    const ended = await outcome;
    expect(ended.kind === "failed" && ended.failure.kind).toBe("report_failed");
    fake.behaviour.reportFails = false;
    const again = run.reportAgain();
    await pass(1);
    expect((await again).kind).toBe("result");
    expect(fake.reported[0]?.probes).toHaveLength(800);
  });

  it("never has more than five HTTP load flows at once, so that one of six connections is left for the node's count", async () => {
    const { fake, outcome } = begin();
    await pass(50);
    await outcome;
    const http = (from_s: number) =>
      fake.workerLogs
        .filter((log) => log.started_us !== null && Math.round(log.started_us / 1e6) === from_s)
        .flatMap((log) => log.transports)
        .filter((transport) => transport === "http").length;
    // The uploads of 20 s are still there at 35 s.
    expect([http(5), http(20), http(35)]).toEqual([4, 3, 2]);
  });

  it("uploads by WebSocket alone in a browser whose POST is dear, which leaves the downloads all they can have", async () => {
    const { fake, outcome } = begin({ loadByHttp: "down" });
    await pass(50);
    await outcome;
    const transports = (kind: string) =>
      fake.workerLogs.filter((log) => log.kind === kind).map((log) => [...new Set(log.transports)].toSorted().join());
    expect(new Set(transports("upload"))).toEqual(new Set(["websocket"]));
    expect(
      fake.workerLogs
        .filter((log) => log.kind === "download" && Math.round((log.started_us ?? 0) / 1e6) === 35)
        .flatMap((log) => log.transports)
        .filter((transport) => transport === "http"),
    ).toHaveLength(4);
  });

  it("loads by WebSocket alone where requests would share one connection", async () => {
    const { fake, outcome } = begin({ loadByHttp: "neither" });
    await pass(50);
    await outcome;
    const flows = fake.workerLogs.filter((log) => log.kind === "download" || log.kind === "upload").flatMap((log) => log.transports);
    expect(flows.length).toBeGreaterThan(8);
    expect(new Set(flows)).toEqual(new Set(["websocket"]));
  });

  it("loads over HTTP alone where WebSockets are blocked", async () => {
    const { fake, outcome } = begin({ probe: "http" });
    await pass(50);
    await outcome;
    expect(fake.workerLogs.flatMap((log) => log.transports).every((transport) => transport === "http")).toBe(true);
    const flowsAt = (from_s: number) =>
      fake.workerLogs
        .filter((log) => log.started_us !== null && Math.round(log.started_us / 1e6) === from_s)
        .reduce((sum, log) => sum + log.transports.length, 0);
    // Uploads and downloads together leave two of six connections: for the node's count and for the probes.
    expect(flowsAt(20) + flowsAt(35)).toBe(4);
    expect(fake.reported[0]?.probe_transport).toBe("http");
  });

  it("starts every worker before the test's clock", async () => {
    const { fake, outcome } = begin();
    await pass(2);
    expect(fake.workerLogs).toHaveLength(8);
    await pass(50);
    await outcome;
    expect(fake.workerLogs).toHaveLength(8);
  });

  it("asks for the node's count from the first upload on", async () => {
    const { fake, outcome } = begin();
    await pass(50);
    await outcome;
    const count = fake.workerLogs.find((log) => log.kind === "count");
    expect(Math.round((count?.started_us ?? 0) / 1e6)).toBe(20);
    expect(count?.gone_us).toBeGreaterThan(40e6);
  });

  it("gives the test up when the device slept through part of it", async () => {
    const { outcome } = begin();
    await pass(7);
    vi.setSystemTime(Date.now() + 60_000);
    await pass(1);
    const ended = await outcome;
    expect(ended.kind === "failed" && ended.failure.kind).toBe("asleep");
  });
});

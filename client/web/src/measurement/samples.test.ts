import { describe, expect, it } from "vitest";
import { GoodputBins, BinCounter } from "./goodput_bins";
import { timeline } from "./fake_machinery";
import { SampleLog } from "./samples";
import { loadStretches, phaseAt, phasesUntil } from "./timeline";
import { UploadWindow, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN } from "./upload_window";

function sent(sequence: number, sent_us: number) {
  return { sequence, sent_us, late_us: 0 };
}

function answered(sequence: number, received_us: number, inside_us = 0) {
  return { sequence, received_us, node_receive_us: 5_000_000, node_send_us: 5_000_000 + inside_us };
}

describe("SampleLog", () => {
  it("keeps every probe, and an unanswered one has no reception", () => {
    const log = new SampleLog();
    log.handleBatch([sent(0, 0), sent(1, 50_000)], [answered(0, 10_000)], []);
    expect(log.probes.map((probe) => probe.received_us)).toEqual([10_000, null]);
    expect(log.unanswered).toBe(1);
  });

  it("takes answers out of order and ignores a second answer", () => {
    const log = new SampleLog();
    log.handleBatch([sent(0, 0), sent(1, 50_000)], [answered(1, 60_000), answered(0, 90_000), answered(0, 99_000)], []);
    expect(log.probes.map((probe) => probe.received_us)).toEqual([90_000, 60_000]);
  });

  it("leaves the node's own time out of the round trip", () => {
    const log = new SampleLog();
    log.handleBatch([sent(0, 0)], [answered(0, 10_000, 4_000)], []);
    expect(log.median_ms(0, 1)).toBe(6);
  });

  it("shows the wait of a silent line as latency", () => {
    const log = new SampleLog();
    log.handleBatch([sent(0, 0), sent(1, 50_000)], [answered(0, 10_000)], []);
    expect(log.now_ms(100_000)).toBe(10);
    expect(log.now_ms(900_000)).toBe(850);
  });

  it("finds a probe although slots before it were given up", () => {
    const log = new SampleLog();
    log.handleBatch([sent(0, 0), sent(3, 150_000)], [answered(3, 160_000)], []);
    expect(log.probes[1]?.received_us).toBe(160_000);
  });
});

describe("goodput bins", () => {
  it("add up over workers on one grid", () => {
    const bins = new GoodputBins();
    const first = new BinCounter();
    first.add(10_000, 100);
    first.add(110_000, 50);
    bins.add("down", first.take());
    bins.add("down", [[0, 25]]);
    expect(bins.samples(200_000).filter((sample) => sample.direction === "down")).toEqual([
      { at_us: 100_000, direction: "down", bytes: 125 },
      { at_us: 200_000, direction: "down", bytes: 50 },
    ]);
    expect(first.take()).toEqual([]);
  });

  it("take a count that came late evenly over its interval, to the byte", () => {
    const counter = new BinCounter();
    counter.addOver(50_000, 350_000, 1_001);
    expect(counter.take()).toEqual([
      [0, 167],
      [1, 334],
      [2, 334],
      [3, 166],
    ]);
    counter.addOver(100_000, 100_000, 5);
    expect(counter.take()).toEqual([[1, 5]]);
  });

  it("give the mean of whole bins in Mbit/s", () => {
    const bins = new GoodputBins();
    bins.add("up", [
      [0, 1_250_000],
      [1, 1_250_000],
    ]);
    expect(bins.mean_mbps("up", 0, 200_000)).toBe(100);
    expect(bins.mean_mbps("up", 150_000, 199_000)).toBe(0);
    expect(bins.total_bytes).toBe(2_500_000);
  });
});

describe("timeline", () => {
  it("keeps the flows of a direction open over all phases that need them", () => {
    expect(loadStretches(timeline())).toEqual([
      { direction: "down", start_us: 5e6, end_us: 20e6 },
      { direction: "up", start_us: 20e6, end_us: 40e6 },
      { direction: "down", start_us: 35e6, end_us: 40e6 },
    ]);
  });

  it("gives a boundary to the phase that begins there", () => {
    expect(phaseAt(timeline(), 20e6)?.phase).toBe("upload_warmup");
    expect(phaseAt(timeline(), 40e6)).toBeNull();
  });

  it("cuts the phases where the test was stopped", () => {
    expect(phasesUntil(timeline(), 12e6).at(-1)).toEqual({ phase: "download", start_us: 10e6, end_us: 12e6 });
  });
});

describe("UploadWindow", () => {
  it("opens while the socket runs dry and never beyond its bound", () => {
    const window = new UploadWindow();
    for (let turn = 0; turn < 20; turn += 1) window.handleTaken(window.bytes, 0.004, true);
    expect(window.bytes).toBe(WINDOW_BYTES_MAX);
  });

  it("closes to its floor on a slow line, so that the page is not the queue", () => {
    const window = new UploadWindow();
    for (let turn = 0; turn < 500; turn += 1) window.handleTaken(500, 0.004, false);
    expect(window.bytes).toBe(WINDOW_BYTES_MIN);
  });
});

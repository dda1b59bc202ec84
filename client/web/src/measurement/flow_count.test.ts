import { describe, expect, it } from "vitest";
import { ENOUGH_MBPS, FLOWS_AT_START, FLOWS_PER_ADDITION, FlowCount, JUDGEMENT_INTERVAL_US } from "./flow_count";

/** Feeds one judgement after another and returns the number of flows after each. */
function grow(count: FlowCount, goodputs_mbps: number[]): number[] {
  return goodputs_mbps.map((goodput_mbps, index) => {
    count.handleGoodput((index + 1) * JUDGEMENT_INTERVAL_US, goodput_mbps);
    return count.flows;
  });
}

describe("FlowCount", () => {
  it("adds flows while each addition raises goodput by more than 5 %", () => {
    expect(grow(new FlowCount(0, 16), [100, 100, 110, 120, 121, 200])).toEqual([4, 6, 8, 10, 8, 8]);
  });

  it("takes an addition back that did not pay, and stays settled", () => {
    const count = new FlowCount(0, 16);
    expect(grow(count, [50, 52, 52])).toEqual([4, 6, 4]);
    expect(count.isSettled).toBe(true);
  });

  it("holds an addition against what was before a dip", () => {
    const count = new FlowCount(0, 16);
    count.handleGoodput(JUDGEMENT_INTERVAL_US, 48);
    count.handleGoodput(1.5 * JUDGEMENT_INTERVAL_US, 48);
    expect(count.handleGoodput(2 * JUDGEMENT_INTERVAL_US, 40)).toBe(FLOWS_PER_ADDITION);
    expect(count.handleGoodput(3 * JUDGEMENT_INTERVAL_US, 48)).toBe(-FLOWS_PER_ADDITION);
  });

  it("takes what the first flows gain by themselves for no reason to add more", () => {
    expect(grow(new FlowCount(0, 16), [16, 48, 48])).toEqual([4, 6, 4]);
  });

  it("gives a long slow start more flows", () => {
    expect(grow(new FlowCount(0, 16), [1, 4, 16, 40, 40])).toEqual([4, 6, 8, 10, 8]);
  });

  it("never exceeds the node's limit", () => {
    expect(grow(new FlowCount(0, 7), [1, 1, 2, 4])).toEqual([4, 6, 7, 7]);
  });

  it("starts where an earlier phase arrived", () => {
    expect(new FlowCount(0, 16, 10).flows).toBe(10);
    expect(new FlowCount(0, 8, 10).flows).toBe(8);
  });

  it("judges nothing before the interval has passed", () => {
    const count = new FlowCount(1_000, 16);
    expect(count.handleGoodput(JUDGEMENT_INTERVAL_US, 100)).toBe(0);
    expect(count.flows).toBe(FLOWS_AT_START);
    expect(count.handleGoodput(1_000 + JUDGEMENT_INTERVAL_US, 100)).toBe(0);
    expect(count.handleGoodput(1_000 + 2 * JUDGEMENT_INTERVAL_US, 100)).toBe(FLOWS_PER_ADDITION);
  });

  it("adds nothing where flows are not what is lacking", () => {
    const count = new FlowCount(0, 16);
    expect(grow(count, [900, ENOUGH_MBPS, 3000])).toEqual([4, 4, 4]);
    expect(count.isFast).toBe(true);
  });

  it("adds nothing before anything was carried", () => {
    expect(grow(new FlowCount(0, 16), [0, 0, 0])).toEqual([4, 4, 4]);
    expect(grow(new FlowCount(0, 16), [0, 0, 16, 48, 48])).toEqual([4, 4, 6, 8, 6]);
  });
});

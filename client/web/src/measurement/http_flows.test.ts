import { expect, it } from "vitest";
import { isMultiplexed } from "./http_flows";

const entry = (nextHopProtocol?: string) => ({ entryType: "resource", nextHopProtocol }) as unknown as PerformanceEntry;

it("requests share a connection where any of them went by HTTP/2 or later", () => {
  expect(isMultiplexed([entry("http/1.1"), entry(""), entry("http/1.0"), {} as PerformanceEntry])).toBe(false);
  expect(isMultiplexed([entry(""), entry("h2")])).toBe(true);
  expect(isMultiplexed([entry("h3")])).toBe(true);
});

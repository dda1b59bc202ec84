import { expect, it } from "vitest";
import { isMultiplexed, namesChromium } from "./http_flows";

const entry = (nextHopProtocol?: string) => ({ entryType: "resource", nextHopProtocol }) as unknown as PerformanceEntry;

it("requests share a connection where any of them went by HTTP/2 or later", () => {
  expect(isMultiplexed([entry("http/1.1"), entry(""), entry("http/1.0"), {} as PerformanceEntry])).toBe(false);
  expect(isMultiplexed([entry(""), entry("h2")])).toBe(true);
  expect(isMultiplexed([entry("h3")])).toBe(true);
});

it("Chromium is known by its name, with a window and without, and no other browser by it", () => {
  const webkit = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
  for (const name of ["Chrome/156.0.0.0", "HeadlessChrome/156.0.0.0", "Chromium/156.0.0.0 Chrome/156.0.0.0"]) {
    expect(namesChromium(`${webkit} ${name} Safari/537.36`)).toBe(true);
  }
  expect(namesChromium("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0")).toBe(false);
  expect(namesChromium(`${webkit} Version/19.0 Safari/605.1.15`)).toBe(false);
});

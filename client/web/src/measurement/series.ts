// A test's samples as columns for the charts: seconds, then one column for each line. Pure.

import type { GoodputBins } from "./goodput_bins";
import { roundTrip_ms, type SampleLog } from "./samples";

/** Columns of a chart; a gap is `null`. */
export type Columns = [x: number[], ...lines: (number | null)[][]];

/** Round trips by time of sending. A probe not answered (yet) is a gap. */
export function latencyColumns(log: SampleLog): Columns {
  const x: number[] = [];
  const latency: (number | null)[] = [];
  for (const probe of log.probes) {
    x.push(probe.sent_us / 1e6);
    latency.push(roundTrip_ms(probe));
  }
  return [x, latency];
}

/** Received by time, down and up, in bins that are complete at `now_us`. */
export function throughputColumns(bins: GoodputBins, now_us: number): Columns {
  const x: number[] = [];
  const down: (number | null)[] = [];
  const up: (number | null)[] = [];
  // Workers report each 100 ms; a bin is complete when the report after it has arrived.
  const step_us = 200_000;
  for (let from_us = 0; from_us + step_us + 200_000 <= now_us; from_us += step_us) {
    x.push((from_us + step_us / 2) / 1e6);
    down.push(bins.mean_mbps("down", from_us, from_us + step_us));
    up.push(bins.mean_mbps("up", from_us, from_us + step_us));
  }
  return [x, down, up];
}

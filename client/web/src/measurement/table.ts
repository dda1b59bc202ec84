// The charts' figures as rows of one second each: what a reader of the table behind a chart gets. Pure.

import type { Phase, PhaseSpan } from "../protocol";
import type { GoodputBins } from "./goodput_bins";
import type { SampleLog } from "./samples";
import { endOf, phaseAt } from "./timeline";

/** One second of the test. */
export type SecondRow = {
  second: number;
  phase: Phase | null;
  latency_ms: number | null;
  down_mbps: number;
  up_mbps: number;
};

/** A row for each second of the phases. */
export function secondRows(log: SampleLog, bins: GoodputBins, phases: readonly PhaseSpan[]): SecondRow[] {
  return Array.from({ length: Math.ceil(endOf(phases) / 1e6) }, (_, second) => {
    const from_us = second * 1e6;
    const to_us = from_us + 1e6;
    return {
      second,
      phase: phaseAt(phases, from_us)?.phase ?? null,
      latency_ms: log.median_ms(from_us, to_us),
      down_mbps: bins.mean_mbps("down", from_us, to_us),
      up_mbps: bins.mean_mbps("up", from_us, to_us),
    };
  });
}

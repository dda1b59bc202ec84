// One clock for the page and every worker: microseconds since the start of the test. Knows nothing of phases.
//
// `performance.now()` counts from each context's own birth; only with `timeOrigin` added can two workers' times be
// compared. The sum stays below 2^53 µs, so a double holds it to a quarter of a microsecond.

/** Microseconds since 1970 on the monotonic clock of this context. */
export function epochUs(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

/** Whole microseconds since `startEpochUs`; negative before the start. */
export function sinceUs(startEpochUs: number): number {
  return Math.round(epochUs() - startEpochUs);
}

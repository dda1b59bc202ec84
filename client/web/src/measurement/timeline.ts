// The timeline: which phase a moment belongs to and which load runs in it. Pure; the clock is an argument.

import type { Direction, Phase, PhaseSpan } from "../protocol";

/**
 * A stretch of the timeline over which the load flows of one direction stay open: every phase that needs them, without a
 * break. The uploads go on when the downloads join them, so the upstream queue never drains in between.
 */
export type LoadStretch = { direction: Direction; start_us: number; end_us: number };

/** The directions that are loaded in a phase. */
export function directionsOf(phase: Phase): Direction[] {
  switch (phase) {
    case "baseline":
      return [];
    case "download_warmup":
    case "download":
      return ["down"];
    case "upload_warmup":
    case "upload":
      return ["up"];
    case "bidirectional":
      return ["down", "up"];
  }
}

/** Whether a phase's samples are graded. */
export function isGraded(phase: Phase): boolean {
  return phase === "download" || phase === "upload" || phase === "bidirectional";
}

/** Whether flows may be added in a phase: only where nothing is graded, so that a graded phase is steady. */
export function isRamping(phase: Phase): boolean {
  return phase === "download_warmup" || phase === "upload_warmup";
}

/** The stretches of both directions, in the order in which they begin. */
export function loadStretches(phases: readonly PhaseSpan[]): LoadStretch[] {
  const stretches: LoadStretch[] = [];
  const running = new Map<Direction, LoadStretch>();
  for (const { phase, start_us, end_us } of phases) {
    const loaded = directionsOf(phase);
    for (const direction of running.keys()) if (!loaded.includes(direction)) running.delete(direction);
    for (const direction of loaded) {
      const stretch = running.get(direction);
      if (stretch === undefined) {
        const begun = { direction, start_us, end_us };
        running.set(direction, begun);
        stretches.push(begun);
      } else {
        stretch.end_us = end_us;
      }
    }
  }
  return stretches;
}

/** The phase at `at_us`: the first before the start, `null` from the end on. */
export function phaseAt(phases: readonly PhaseSpan[], at_us: number): PhaseSpan | null {
  return phases.find((span) => at_us < span.end_us) ?? null;
}

/** The end of the last phase, µs since the start of the test. */
export function endOf(phases: readonly PhaseSpan[]): number {
  return phases.at(-1)?.end_us ?? 0;
}

/** The phases as they ran until `stopped_us`: later ones dropped, the running one cut short. */
export function phasesUntil(phases: readonly PhaseSpan[], stopped_us: number): PhaseSpan[] {
  return phases
    .filter((span) => span.start_us < stopped_us)
    .map((span) => ({ ...span, end_us: Math.min(span.end_us, stopped_us) }));
}

// The household's timeline. Pure; the clock is an argument.

import type { Direction, HouseholdPhase, HouseholdSpan } from "../protocol";

/** What a capacity phase loads; `null` for the other phases. */
export function capacityDirection(phase: HouseholdPhase): Direction | null {
  switch (phase) {
    case "capacity_down":
      return "down";
    case "capacity_up":
      return "up";
    case "baseline":
    case "traffic":
      return null;
  }
}

/** The span of a phase, if the timeline has it. */
export function spanOf(phases: readonly HouseholdSpan[], phase: HouseholdPhase): HouseholdSpan | undefined {
  return phases.find((span) => span.phase === phase);
}

/** The phases as they ran until `stopped_us`: later ones dropped, the running one cut short. */
export function spansUntil(phases: readonly HouseholdSpan[], stopped_us: number): HouseholdSpan[] {
  return phases
    .filter((span) => span.start_us < stopped_us)
    .map((span) => ({ ...span, end_us: Math.min(span.end_us, stopped_us) }));
}

/** Puts a phase off to `start_us` at its full length, and those after it with it. */
export function putOff(phases: readonly HouseholdSpan[], phase: HouseholdPhase, start_us: number): HouseholdSpan[] {
  const from = phases.findIndex((span) => span.phase === phase);
  const delay_us = start_us - (phases[from]?.start_us ?? start_us);
  if (from < 0 || delay_us <= 0) return [...phases];
  return phases.map((span, index) =>
    index < from ? span : { ...span, start_us: span.start_us + delay_us, end_us: span.end_us + delay_us },
  );
}

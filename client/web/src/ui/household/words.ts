// The household's words for phases, grades and models. Text only; nothing is computed from samples here.

import type { Grade, HouseholdPhase } from "../../protocol";

/** Short names, for the stepper, the chart and the table. */
export const householdPhaseNames: Record<HouseholdPhase, string> = {
  baseline: "Idle",
  capacity_down: "Capacity down",
  capacity_up: "Capacity up",
  traffic: "Everybody at once",
};

/** What is happening, in a line. */
export const householdPhaseSentences: Record<HouseholdPhase, string> = {
  baseline: "Measuring the idle line",
  capacity_down: "Finding what the line carries downstream",
  capacity_up: "Finding what the line carries upstream",
  traffic: "Everybody is online at once",
};

/** What the overall grade means for the people in the house. */
export const householdSentences: Record<Grade, string> = {
  "A+": "This line carries everybody at once, and nobody notices the others.",
  A: "Everybody gets along on this line; only the most sensitive notice when the others are busy.",
  B: "Most of the time everybody gets along, but now and then one of them waits for another.",
  C: "The people in this house get in each other’s way: what one does, the others notice.",
  D: "While one of them is busy, the others have a hard time.",
  F: "This line can’t carry everybody at once: calls break up and games lag as soon as it is busy.",
};

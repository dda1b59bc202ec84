// The page's words for phases and grades. Text only; nothing is computed from samples here.

import type { Step } from "../measurement/run";
import type { Grade, Phase } from "../protocol";

/** Short names, for the stepper and the tables. */
export const phaseNames: Record<Phase, string> = {
  baseline: "Idle",
  download_warmup: "Download ramp",
  download: "Download",
  upload_warmup: "Upload ramp",
  upload: "Upload",
  bidirectional: "Both ways",
};

/** What is happening, in a line. */
export const phaseSentences: Record<Phase, string> = {
  baseline: "Measuring the idle line",
  download_warmup: "Filling the line with downloads",
  download: "Measuring latency while downloading",
  upload_warmup: "Filling the line with uploads",
  upload: "Measuring latency while uploading",
  bidirectional: "Measuring latency with both at once",
};

/** What is happening outside of the phases. */
export const stepSentences: Record<Step, string> = {
  admitting: "Asking the node for a place",
  connecting: "Connecting",
  running: "Starting",
  settling: "Waiting for the last answers",
  reporting: "Grading",
  over: "Done",
};

/** One word for a grade. */
export const gradeWords: Record<Grade, string> = {
  "A+": "Excellent",
  A: "Very good",
  B: "Good",
  C: "Fair",
  D: "Poor",
  F: "Bad",
};

/** What the total grade means for calls, games and streaming. */
export const gradeSentences: Record<Grade, string> = {
  "A+": "Calls, games and streaming stay smooth on this line, whatever else is running.",
  A: "Calls and streaming stay smooth while the line is busy; only the fastest games might notice.",
  B: "Calls and streaming hold up while the line is busy, but fast games will feel the delay.",
  C: "While the line is busy, calls turn awkward and games lag; streaming copes.",
  D: "While the line is busy, calls break up and games are hardly playable; streaming is slow to start.",
  F: "While the line is busy, calls and games are next to impossible, and even streaming and web pages stall.",
};

/** A grade as part of a CSS class. */
export function gradeClass(grade: Grade | null): string {
  if (grade === null) return "grade-none";
  return `grade-${grade === "A+" ? "aplus" : grade.toLowerCase()}`;
}

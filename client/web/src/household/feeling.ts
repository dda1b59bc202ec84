// How a user feels at the moment, for the picture on the card: by simple thresholds on the live figures. Pure.
//
// Only a picture. The score is the node's, from the samples, by the models of the report.

import type { ExperienceModel } from "../protocol";

/** From best to worst. */
export type Feeling = "happy" | "content" | "uneasy" | "upset";

/** What there is to feel about; `null` where it is not known yet. */
export type Circumstances = {
  model: ExperienceModel;
  increase_ms: number | null;
  jitter_ms: number | null;
  /** Received ÷ what was asked for, or could be had. */
  achieved_ratio: number | null;
  /** How long the film can go on without another segment, s; negative while it stands. */
  buffer_s: number | null;
};

/** The upper bounds of the first three feelings by a figure where less is better. */
function byLess(value: number, bounds: [number, number, number]): Feeling {
  if (value < bounds[0]) return "happy";
  if (value < bounds[1]) return "content";
  return value < bounds[2] ? "uneasy" : "upset";
}

/** `null` before there is anything to feel about. */
export function feelingOf({ model, increase_ms, jitter_ms, achieved_ratio, buffer_s }: Circumstances): Feeling | null {
  switch (model) {
    case "gaming":
      // A player feels the jitter as much as twice the delay.
      return increase_ms === null ? null : byLess(Math.max(increase_ms, 2 * (jitter_ms ?? 0)), [30, 60, 100]);
    case "call":
      return increase_ms === null ? null : byLess(Math.max(increase_ms, 2 * (jitter_ms ?? 0)), [60, 120, 250]);
    case "streaming":
      return buffer_s === null ? null : byLess(-buffer_s, [-1.5, 0, 1.5]);
    case "bulk":
      return achieved_ratio === null ? null : byLess(1 - achieved_ratio, [0.15, 0.4, 0.75]);
  }
}

/** In a word, for those who don't see the picture. */
export const feelingWords: Record<Feeling, string> = {
  happy: "happy",
  content: "content",
  uneasy: "uneasy",
  upset: "upset",
};

// The figures of the model by which a user was judged, as the report has them.

import type { ModelReport } from "../../protocol";
import { ms, NONE, percent, rate, signedMs, text } from "../format";

type Fact = [name: string, value: string];

function seconds(value_s: number | null): string {
  return value_s === null ? NONE : `${value_s.toFixed(1)} s`;
}

/** Each model's own figures, named. */
export function modelFacts(model: ModelReport): Fact[] {
  switch (model.type) {
    case "gaming":
      return [["Worst 5 % from", text(signedMs(model.p95_increase_ms))]];
    case "call":
      return [
        ["Speech (MOS)", model.mos === null ? NONE : `${model.mos.toFixed(1)} of 4.5`],
        ["R factor", model.r_factor === null ? NONE : model.r_factor.toFixed(0)],
        ["Mouth to ear", text(ms(model.mouth_to_ear_ms))],
        ["Missed buffer", percent(model.missed_ratio)],
        ["Froze for", seconds(model.frozen_s)],
      ];
    case "streaming":
      return [
        ["Began after", seconds(model.startup_s)],
        ["Stops", String(model.stalls)],
        ["Stood for", seconds(model.stalled_s)],
        ["In time", `${model.segments_in_time} of ${model.segments}`],
      ];
    case "bulk":
      return [
        ["Line had left", text(rate(model.available_mbps))],
        ["Got of that", percent(model.achieved_ratio)],
      ];
  }
}

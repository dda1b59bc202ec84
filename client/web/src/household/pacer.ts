// When which message of a flow leaves: its pattern as a schedule. Pure; the clock is an argument, whole nanoseconds.
//
// The page drives the uplink halves of the users on the node's own schedule: these are twins of `protocol::pacing`, and
// both are tested against one table.

import type { FlowDescription } from "../protocol";
import { Continuous, Segmented } from "./metered";
import { Metronome } from "./metronome";

/** A message that may leave now: its size, header included, and the flags of its header. */
export type Release = { bytes: number; flags: number };

/** Paces one flow from a start on. A message released is a message sent: don't ask while it could not be written. */
export type Pace = {
  /** When to ask next, ns. In the past when a message is due already. */
  readonly deadline_ns: number;
  /** What was given up because of stalls: messages, of a segmented flow segments, of a continuous one nothing. */
  readonly skipped: number;
  /** The next message, if it may leave by `now_ns`. Ask until `null`. */
  pollRelease: (now_ns: number) => Release | null;
};

/** The pacer of a flow that starts at `start_ns`. */
export function pacerOf(flow: FlowDescription, start_ns: number): Pace {
  const { pattern, rate_bps } = flow;
  switch (pattern.type) {
    case "constant":
      return new Metronome(start_ns, rate_bps, pattern.messages_per_second);
    case "frames":
      return new Metronome(start_ns, rate_bps, pattern.frames_per_second, pattern.keyframe_interval, pattern.keyframe_ratio);
    case "on_off":
      return new Segmented(start_ns, rate_bps, pattern.message_bytes, pattern.on_ms, pattern.off_ms);
    case "continuous":
      return new Continuous(start_ns, rate_bps, pattern.message_bytes, pattern.burst_bytes);
  }
}

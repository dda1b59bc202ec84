// The uplink half of a session: the profile's flows from the user, each on its own schedule. Pure; no socket, no clock.

import type { ProfileDescription } from "../protocol";
import { pacerOf, type Pace } from "./pacer";
import type { TrafficHeader } from "./traffic_codec";

/** A message to send now. */
export type Outgoing = { header: Omit<TrafficHeader, "send_us">; bytes: number };

type Flow = { number: number; pace: Pace; sequence: number; skipped: number };

/** See the module's head. */
export class Uplink {
  readonly #flows: Flow[];

  /** Starts every flow from the user at `start_us`. */
  constructor(profile: ProfileDescription, start_us: number) {
    this.#flows = profile.flows.flatMap((flow, number) =>
      flow.direction === "up" ? [{ number, pace: pacerOf(flow, start_us * 1000), sequence: 0, skipped: 0 }] : [],
    );
  }

  /** When the next message is due, µs; infinite when none will be. */
  get deadline_us(): number {
    return Math.min(...this.#flows.map((flow) => flow.pace.deadline_ns)) / 1000;
  }

  /**
   * The next message that may leave by `now_us`; ask until `null`, and not while it could not be sent. What a stall made
   * stale leaves a gap in the numbers: to the receiver it is lost, as it would be in a game.
   */
  pollMessage(now_us: number): Outgoing | null {
    for (const flow of this.#flows) {
      const release = flow.pace.pollRelease(now_us * 1000);
      if (release === null) continue;
      const sequence = (flow.sequence + flow.pace.skipped - flow.skipped) >>> 0;
      flow.skipped = flow.pace.skipped;
      flow.sequence = (sequence + 1) >>> 0;
      return { header: { flow: flow.number, flags: release.flags, sequence }, bytes: release.bytes };
    }
    return null;
  }
}

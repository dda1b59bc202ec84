// Which flows' messages go into the report one by one: those whose whole traffic fits its bounds. Pure.
//
// Leaving out whole flows keeps the others complete; cutting the record off in its middle would read as a picture that froze.

import type { ProfileDescription } from "../protocol";

/** Messages that one user's samples may hold (`REPORT_MESSAGES_MAX` in `protocol/src/limits.rs`). */
const USER_MESSAGES_MAX = 20_000;
/** The same for all users: a report is at most 4 MiB, and a message takes up to 80 bytes of it. */
const REPORT_MESSAGES_MAX = 32_000;
/** Flows send a little more than their mean at times. */
const MARGIN = 1.1;

/** For each profile, the flows to record over `duration_s`; the slowest first, since they are the most telling for their size. */
export function recordedFlows(profiles: readonly ProfileDescription[], duration_s: number): number[][] {
  let left = REPORT_MESSAGES_MAX;
  return profiles.map(({ model, flows }) => {
    if (model !== "gaming" && model !== "call") return [];
    let leftOfUser = Math.min(left, USER_MESSAGES_MAX);
    const candidates = flows
      .map(({ direction, messages_per_second }, number) => ({ direction, number, count: messages_per_second * duration_s * MARGIN }))
      .filter(({ direction }) => direction === "down")
      .toSorted((one, other) => one.count - other.count);
    const recorded: number[] = [];
    for (const { number, count } of candidates) {
      if (count > leftOfUser) break;
      leftOfUser -= count;
      left -= count;
      recorded.push(number);
    }
    return recorded.toSorted((one, other) => one - other);
  });
}

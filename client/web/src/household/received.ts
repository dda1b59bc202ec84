// What the node received from a user, over the sessions of one test: counts add up, figures are the latest. Pure.

import type { ReceivedStats } from "../protocol";

/** Before the first message. */
export const NOTHING_RECEIVED: ReceivedStats = {
  received_bytes: 0,
  messages: 0,
  late: 0,
  lost: 0,
  delay_us: null,
  jitter_us: null,
  goodput_mbps: null,
};

/** `now` goes on where `before` ended. */
export function addReceived(before: ReceivedStats, now: ReceivedStats): ReceivedStats {
  return {
    received_bytes: before.received_bytes + now.received_bytes,
    messages: before.messages + now.messages,
    late: before.late + now.late,
    lost: before.lost + now.lost,
    delay_us: now.delay_us ?? before.delay_us,
    jitter_us: now.jitter_us ?? before.jitter_us,
    goodput_mbps: now.goodput_mbps,
  };
}

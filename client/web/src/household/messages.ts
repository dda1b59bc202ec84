// What the page and a user's worker say to each other. Types only.

import type { AnsweredProbe, SentProbe } from "../measurement/messages";
import type { Bin } from "../measurement/goodput_bins";
import type { MessageSample, ProfileDescription, ReceivedStats, SegmentSample } from "../protocol";

/** Page → user worker. */
export type UserOrder =
  /** Ask the way to the session and connect; start nothing. */
  | { type: "connect"; redirect_url: string; test_id: string; profile: ProfileDescription; recorded_flows: number[] }
  /** All traffic, both ways, between these two moments of the test's clock. */
  | { type: "run"; start_epoch_us: number; from_us: number; to_us: number }
  | { type: "demand"; down_mbps: number }
  /** No more traffic; take what is still on its way, and the node's totals. */
  | { type: "stop" }
  | { type: "end" };

/** What the node has received from the user since the traffic began, at a moment of the test's clock. */
export type UpCount = { at_us: number; stats: ReceivedStats };

/** User worker → page, at most one each 100 ms, and one at each turn of the session. */
export type UserNotice =
  /** The session is there; `isolated` says whether a process of the user's own serves it. */
  | { type: "connected"; isolated: boolean }
  | { type: "unreachable" }
  /** The traffic was started at `at_us`. */
  | { type: "started"; at_us: number }
  | {
      type: "batch";
      bins: Bin[];
      sent: SentProbe[];
      answered: AnsweredProbe[];
      messages: MessageSample[];
      segments: SegmentSample[];
      ups: UpCount[];
      /** Bytes of the uplink that wait in the page. */
      backlog_bytes: number;
    }
  /** The node has said its totals: nothing more will come. */
  | { type: "finished" }
  /** The session broke and could not be had again while it was needed. */
  | { type: "lost" }
  | { type: "ended" };

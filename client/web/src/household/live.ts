// What the cards show of a running household: the figures of the moment, a user at a time. Pure.

import { probeJitter_ms, type UserLog } from "./user_log";
import { feelingOf, type Feeling } from "./feeling";
import type { HouseholdRun } from "./household_run";
import { spanOf } from "./phases";
import type { UserLink } from "./user_link";
import { roundTrip_ms, type SampleLog } from "../measurement/samples";
import type { ExperienceModel } from "../protocol";

/** The sparkline shows this long, in steps of so long, µs. */
const SPARK_WINDOW_US = 15_000_000;
const SPARK_STEP_US = 250_000;

/** One card. */
export type UserLive = {
  user_id: string;
  name: string;
  activity: string;
  model: ExperienceModel;
  down_mbps: number | null;
  up_mbps: number | null;
  /** While sending: what the bars are full at. */
  demand_down_mbps: number;
  demand_up_mbps: number;
  latency_ms: number | null;
  jitter_ms: number | null;
  /** Whether latency and jitter are the line's, because the session has no probes of its own. */
  isOfLine: boolean;
  spark_ms: (number | null)[];
  feeling: Feeling | null;
  isolated: boolean | null;
};

/** Median round trip of the baseline, ms; `null` before there was one. */
export function idle_ms(run: HouseholdRun): number | null {
  return run.log.median_ms(0, spanOf(run.phases, "baseline")?.end_us ?? 0);
}

/** Every card, in order. */
export function usersLive(run: HouseholdRun): UserLive[] {
  const now_us = run.elapsed_us;
  const isTraffic = run.phase === "traffic";
  const idle = idle_ms(run);
  const all_mbps = run.users.map((user) => user.log.down_mbps(now_us) ?? 0).reduce((sum, mbps) => sum + mbps, 0);
  return run.users.map((user) => {
    const { log } = user;
    const { profile } = log;
    const probes = log.hasOwnProbes ? log.probes : run.log;
    const hasStarted = log.started_us !== null;
    const latency_ms = hasStarted ? probes.now_ms(now_us) : null;
    const jitter_ms = hasStarted ? (log.hasOwnProbes ? log.jitter_ms(now_us) : probeJitter_ms(probes, now_us - 1_000_000)) : null;
    const down_mbps = isTraffic ? log.down_mbps(now_us) : null;
    const feeling = feelingOf({
      model: profile.model,
      increase_ms: latency_ms === null || idle === null ? null : latency_ms - idle,
      jitter_ms,
      achieved_ratio: achieved(run, user, down_mbps, all_mbps),
      buffer_s: buffer_s(log, now_us),
    });
    return {
      user_id: profile.user_id,
      name: profile.name,
      activity: profile.activity,
      model: profile.model,
      down_mbps,
      up_mbps: isTraffic ? log.up_mbps : null,
      demand_down_mbps: profile.model === "bulk" ? run.demandDown_mbps(user) : profile.down_mbps,
      demand_up_mbps: profile.up_mbps,
      latency_ms,
      jitter_ms,
      isOfLine: !log.hasOwnProbes,
      spark_ms: hasStarted ? spark_ms(probes, now_us) : [],
      feeling: isTraffic ? feeling : null,
      isolated: user.isolated,
    };
  });
}

/** Of what was asked for, or of what the line has left where that is known and less. */
function achieved(run: HouseholdRun, user: UserLink, down_mbps: number | null, all_mbps: number): number | null {
  // The first second is still ramping up.
  if (down_mbps === null || run.elapsed_us < (user.log.started_us ?? 0) + 1_500_000) return null;
  const asked_mbps = run.demandDown_mbps(user);
  const left_mbps = run.capacity.down === null ? asked_mbps : run.capacity.down - (all_mbps - down_mbps);
  const possible_mbps = Math.max(0.1, Math.min(asked_mbps, left_mbps));
  return Math.min(1, down_mbps / possible_mbps);
}

/**
 * A player that begins with its first segment and one period in reserve: how much of the film is left to show, s. As the
 * report's own player does it; before the first segment is due there is nothing to feel about.
 */
function buffer_s(log: UserLog, now_us: number): number | null {
  const media_ms = log.segmentMedia_ms;
  if (media_ms === null || log.started_us === null) return null;
  const period_us = media_ms * 1000;
  const first = log.segments[0];
  if (first === undefined) {
    const late_us = now_us - log.started_us - period_us / 2;
    return late_us < 0 ? null : -late_us / 1e6;
  }
  let empty_us = Math.max(first.complete_us, log.started_us + period_us) + period_us;
  for (const segment of log.segments.slice(1)) empty_us = Math.max(empty_us, segment.complete_us) + period_us;
  return (empty_us - now_us) / 1e6;
}

/** The worst round trip of each step of the last while, ms. */
function spark_ms(log: SampleLog, now_us: number): (number | null)[] {
  // On a grid of its own, so that a point once drawn keeps its value.
  const end = Math.floor(now_us / SPARK_STEP_US);
  const count = SPARK_WINDOW_US / SPARK_STEP_US;
  const steps: (number | null)[] = Array.from({ length: count }, () => null);
  for (let index = log.probes.length - 1; index >= 0; index -= 1) {
    const probe = log.probes[index];
    if (probe === undefined) break;
    const place = Math.floor(probe.sent_us / SPARK_STEP_US) - (end - count);
    if (place < 0) break;
    const round_trip = roundTrip_ms(probe);
    if (place < count && round_trip !== null) steps[place] = Math.max(steps[place] ?? 0, round_trip);
  }
  return steps;
}

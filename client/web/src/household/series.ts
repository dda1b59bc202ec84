// A household's samples as columns for its chart, and as the table behind it. Pure.

import type { Columns } from "../measurement/series";
import type { SampleLog } from "../measurement/samples";
import type { HouseholdPhase } from "../protocol";
import type { HouseholdRun } from "./household_run";

/** One point of the chart stands for this long, µs. */
const STEP_US = 200_000;
/** What is younger than this is still on its way, µs. */
const FRESH_US = 300_000;

/** A line of the chart: a round trip (ms, left scale), or the bursts of a stream (Mbit/s, right scale). */
export type HouseholdLine = { kind: "latency" | "bursts"; label: string; user_id: string | null };

/** One second of the test. */
export type HouseholdRow = {
  second: number;
  phase: HouseholdPhase | null;
  line_ms: number | null;
  users: { latency_ms: number | null; down_mbps: number | null }[];
};

/** The lines of a run: who streams first, so that the bursts lie behind everything; then the line, then each user with probes. */
export function householdLines(run: HouseholdRun): HouseholdLine[] {
  const profiles = run.users.map((user) => user.log.profile);
  return [
    ...profiles
      .filter(({ model }) => model === "streaming")
      .map(({ name, user_id }) => ({ kind: "bursts" as const, label: `${name}’s bursts`, user_id })),
    { kind: "latency", label: "The line", user_id: null },
    ...run.users
      .filter((user) => user.log.hasOwnProbes)
      .map(({ log }) => ({ kind: "latency" as const, label: log.profile.name, user_id: log.profile.user_id })),
  ];
}

/** The columns of `householdLines`, over the time that is complete. */
export function householdColumns(run: HouseholdRun): Columns {
  const last_us = run.phases.at(-1)?.end_us ?? 0;
  const count = Math.max(0, Math.floor((Math.min(run.elapsed_us, last_us) - FRESH_US) / STEP_US));
  const from_us = Array.from({ length: count }, (_, index) => index * STEP_US);
  const medians = (log: SampleLog) => mediansByStep(log, count);
  const logOf = (user_id: string | null) => run.users.find((user) => user.log.profile.user_id === user_id)?.log;
  const columns = householdLines(run).map((line) => {
    const log = logOf(line.user_id);
    if (line.kind === "latency") return medians(log?.probes ?? run.log);
    const started_us = log?.started_us ?? null;
    return from_us.map((at_us) =>
      log === undefined || started_us === null || at_us < started_us ? null : log.bins.mean_mbps("down", at_us, at_us + STEP_US),
    );
  });
  return [from_us.map((at_us) => (at_us + STEP_US / 2) / 1e6), ...columns];
}

/** A row for each second of the phases. */
export function householdRows(run: HouseholdRun): HouseholdRow[] {
  const last_us = run.phases.at(-1)?.end_us ?? 0;
  return Array.from({ length: Math.ceil(last_us / 1e6) }, (_, second) => {
    const from_us = second * 1e6;
    const to_us = from_us + 1e6;
    return {
      second,
      phase: run.phases.find((span) => from_us >= span.start_us && from_us < span.end_us)?.phase ?? null,
      line_ms: run.log.median_ms(from_us, to_us),
      users: run.users.map(({ log }) => ({
        latency_ms: log.hasOwnProbes ? log.probes.median_ms(from_us, to_us) : null,
        down_mbps: log.started_us === null || to_us <= log.started_us ? null : log.bins.mean_mbps("down", from_us, to_us),
      })),
    };
  });
}

/** Median round trip of the probes sent in each step, in one pass. */
function mediansByStep(log: SampleLog, count: number): (number | null)[] {
  const steps: number[][] = Array.from({ length: count }, () => []);
  for (const probe of log.probes) {
    if (probe.received_us === null) continue;
    const inside_us = (probe.node_send_us ?? 0) - (probe.node_receive_us ?? 0);
    steps[Math.floor(probe.sent_us / STEP_US)]?.push(Math.max(0, probe.received_us - probe.sent_us - inside_us) / 1000);
  }
  return steps.map((round_trips) => {
    round_trips.sort((left, right) => left - right);
    return round_trips[Math.floor(round_trips.length / 2)] ?? null;
  });
}

// The page's one store: which view is shown and what it shows. Components read it; only `session.ts` writes it.

import { signal } from "@preact/signals";
import type { Mode, Phase, PhaseSpan, Report } from "./protocol";
import type { Failure, Step } from "./measurement/controller";
import type { Columns } from "./measurement/series";
import type { SecondRow } from "./measurement/table";

/** What fills the page. */
export type View =
  | { name: "start"; notice: string | null }
  | { name: "running" }
  | { name: "result"; report: Report }
  | { name: "failed"; failure: Failure };

/** The figures of the moment; `null` where there is none yet. */
export type Live = {
  step: Step;
  phase: Phase | null;
  elapsed_s: number;
  latency_ms: number | null;
  idle_ms: number | null;
  increase_ms: number | null;
  down_mbps: number | null;
  up_mbps: number | null;
  transferred_bytes: number;
};

/** What the charts draw. */
export type Charts = { phases: PhaseSpan[]; latency: Columns; throughput: Columns };

export const idleLive: Live = {
  step: "admitting",
  phase: null,
  elapsed_s: 0,
  latency_ms: null,
  idle_ms: null,
  increase_ms: null,
  down_mbps: null,
  up_mbps: null,
  transferred_bytes: 0,
};
export const noCharts: Charts = { phases: [], latency: [[], []], throughput: [[], [], []] };

export const mode = signal<Mode>("single");
export const view = signal<View>({ name: "start", notice: null });
export const live = signal<Live>(idleLive);
export const charts = signal<Charts>(noCharts);
/** The table behind the charts; filled when a test has ended. */
export const seconds = signal<SecondRow[]>([]);
/** The node's own count of the last test's open flows; `null` until it was asked. */
export const openFlows = signal<number | null>(null);
/** Said to screen readers when it changes. */
export const announcement = signal("");

// The page's one store: which view is shown and what it shows. Components read it; only `session.ts`
// and its companions (`household_session.ts`, `branding.ts`) write it.

import { signal } from "@preact/signals";
import type { UserLive } from "./household/live";
import type { HouseholdLine, HouseholdRow } from "./household/series";
import type { Branding, DemandMode, HouseholdCatalogue, HouseholdPhase, HouseholdSpan, Mode, Phase, PhaseSpan, Report } from "./protocol";
import type { Failure } from "./measurement/outcome";
import type { Step } from "./measurement/run";
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

/** The same of a household. */
export type HouseholdLive = {
  step: Step;
  phase: HouseholdPhase | null;
  elapsed_s: number;
  latency_ms: number | null;
  idle_ms: number | null;
  /** Of the capacity phase that runs; else all users together. */
  down_mbps: number | null;
  up_mbps: number | null;
  capacity_down_mbps: number | null;
  capacity_up_mbps: number | null;
  users: UserLive[];
};

/** What the household's chart draws. */
export type HouseholdCharts = { phases: HouseholdSpan[]; lines: HouseholdLine[]; columns: Columns };

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

export const idleHousehold: HouseholdLive = {
  step: "admitting",
  phase: null,
  elapsed_s: 0,
  latency_ms: null,
  idle_ms: null,
  down_mbps: null,
  up_mbps: null,
  capacity_down_mbps: null,
  capacity_up_mbps: null,
  users: [],
};
export const noHouseholdCharts: HouseholdCharts = { phases: [], lines: [], columns: [[]] };

export const mode = signal<Mode>("single");
/** Whether Computer takes what the line has, or what the catalogue says. */
export const demandMode = signal<DemandMode>("adaptive");
/** Who lives at this node; `null` until it was asked. */
export const catalogue = signal<HouseholdCatalogue | null>(null);
export const view = signal<View>({ name: "start", notice: null });
export const live = signal<Live>(idleLive);
export const charts = signal<Charts>(noCharts);
/** The table behind the charts; filled when a test has ended. */
export const seconds = signal<SecondRow[]>([]);
export const household = signal<HouseholdLive>(idleHousehold);
export const householdCharts = signal<HouseholdCharts>(noHouseholdCharts);
/** The table behind the household's chart; filled when a test has ended. */
export const householdSeconds = signal<HouseholdRow[]>([]);
/** The node's own count of the last test's open flows; `null` until it was asked. */
export const openFlows = signal<number | null>(null);
/** What the operator gave the page of his own; nothing until it was asked. */
export const branding = signal<Branding>({ sponsor: null, logo_path: null, accent_colour: null });
/** Said to screen readers when it changes. */
export const announcement = signal("");

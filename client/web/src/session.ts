// What the user can do, and how a running test reaches the store. The only writer of the store.

import { batch } from "@preact/signals";
import { api } from "./measurement/api";
import { epochUs } from "./measurement/clock";
import { HouseholdRun } from "./household/household_run";
import { fetchCatalogue, householdWorkers } from "./household/machinery";
import { finishHousehold, publishHousehold, resetHousehold } from "./household_session";
import { TestRun } from "./measurement/controller";
import { loadByHttp } from "./measurement/http_flows";
import type { Outcome } from "./measurement/outcome";
import { latencyColumns, throughputColumns } from "./measurement/series";
import { secondRows } from "./measurement/table";
import { workers } from "./measurement/worker_port";
import type { DemandMode, Mode, Phase } from "./protocol";
import * as store from "./store";
import { phaseSentences } from "./ui/words";

const CLIENT = { name: "web", version: PAGE_VERSION };
/** Charts are drawn again at most this often, ms. */
const DRAW_INTERVAL_MS = 100;

let run: TestRun | HouseholdRun | null = null;
let drawn_ms = 0;
let announcedPhase: Phase | null = null;
let wakeLock: WakeLockSentinel | null = null;

/** Starts a test, unless one is running. */
export function start(): void {
  if (store.view.value.name === "running") return;
  const update = () => {
    if (run === started) publish(started);
  };
  const started =
    store.mode.value === "single"
      ? new TestRun({ api, workers, epoch_us: epochUs, loadByHttp }, CLIENT, update)
      : new HouseholdRun(
          { api: { ...api, catalogue: fetchCatalogue }, workers: householdWorkers, epoch_us: epochUs, loadByHttp },
          CLIENT,
          store.demandMode.value,
          update,
        );
  run = started;
  announcedPhase = null;
  batch(() => {
    store.live.value = store.idleLive;
    store.charts.value = store.noCharts;
    store.seconds.value = [];
    resetHousehold();
    store.openFlows.value = null;
    store.announcement.value = "Starting the test.";
    store.view.value = { name: "running" };
  });
  void stayAwake();
  void started.run().then((outcome) => {
    if (run === started) finish(started, outcome);
  });
}

/** Stops the running test. */
export function stop(): void {
  run?.stop();
}

/** Hands the last test's samples in again, after that had failed. */
export function reportAgain(): void {
  const again = run;
  if (again === null) return;
  store.view.value = { name: "running" };
  void again.reportAgain().then((outcome) => finish(again, outcome));
}

/** Back to the start page. */
export function reset(): void {
  run = null;
  store.view.value = { name: "start", notice: null };
}

/** Which of the two tests Start begins. */
export function chooseMode(mode: Mode): void {
  store.mode.value = mode;
  if (mode === "household" && store.catalogue.value === null) void loadCatalogue();
}

/** How much the household's transfers ask for. */
export function chooseDemand(demandMode: DemandMode): void {
  store.demandMode.value = demandMode;
}

/** Back to the start page, in the other mode. */
export function switchMode(): void {
  chooseMode(store.mode.value === "single" ? "household" : "single");
  reset();
}

/** Only to show who will be there: a test asks for itself, and says what went wrong if it can't. */
async function loadCatalogue(): Promise<void> {
  store.catalogue.value = await fetchCatalogue().catch(() => null);
}

/** Everything that was measured, for whoever wants to look into it: the report, if there is one, and the samples. */
export function exportJson(): string {
  const { value } = store.view;
  return JSON.stringify(
    { report: value.name === "result" ? value.report : null, samples: run?.samples() ?? null },
    null,
    2,
  );
}

/** The page is going away, or being put aside by the browser. */
export function handlePageHide(): void {
  if (store.view.value.name !== "running") return;
  run?.abandon();
  run = null;
  store.view.value = { name: "start", notice: "The test ended because the page was left." };
}

function publish(current: TestRun | HouseholdRun): void {
  store.openFlows.value = current.openFlows;
  if (store.view.value.name !== "running") return;
  const now_ms = performance.now();
  if (current.step === "running" && now_ms - drawn_ms < DRAW_INTERVAL_MS * 0.9) return;
  drawn_ms = now_ms;
  if (current instanceof HouseholdRun) publishHousehold(current);
  else publishSingle(current);
}

function publishSingle(current: TestRun): void {
  const { log, bins, phase, elapsed_us } = current;
  const baselineEnd_us = current.phases.find((span) => span.phase === "baseline")?.end_us ?? 0;
  const idle_ms = log.median_ms(0, baselineEnd_us);
  const latency_ms = log.now_ms(elapsed_us);
  const rate_mbps = (direction: "down" | "up") => {
    const value_mbps = bins.mean_mbps(direction, elapsed_us - 800_000, elapsed_us - 250_000);
    return value_mbps > 0 ? value_mbps : null;
  };
  batch(() => {
    store.live.value = {
      step: current.step,
      phase,
      elapsed_s: elapsed_us / 1e6,
      latency_ms,
      idle_ms,
      increase_ms: latency_ms === null || idle_ms === null || elapsed_us < baselineEnd_us ? null : latency_ms - idle_ms,
      down_mbps: rate_mbps("down"),
      up_mbps: rate_mbps("up"),
      transferred_bytes: bins.total_bytes,
    };
    store.charts.value = {
      phases: current.phases,
      latency: latencyColumns(log),
      throughput: throughputColumns(bins, elapsed_us),
    };
    if (phase !== null && phase !== announcedPhase) {
      announcedPhase = phase;
      store.announcement.value = phaseSentences[phase];
    } else if (current.step === "settling") {
      store.announcement.value = "Measured. Waiting for the last answers.";
    }
  });
}

function finishSingle(ended: TestRun): void {
  const { log, bins } = ended;
  const { phases } = ended.samples();
  store.charts.value = {
    phases,
    latency: latencyColumns(log),
    throughput: throughputColumns(bins, ended.elapsed_us),
  };
  store.seconds.value = secondRows(log, bins, phases);
}

function finish(ended: TestRun | HouseholdRun, outcome: Outcome): void {
  void wakeLock?.release().catch(() => undefined);
  wakeLock = null;
  batch(() => {
    if (ended instanceof HouseholdRun) finishHousehold(ended);
    else finishSingle(ended);
    switch (outcome.kind) {
      case "result":
        store.view.value = { name: "result", report: outcome.report };
        store.announcement.value = `The test is over. Grade ${outcome.report.total_grade ?? "not available"}.`;
        break;
      case "stopped":
        store.view.value = { name: "start", notice: "Stopped before there was anything to grade. Nothing is left running." };
        store.announcement.value = "The test was stopped.";
        break;
      case "failed":
        store.view.value = { name: "failed", failure: outcome.failure };
        store.announcement.value = outcome.failure.message;
        break;
    }
  });
}

/** A phone that locks its screen in the middle of a test stops it. Where the browser can't, the user's own settings apply. */
async function stayAwake(): Promise<void> {
  try {
    wakeLock = await navigator.wakeLock.request("screen");
  } catch {
    wakeLock = null;
  }
}

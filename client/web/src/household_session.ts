// How a running household reaches the store. Called by `session.ts` only.

import { batch } from "@preact/signals";
import type { HouseholdRun } from "./household/household_run";
import { idle_ms, usersLive } from "./household/live";
import { householdColumns, householdLines, householdRows } from "./household/series";
import { capacityDirection } from "./household/phases";
import type { Direction, HouseholdPhase } from "./protocol";
import * as store from "./store";
import { householdPhaseSentences } from "./ui/household/words";

/** Charts are worth drawing again this often, ms; the cards' figures more often. */
const CHART_INTERVAL_MS = 200;

let announcedPhase: HouseholdPhase | null = null;
let charted_ms = 0;

/** Nothing of an earlier test may be left when the next begins. */
export function resetHousehold(): void {
  announcedPhase = null;
  charted_ms = 0;
  store.household.value = store.idleHousehold;
  store.householdCharts.value = store.noHouseholdCharts;
  store.householdSeconds.value = [];
}

/** Shows how a running test stands. */
export function publishHousehold(run: HouseholdRun): void {
  const { phase, elapsed_us } = run;
  const users = usersLive(run);
  const loaded = phase === null ? null : capacityDirection(phase);
  const rate_mbps = (direction: Direction) => {
    if (loaded === direction) return run.bins.mean_mbps(direction, elapsed_us - 800_000, elapsed_us - 250_000);
    if (phase !== "traffic") return null;
    return users.reduce((sum, user) => sum + ((direction === "down" ? user.down_mbps : user.up_mbps) ?? 0), 0);
  };
  batch(() => {
    store.household.value = {
      step: run.step,
      phase,
      elapsed_s: elapsed_us / 1e6,
      latency_ms: run.log.now_ms(elapsed_us),
      idle_ms: idle_ms(run),
      down_mbps: rate_mbps("down"),
      up_mbps: rate_mbps("up"),
      capacity_down_mbps: run.capacity.down,
      capacity_up_mbps: run.capacity.up,
      users,
    };
    const now_ms = performance.now();
    if (now_ms - charted_ms >= CHART_INTERVAL_MS * 0.9) {
      charted_ms = now_ms;
      chart(run);
    }
    if (phase !== null && phase !== announcedPhase) {
      announcedPhase = phase;
      store.announcement.value = householdPhaseSentences[phase];
    } else if (run.step === "settling") {
      store.announcement.value = "Measured. Waiting for the last answers.";
    }
  });
}

/** Shows what there is of a test that has ended. */
export function finishHousehold(run: HouseholdRun): void {
  run.phases = run.samples().household?.phases ?? run.phases;
  chart(run);
  store.householdSeconds.value = householdRows(run);
}

function chart(run: HouseholdRun): void {
  store.householdCharts.value = { phases: run.phases, lines: householdLines(run), columns: householdColumns(run) };
}

// The page's frame: header, the view of the moment, and the line that speaks to screen readers.

import { announcement, mode, openFlows, view } from "../store";
import { reset } from "../session";
import { FailureView } from "./FailureView";
import { HouseholdResultView } from "./household/HouseholdResultView";
import { HouseholdRunView } from "./household/HouseholdRunView";
import { ResultView } from "./ResultView";
import { RunView } from "./RunView";
import { StartView } from "./StartView";

function CurrentView() {
  const current = view.value;
  switch (current.name) {
    case "start":
      return <StartView key={current.notice} notice={current.notice} />;
    case "running":
      return mode.value === "single" ? <RunView /> : <HouseholdRunView />;
    case "result":
      return current.report.household === null ? (
        <ResultView report={current.report} />
      ) : (
        <HouseholdResultView report={current.report} household={current.report.household} />
      );
    case "failed":
      return <FailureView failure={current.failure} />;
  }
}

export function App() {
  return (
    <div class="page" data-view={view.value.name} data-open-flows={openFlows.value ?? ""}>
      <header class="top">
        <a
          class="brand"
          href="/"
          onClick={(event) => {
            // A running test is left by Stop or by leaving the page, not by a stray tap on the name.
            event.preventDefault();
            if (view.value.name !== "running") reset();
          }}
        >
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M5 21h5c3 0 3.5-12 6.5-12S19 21 22 21h5" />
          </svg>
          Bufferbloat test
        </a>
      </header>
      <main>
        <CurrentView />
      </main>
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement.value}
      </p>
    </div>
  );
}

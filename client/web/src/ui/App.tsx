// The page's frame: header, the view of the moment, and the line that speaks to screen readers.

import { announcement, mode, openFlows, view } from "../store";
import { FailureView } from "./FailureView";
import { HouseholdResultView } from "./household/HouseholdResultView";
import { HouseholdRunView } from "./household/HouseholdRunView";
import { ResultView } from "./ResultView";
import { RunView } from "./RunView";
import { StartView } from "./StartView";
import { Top } from "./Top";

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
      <Top />
      <main>
        <CurrentView />
      </main>
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement.value}
      </p>
    </div>
  );
}

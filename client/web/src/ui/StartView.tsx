// The start: one button, and what pressing it will do.

import { start } from "../session";
import { FocusedHeading } from "./Focus";

const steps = [
  { name: "Idle", what: "How fast the quiet line answers", path: "M2 26h56" },
  { name: "Download", what: "…while the downstream is full", path: "M2 26h12c5 0 6-17 13-17h8c7 0 8 17 13 17h10" },
  { name: "Upload", what: "…while the upstream is full", path: "M2 26h10c5 0 6-21 14-21h10c8 0 8 21 12 21h10" },
  { name: "Both ways", what: "…while both are", path: "M2 26h6c6 0 5-23 16-23h14c9 0 9 23 14 23h6" },
];

export function StartView({ notice }: { notice: string | null }) {
  return (
    <section class="start">
      {notice === null ? (
        <h1>How does your line feel when it’s busy?</h1>
      ) : (
        <FocusedHeading>How does your line feel when it’s busy?</FocusedHeading>
      )}
      <p class="lead">
        A fast line can still stutter: when it fills up, everything queues. This test fills yours on purpose, and
        measures how long you wait.
      </p>
      {notice !== null && <p class="notice">{notice}</p>}
      <button type="button" class="start-button" onClick={start}>
        Start
      </button>
      <p class="fine">
        Takes 40 seconds. Uses about 2.5 MB of data for each Mbit/s of your line: roughly 300 MB at 100 down and 20 up.
      </p>
      <ol class="plan">
        {steps.map((step) => (
          <li key={step.name}>
            <svg viewBox="0 0 60 30" aria-hidden="true">
              <path d={step.path} />
            </svg>
            <strong>{step.name}</strong>
            <span>{step.what}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

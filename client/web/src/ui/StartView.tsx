// The start: one button, and what pressing it will do.

import { start } from "../session";
import { mode } from "../store";
import { FocusedHeading } from "./Focus";
import { DemandSwitch, People } from "./household/HouseholdStart";
import { ModeSwitch } from "./ModeSwitch";

const steps = [
  { name: "Idle", what: "How fast the quiet line answers", path: "M2 26h56" },
  { name: "Download", what: "…while the downstream is full", path: "M2 26h12c5 0 6-17 13-17h8c7 0 8 17 13 17h10" },
  { name: "Upload", what: "…while the upstream is full", path: "M2 26h10c5 0 6-21 14-21h10c8 0 8 21 12 21h10" },
  { name: "Both ways", what: "…while both are", path: "M2 26h6c6 0 5-23 16-23h14c9 0 9 23 14 23h6" },
];

const words = {
  single: {
    title: "How does your line feel when it’s busy?",
    lead:
      "A fast line can still stutter: when it fills up, everything queues. This test fills yours on purpose, and measures how long you wait.",
    fine: "Takes 40 seconds. Uses about 2.5 MB of data for each Mbit/s of your line: roughly 300 MB at 100 down and 20 up.",
  },
  household: {
    title: "Does your line carry everybody at once?",
    lead:
      "One plays, one is in a call, one watches a film, and a computer fetches its updates. This test puts them all on your line, and tells what each of them goes through.",
    fine: "Takes 45 seconds. Uses about 4 MB of data for each Mbit/s of your line: roughly 450 MB at 100 down and 20 up.",
  },
};

export function StartView({ notice }: { notice: string | null }) {
  const { title, lead, fine } = words[mode.value];
  return (
    <section class="start" data-mode={mode.value}>
      <ModeSwitch />
      {notice === null ? <h1>{title}</h1> : <FocusedHeading>{title}</FocusedHeading>}
      <p class="lead">{lead}</p>
      {notice !== null && <p class="notice">{notice}</p>}
      <button type="button" class="start-button" onClick={start}>
        Start
      </button>
      <p class="fine">{fine}</p>
      {mode.value === "single" ? (
        <Plan />
      ) : (
        <>
          <People />
          <DemandSwitch />
        </>
      )}
    </section>
  );
}

function Plan() {
  return (
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
  );
}

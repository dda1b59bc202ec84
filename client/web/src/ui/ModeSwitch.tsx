// Which of the two tests to run: a pair of radio buttons that looks like a switch, and works as such with every keyboard.

import type { Mode } from "../protocol";
import { chooseMode } from "../session";
import { mode } from "../store";

const modes: { value: Mode; label: string }[] = [
  { value: "single", label: "The line" },
  { value: "household", label: "The household" },
];

export function ModeSwitch() {
  return (
    <fieldset class="switch">
      <legend class="visually-hidden">What to test</legend>
      {modes.map(({ value, label }) => (
        <label key={value}>
          <input type="radio" name="mode" value={value} checked={mode.value === value} onChange={() => chooseMode(value)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

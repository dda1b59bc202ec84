// The start view's words for household mode: who will be online, and how much the computer may take.

import type { DemandMode, ProfileDescription } from "../../protocol";
import { chooseDemand } from "../../session";
import { catalogue, demandMode } from "../../store";
import { fineRate, text } from "../format";
import { Portrait } from "./Portrait";

const demands: { value: DemandMode; label: string; what: string }[] = [
  { value: "adaptive", label: "Adaptive", what: "downloads fill your line, as real updates do" },
  { value: "standard", label: "Standard", what: "every line gets the same fixed traffic" },
];

/** Discreet: the default is right for nearly everybody. */
export function DemandSwitch() {
  return (
    <fieldset class="demand">
      <legend>Traffic</legend>
      {demands.map(({ value, label, what }) => (
        <label key={value}>
          <input type="radio" name="demand" value={value} checked={demandMode.value === value} onChange={() => chooseDemand(value)} />
          <span>
            <strong>{label}</strong>: {what}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Person({ profile, index }: { profile: ProfileDescription; index: number }) {
  return (
    <li>
      <Portrait user_id={profile.user_id} index={index} feeling="content" />
      <strong>{profile.name}</strong>
      <span>{profile.activity}</span>
      <span class="person-rates">
        {text(fineRate(profile.mean_down_mbps))} down, {text(fineRate(profile.mean_up_mbps))} up
      </span>
    </li>
  );
}

/** Nothing until the node has said who lives there. */
export function People() {
  const profiles = catalogue.value?.profiles ?? [];
  return (
    <ul class="plan people" data-people={profiles.length}>
      {profiles.map((profile, index) => (
        <Person key={profile.user_id} profile={profile} index={index} />
      ))}
    </ul>
  );
}

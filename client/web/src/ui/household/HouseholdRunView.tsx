// The running household: where the test is, what the line does, everybody's card, and the timeline.

import { stop } from "../../session";
import { household, householdCharts, type HouseholdLive } from "../../store";
import { FocusedHeading } from "../Focus";
import { ms, rate, signedMs, text } from "../format";
import { Figure } from "../RunView";
import { Stepper } from "../Stepper";
import { stepSentences } from "../words";
import { HouseholdChart } from "./HouseholdChart";
import { UserCard } from "./UserCard";
import { householdPhaseNames, householdPhaseSentences } from "./words";

function capacityWords({ capacity_down_mbps, capacity_up_mbps }: HouseholdLive): string {
  if (capacity_down_mbps === null) return "";
  const up = capacity_up_mbps === null ? "" : `, ${text(rate(capacity_up_mbps))} up`;
  return ` · the line carries ${text(rate(capacity_down_mbps))} down${up}`;
}

export function HouseholdRunView() {
  const now = household.value;
  const { phases } = householdCharts.value;
  const total_s = (phases.at(-1)?.end_us ?? 0) / 1e6;
  const left_s = Math.max(0, Math.ceil(total_s - now.elapsed_s));
  const increase_ms =
    now.latency_ms === null || now.idle_ms === null || now.phase === "baseline" ? null : now.latency_ms - now.idle_ms;
  return (
    <section class="run household" data-step={now.step} data-phase={now.phase ?? ""}>
      <div class="run-head">
        <div>
          <FocusedHeading class="run-title">
            {now.phase === null ? stepSentences[now.step] : householdPhaseSentences[now.phase]}
          </FocusedHeading>
          <p class="fine">{now.step === "running" && total_s > 0 ? `${left_s} s left${capacityWords(now)}` : "\u00a0"}</p>
        </div>
        <button type="button" class="stop-button" onClick={stop}>
          Stop <kbd>Esc</kbd>
        </button>
      </div>
      <Stepper phases={phases} names={householdPhaseNames} elapsed_s={now.elapsed_s} />
      <dl class="figures">
        <Figure label="Latency now" quantity={ms(now.latency_ms)} tone="latency" />
        <Figure label="Idle" quantity={ms(now.idle_ms)} tone="plain" />
        <Figure label="Increase" quantity={signedMs(increase_ms)} tone="plain" />
        <Figure label="All down" quantity={rate(now.down_mbps)} tone="down" />
        <Figure label="All up" quantity={rate(now.up_mbps)} tone="up" />
      </dl>
      <div class="user-cards">
        {now.users.map((user, index) => (
          <UserCard key={user.user_id} user={user} index={index} />
        ))}
      </div>
      <HouseholdChart />
    </section>
  );
}

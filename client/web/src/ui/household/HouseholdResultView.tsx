// The household's result, as the node computed it: how everybody got along, what each went through, and everything behind it.

import type { HouseholdReport, Report } from "../../protocol";
import { start, switchMode } from "../../session";
import { household as live } from "../../store";
import { Export } from "../Export";
import { FocusedHeading } from "../Focus";
import { ms, NONE, rate, text } from "../format";
import { About, Confidence } from "../ResultView";
import { gradeClass, gradeWords } from "../words";
import { HouseholdChart, HouseholdTable } from "./HouseholdChart";
import { UserResultCard } from "./UserResultCard";
import { householdSentences } from "./words";

type Props = { report: Report; household: HouseholdReport };

function Verdict({ report, household }: Props) {
  const grade = household.overall_grade;
  if (grade === null) {
    return (
      <div class="verdict">
        <div class="total grade-none">
          <span aria-hidden="true">–</span>
        </div>
        <div>
          <FocusedHeading>No grade</FocusedHeading>
          <p class="lead">There was not enough to judge anybody by. Run the test again and let it finish.</p>
        </div>
      </div>
    );
  }
  return (
    <div class="verdict">
      <div class={`total ${gradeClass(grade)}`} aria-hidden="true">
        {grade}
      </div>
      <div>
        <FocusedHeading>
          <span class="visually-hidden">Grade {grade}: </span>
          {gradeWords[grade]}
        </FocusedHeading>
        <p class="lead">{householdSentences[grade]}</p>
        <p class="fine">
          Idle latency {text(ms(report.idle_latency_ms))} · {household.mode === "adaptive" ? "adaptive" : "standard"} traffic
          {report.confidence.level === "high" && <> · confidence high</>}
        </p>
      </div>
    </div>
  );
}

function Score({ name, value, what }: { name: string; value: number | null; what: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        {value === null ? NONE : Math.round(value)} <span class="unit">of 100</span>
      </dd>
      <dd class="fine">{what}</dd>
    </div>
  );
}

function Capacity({ household }: { household: HouseholdReport }) {
  const { capacity_down_mbps, capacity_up_mbps } = household;
  const down = rate(capacity_down_mbps);
  const isMeasured = capacity_down_mbps !== null;
  return (
    <div class="figure">
      <dt>The line carries</dt>
      <dd>
        {isMeasured ? down.figure : NONE} <span class="unit">{isMeasured ? `${down.unit} down` : ""}</span>
      </dd>
      <dd class="fine">{isMeasured ? `and ${text(rate(capacity_up_mbps))} up` : "not measured with standard traffic"}</dd>
    </div>
  );
}

export function HouseholdResultView({ report, household }: Props) {
  const known = new Map(live.value.users.map((user) => [user.user_id, user]));
  return (
    <section class="result household" data-grade={household.overall_grade ?? ""}>
      <Confidence report={report} />
      <Verdict report={report} household={household} />
      <div class="actions">
        <button type="button" class="primary" onClick={start}>
          Run again
        </button>
        <button type="button" class="quiet" onClick={switchMode}>
          Test the line
        </button>
        <Export />
      </div>
      <dl class="figures scores">
        <Score name="Overall" value={household.overall_score} what="how everybody fared" />
        <Score name="Fairness" value={household.fairness} what="equal shares of what each needed" />
        <Score name="Stability" value={household.stability} what="share of time without a queue" />
        <Capacity household={household} />
      </dl>
      <div class="user-cards">
        {household.users.map((user, index) => (
          <UserResultCard
            key={user.user_id}
            user={user}
            index={index}
            name={known.get(user.user_id)?.name ?? user.user_id}
            activity={known.get(user.user_id)?.activity ?? ""}
          />
        ))}
      </div>
      <HouseholdChart />
      <HouseholdTable />
      <About report={report} />
    </section>
  );
}

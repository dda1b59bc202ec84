// What one user went through, in the report's own words and figures.

import { Fragment } from "preact";
import type { Feeling } from "../../household/feeling";
import type { UserReport } from "../../protocol";
import { ms, NONE, percent, signedMs, text } from "../format";
import { gradeClass, gradeWords } from "../words";
import { Meter } from "./Meter";
import { modelFacts } from "./ModelFacts";
import { Portrait, userClass } from "./Portrait";

/** The face that goes with a score; the bounds are those of the overall grades A, C and D. */
function feelingAt(score: number | null): Feeling | null {
  if (score === null) return null;
  if (score >= 85) return "happy";
  if (score >= 60) return "content";
  return score >= 45 ? "uneasy" : "upset";
}

type Props = { user: UserReport; index: number; name: string; activity: string };

export function UserResultCard({ user, index, name, activity }: Props) {
  return (
    <article class={`card user-card user-result ${userClass(index)}`} data-user={user.user_id}>
      <header>
        <Portrait user_id={user.user_id} index={index} feeling={feelingAt(user.score)} />
        <div class="user-name">
          <h2>{name}</h2>
          <p class="fine">{activity}</p>
        </div>
      </header>
      <p class="score">
        <span class="visually-hidden">Experience: </span>
        <strong>{user.score === null ? NONE : Math.round(user.score)}</strong> <span class="unit">of 100</span>
      </p>
      <p class="impact">{user.impact}</p>
      <div class="meters">
        <Meter label="Down" direction="down" value_mbps={user.down_mbps} demand_mbps={user.demand_down_mbps} />
        <Meter label="Up" direction="up" value_mbps={user.up_mbps} demand_mbps={user.demand_up_mbps} />
      </div>
      <dl class="facts">
        <dt>Latency increase</dt>
        <dd>
          {text(signedMs(user.latency_increase_ms))}
          <span class={`chip small-chip ${gradeClass(user.grade)}`}>
            <span class="visually-hidden">Grade </span>
            {user.grade ?? NONE}
            {user.grade !== null && <span class="visually-hidden">, {gradeWords[user.grade]}</span>}
          </span>
        </dd>
        <dt>Jitter</dt>
        <dd>{text(ms(user.jitter_ms))}</dd>
        {user.late_ratio !== null && (
          <>
            <dt>Late or lost</dt>
            <dd>{percent(user.late_ratio)}</dd>
          </>
        )}
        {modelFacts(user.model).map(([fact, value]) => (
          <Fragment key={fact}>
            <dt>{fact}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
      </dl>
      <p class="fine model-name">{user.model.name}</p>
    </article>
  );
}

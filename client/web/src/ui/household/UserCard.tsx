// One user while the test runs: who it is and how it goes for them.

import { feelingWords } from "../../household/feeling";
import type { UserLive } from "../../household/live";
import { ms } from "../format";
import { Meter } from "./Meter";
import { Portrait, userClass } from "./Portrait";
import { Sparkline } from "./Sparkline";

export function UserCard({ user, index }: { user: UserLive; index: number }) {
  const latency = ms(user.latency_ms);
  const jitter = ms(user.jitter_ms);
  return (
    <article class={`card user-card ${userClass(index)}`} data-user={user.user_id} data-feeling={user.feeling ?? ""}>
      <header>
        <Portrait user_id={user.user_id} index={index} feeling={user.feeling} />
        <div class="user-name">
          <h2>{user.name}</h2>
          <p class="fine">{user.activity}</p>
          <p class="feeling">{user.feeling === null ? "" : feelingWords[user.feeling]}</p>
        </div>
      </header>
      <div class="meters">
        <Meter label="Down" direction="down" value_mbps={user.down_mbps} demand_mbps={user.demand_down_mbps} />
        <Meter label="Up" direction="up" value_mbps={user.up_mbps} demand_mbps={user.demand_up_mbps} />
      </div>
      <div class="user-latency">
        <dl>
          <div>
            <dt>{user.isOfLine ? "Line’s latency" : "Latency"}</dt>
            <dd>
              {latency.figure} <span class="unit">{latency.unit}</span>
            </dd>
          </div>
          <div>
            <dt>Jitter</dt>
            <dd>
              {jitter.figure} <span class="unit">{jitter.unit}</span>
            </dd>
          </div>
        </dl>
        <Sparkline values={user.spark_ms} />
      </div>
    </article>
  );
}

// The household's timeline: everybody's latency, and under it the bursts of those who stream. The table behind it says the same.

import type { HouseholdSpan } from "../../protocol";
import { household, householdCharts, householdSeconds } from "../../store";
import { Chart, type Band, type Line } from "../Chart";
import { ms, rate, text } from "../format";
import { householdPhaseNames } from "./words";
import { userClass } from "./Portrait";

const bandNames: Record<HouseholdSpan["phase"], string> = {
  baseline: "Idle",
  capacity_down: "Down",
  capacity_up: "Up",
  traffic: "Everybody at once",
};

function bandOf({ phase, start_us, end_us }: HouseholdSpan): Band {
  return { start_us, end_us, name: bandNames[phase], isShaded: phase === "traffic" };
}

export function HouseholdChart() {
  const { phases, lines, columns } = householdCharts.value;
  const places = new Map(household.value.users.map(({ user_id }, index) => [user_id, index]));
  const drawn: Line[] = lines.map((line) => ({
    label: line.label,
    color: line.user_id === null ? "muted" : userClass(places.get(line.user_id) ?? 0),
    isFilled: line.kind === "bursts",
    isRight: line.kind === "bursts",
  }));
  // What the lines are is known once the node has said who is there; until then there is nothing to draw.
  if (drawn.length === 0) return null;
  const hasBursts = drawn.some((line) => line.isRight);
  return (
    <Chart
      key={drawn.map((line) => line.label).join()}
      label="Latency"
      unit="ms"
      lines={drawn}
      columns={columns}
      bands={phases.map(bandOf)}
      least={40}
      {...(hasBursts ? { right: { unit: "Mbit/s", least: 30 } } : {})}
    />
  );
}

/** Closed until asked for; filled when the test is over. */
export function HouseholdTable() {
  const { users } = household.value;
  return (
    <details>
      <summary>The chart as a table</summary>
      <div class="table-scroll" role="region" aria-label="Everybody’s latency and rate, second by second" tabIndex={0}>
        <table>
          <caption>Second by second: median latency, and mean received</caption>
          <thead>
            <tr>
              <th scope="col">Second</th>
              <th scope="col" class="words">
                Phase
              </th>
              <th scope="col">The line</th>
              {users.flatMap((user) => [
                ...(user.isOfLine
                  ? []
                  : [
                      <th scope="col" key={`${user.user_id}-ms`}>
                        {user.name}, latency
                      </th>,
                    ]),
                <th scope="col" key={`${user.user_id}-mbps`}>
                  {user.name}, received
                </th>,
              ])}
            </tr>
          </thead>
          <tbody>
            {householdSeconds.value.map((row) => (
              <tr key={row.second}>
                <th scope="row">{row.second}</th>
                <td class="words">{row.phase === null ? "" : householdPhaseNames[row.phase]}</td>
                <td>{text(ms(row.line_ms))}</td>
                {users.flatMap((user, index) => [
                  ...(user.isOfLine ? [] : [<td key={`${user.user_id}-ms`}>{text(ms(row.users[index]?.latency_ms ?? null))}</td>]),
                  <td key={`${user.user_id}-mbps`}>{text(rate(row.users[index]?.down_mbps ?? null))}</td>,
                ])}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

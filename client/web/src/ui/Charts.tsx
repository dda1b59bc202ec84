// The two charts of a test, and the table that holds the same figures for those who cannot see them.

import { isGraded } from "../measurement/timeline";
import type { Phase, PhaseSpan } from "../protocol";
import { charts, seconds } from "../store";
import { Chart, type Band, type Line } from "./Chart";
import { ms, rate, text } from "./format";
import { phaseNames } from "./words";

const latencyLines: Line[] = [{ label: "Round trip", color: "latency", isFilled: true }];
const throughputLines: Line[] = [
  { label: "Download", color: "down", isFilled: true },
  { label: "Upload", color: "up", isFilled: true },
];

const bandNames: Record<Phase, string> = {
  baseline: "Idle",
  download_warmup: "",
  download: "Download",
  upload_warmup: "",
  upload: "Upload",
  bidirectional: "Both",
};

function bandOf({ phase, start_us, end_us }: PhaseSpan): Band {
  return { start_us, end_us, name: bandNames[phase], isShaded: isGraded(phase) };
}

export function Charts() {
  const { phases, latency, throughput } = charts.value;
  const bands = phases.map(bandOf);
  return (
    <div class="charts">
      <Chart label="Latency" unit="ms" lines={latencyLines} columns={latency} bands={bands} least={20} />
      <Chart label="Throughput" unit="Mbit/s" lines={throughputLines} columns={throughput} bands={bands} least={1} />
    </div>
  );
}

/** Closed until asked for; filled when the test is over. */
export function ChartTable() {
  return (
    <details>
      <summary>Both charts as a table</summary>
      <div class="table-scroll" role="region" aria-label="Latency and throughput, second by second" tabIndex={0}>
        <table>
          <caption>Second by second: median latency, and mean received</caption>
          <thead>
            <tr>
              <th scope="col">Second</th>
              <th scope="col" class="words">
                Phase
              </th>
              <th scope="col">Latency</th>
              <th scope="col">Download</th>
              <th scope="col">Upload</th>
            </tr>
          </thead>
          <tbody>
            {seconds.value.map((row) => (
              <tr key={row.second}>
                <th scope="row">{row.second}</th>
                <td class="words">{row.phase === null ? "" : phaseNames[row.phase]}</td>
                <td>{text(ms(row.latency_ms))}</td>
                <td>{text(rate(row.down_mbps))}</td>
                <td>{text(rate(row.up_mbps))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

// The figures behind the grades: percentiles by phase, and what the node's kernel saw of each load flow.

import type { PhaseReport, Report } from "../protocol";
import { data, ms, percent, rate, text, whole } from "./format";

type Row = { name: string } & Pick<
  PhaseReport,
  "p50_ms" | "p90_ms" | "p95_ms" | "p99_ms" | "max_ms" | "jitter_ms" | "loss_ratio"
> & { samples: number | null };

function percentileRows(report: Report): Row[] {
  const { download, upload, bidirectional } = report.phases;
  const idle: Row = {
    name: "Idle",
    p50_ms: report.idle_latency_ms,
    p90_ms: null,
    p95_ms: report.idle_p95_ms,
    p99_ms: null,
    max_ms: null,
    jitter_ms: report.idle_jitter_ms,
    loss_ratio: null,
    samples: null,
  };
  const named = [
    ["Download", download],
    ["Upload", upload],
    ["Both ways", bidirectional],
  ] as const;
  const rows = [idle];
  for (const [name, phase] of named) if (phase !== null) rows.push({ name, ...phase });
  return rows;
}

export function PercentileTable({ report }: { report: Report }) {
  return (
    <div class="table-scroll" role="region" aria-label="Latency percentiles by phase" tabIndex={0}>
      <table>
        <caption>Latency by phase</caption>
        <thead>
          <tr>
            <th scope="col">Phase</th>
            <th scope="col">Median</th>
            <th scope="col">90 %</th>
            <th scope="col">95 %</th>
            <th scope="col">99 %</th>
            <th scope="col">Longest</th>
            <th scope="col">Jitter</th>
            <th scope="col">Lost</th>
            <th scope="col">Probes</th>
          </tr>
        </thead>
        <tbody>
          {percentileRows(report).map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              <td>{text(ms(row.p50_ms))}</td>
              <td>{text(ms(row.p90_ms))}</td>
              <td>{text(ms(row.p95_ms))}</td>
              <td>{text(ms(row.p99_ms))}</td>
              <td>{text(ms(row.max_ms))}</td>
              <td>{text(ms(row.jitter_ms))}</td>
              <td>{percent(row.loss_ratio)}</td>
              <td>{whole(row.samples)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function FlowTable({ report }: { report: Report }) {
  const { flows } = report.node;
  if (flows.length === 0) return null;
  return (
    <details>
      <summary>What the node’s kernel saw of {flows.length} load flows</summary>
      <div class="table-scroll" role="region" aria-label="Load flows" tabIndex={0}>
        <table>
          <caption>Load flows, from the node’s TCP_INFO</caption>
          <thead>
            <tr>
              <th scope="col">Direction</th>
              <th scope="col">Payload</th>
              <th scope="col">Open</th>
              <th scope="col">RTT mean</th>
              <th scope="col">RTT max</th>
              <th scope="col">RTT min</th>
              <th scope="col">Retransmitted</th>
              <th scope="col">Delivery rate max</th>
              <th scope="col">Receiver-limited</th>
              <th scope="col">Sender-limited</th>
            </tr>
          </thead>
          <tbody>
            {flows.map((flow, index) => (
              <tr key={index}>
                <th scope="row">{flow.direction === "down" ? "Down" : "Up"}</th>
                <td>{text(data(flow.bytes))}</td>
                <td>{(flow.duration_us / 1e6).toFixed(1)} s</td>
                <td>{text(ms(flow.rtt_mean_us / 1000))}</td>
                <td>{text(ms(flow.rtt_max_us / 1000))}</td>
                <td>{text(ms(flow.rtt_min_us / 1000))}</td>
                <td>{whole(flow.retransmits)}</td>
                <td>{text(rate(flow.delivery_rate_max_bps / 1e6))}</td>
                <td>{percent(flow.receiver_limited_ratio)}</td>
                <td>{percent(flow.send_buffer_limited_ratio)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

// One graded phase: its grade, its increase, which direction queues, and the figures behind it.

import type { PhaseReport } from "../protocol";
import { ms, rate, signedMs, text, whole } from "./format";
import { gradeClass, gradeWords } from "./words";

type Props = { title: string; report: PhaseReport | null };

function QueueSplit({ report }: { report: PhaseReport }) {
  const { up_increase_ms, down_increase_ms } = report;
  if (up_increase_ms === null || down_increase_ms === null) {
    return <p class="fine">Which direction queues could not be told.</p>;
  }
  const grow = (value_ms: number) => ({ flexGrow: String(Math.max(0, value_ms)) });
  // Under the best grade's bound there is no queue to divide; two shares of next to nothing would look like one.
  const hasQueue = report.grade !== "A+";
  return (
    <div class="split">
      <div class="split-bar" aria-hidden="true">
        {hasQueue && <span class="split-up" style={grow(up_increase_ms)} />}
        {hasQueue && <span class="split-down" style={grow(down_increase_ms)} />}
      </div>
      <p class="split-words">
        <span class="legend-item legend-up">upstream {text(signedMs(up_increase_ms))}</span>
        <span class="legend-item legend-down">downstream {text(signedMs(down_increase_ms))}</span>
      </p>
    </div>
  );
}

export function PhaseCard({ title, report }: Props) {
  if (report === null) {
    return (
      <article class="card card-missing">
        <h2>{title}</h2>
        <p class="fine">Not measured: the test ended before this phase.</p>
      </article>
    );
  }
  const increase = signedMs(report.latency_increase_ms);
  return (
    <article class="card">
      <header>
        <h2>{title}</h2>
        <span class={`chip ${gradeClass(report.grade)}`}>
          <span class="visually-hidden">Grade </span>
          {report.grade ?? "–"}
          {report.grade !== null && <span class="visually-hidden">, {gradeWords[report.grade]}</span>}
        </span>
      </header>
      <p class="increase">
        {increase.figure} <span class="unit">{increase.unit}</span>
        <span class="increase-words">latency increase</span>
      </p>
      <QueueSplit report={report} />
      <dl class="facts">
        <dt>Working latency</dt>
        <dd>{text(ms(report.working_latency_ms))}</dd>
        <dt>
          <abbr title="Round trips a minute under load: 60 000 divided by the working latency in milliseconds">
            Responsiveness
          </abbr>
        </dt>
        <dd>{report.responsiveness_rpm === null ? "–" : `${whole(report.responsiveness_rpm)} RPM`}</dd>
        {report.goodput_down_mbps !== null && (
          <>
            <dt>Download goodput</dt>
            <dd>{text(rate(report.goodput_down_mbps))}</dd>
          </>
        )}
        {report.goodput_up_mbps !== null && (
          <>
            <dt>Upload goodput</dt>
            <dd>{text(rate(report.goodput_up_mbps))}</dd>
          </>
        )}
      </dl>
    </article>
  );
}

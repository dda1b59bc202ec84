// The result, as the node computed it: what it means first, the grades, then everything behind them.

import type { Grade, Report } from "../protocol";
import { start, switchMode } from "../session";
import { ChartTable, Charts } from "./Charts";
import { FlowTable, PercentileTable } from "./DetailTables";
import { Export } from "./Export";
import { FocusedHeading } from "./Focus";
import { ms, NONE, signedMs, text, whole } from "./format";
import { PhaseCard } from "./PhaseCard";
import { gradeClass, gradeSentences, gradeWords } from "./words";

/** Before the grade: a result that can't be taken at its word says so first. */
export function Confidence({ report }: { report: Report }) {
  if (report.confidence.level === "high") return null;
  return (
    <aside class="confidence" aria-label="Confidence">
      <strong>Take this result with care.</strong>
      <ul>
        {report.confidence.reasons.map((reason) => (
          <li key={reason.code + reason.message}>{reason.message}</li>
        ))}
      </ul>
    </aside>
  );
}

/** The phase that decided the total. */
function worstPhase(report: Report, total: Grade): string | null {
  const { download, upload, bidirectional } = report.phases;
  const named = [
    ["while downloading", download],
    ["while uploading", upload],
    ["while doing both", bidirectional],
  ] as const;
  const worst = named
    .filter(([, phase]) => phase?.grade === total)
    .toSorted(([, left], [, right]) => (right?.latency_increase_ms ?? 0) - (left?.latency_increase_ms ?? 0))
    .at(0);
  return worst === undefined ? null : `${text(signedMs(worst[1]?.latency_increase_ms ?? null))} ${worst[0]}`;
}

function Verdict({ report }: { report: Report }) {
  const grade = report.total_grade;
  if (grade === null) {
    return (
      <div class="verdict">
        <div class="total grade-none">
          <span aria-hidden="true">–</span>
        </div>
        <div>
          <FocusedHeading>No grade</FocusedHeading>
          <p class="lead">There was not enough to grade. Run the test again and let it finish.</p>
        </div>
      </div>
    );
  }
  const worst = worstPhase(report, grade);
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
        <p class="lead">{gradeSentences[grade]}</p>
        <p class="fine">
          Idle latency {text(ms(report.idle_latency_ms))}
          {worst !== null && <> · at worst {worst}</>}
          {report.confidence.level === "high" && <> · confidence high</>}
        </p>
      </div>
    </div>
  );
}

/** Where and how it was measured. */
export function About({ report }: { report: Report }) {
  const { node } = report;
  const probes = { ping_role: "own process", main_role: "main process", http: "HTTP" };
  return (
    <dl class="facts about">
      <dt>Node</dt>
      <dd>
        {node.name} · version {node.version}
      </dd>
      <dt>Congestion control</dt>
      <dd>{node.congestion_control || NONE}</dd>
      <dt>Probes answered by</dt>
      <dd>{probes[report.probe_transport]}</dd>
      <dt>Node’s own idle latency</dt>
      <dd>{text(ms(report.node_idle_latency_ms))}</dd>
      <dt>Node’s loop lag, 99 %</dt>
      <dd>{node.loop_lag_p99_us === null ? NONE : `${whole(node.loop_lag_p99_us)} µs`}</dd>
      <dt>Started</dt>
      <dd>
        <time dateTime={report.started_at}>{new Date(report.started_at).toLocaleString()}</time>
      </dd>
      <dt>Test</dt>
      <dd class="mono">{report.test_id}</dd>
    </dl>
  );
}

export function ResultView({ report }: { report: Report }) {
  const { download, upload, bidirectional } = report.phases;
  return (
    <section class="result" data-grade={report.total_grade ?? ""}>
      <Confidence report={report} />
      <Verdict report={report} />
      <div class="actions">
        <button type="button" class="primary" onClick={start}>
          Run again
        </button>
        <button type="button" class="quiet" onClick={switchMode}>
          Test the household
        </button>
        <Export />
      </div>
      <div class="cards">
        <PhaseCard title="Download" report={download} />
        <PhaseCard title="Upload" report={upload} />
        <PhaseCard title="Both ways" report={bidirectional} />
      </div>
      <Charts />
      <ChartTable />
      <PercentileTable report={report} />
      <FlowTable report={report} />
      <About report={report} />
    </section>
  );
}

// A test that ended without a report: what happened, what to do, and what there is of it all the same.

import { useEffect, useState } from "preact/hooks";
import type { Failure } from "../measurement/outcome";
import { reportAgain, start } from "../session";
import { seconds } from "../store";
import { ChartTable, Charts } from "./Charts";
import { Export } from "./Export";
import { FocusedHeading } from "./Focus";

const titles: Record<Failure["kind"], string> = {
  unreachable: "The node can’t be reached",
  refused: "The node is busy",
  blocked: "Something blocks the test",
  lost: "The connection was lost",
  asleep: "The page was asleep",
  report_failed: "Measured, but not graded",
  failed: "The test didn’t work",
};

const advice: Record<Failure["kind"], string> = {
  unreachable: "Check that this device is online, then try again.",
  refused: "It takes only so many tests at a time, so that none disturbs another. Wait for the countdown and try again.",
  blocked: "A firewall, proxy or browser extension may be blocking WebSockets. Try without it, or from another network.",
  lost: "What was measured until then is below, but it is not a result. Check the connection and run the test again.",
  asleep: "Keep the page open and the screen on for the 40 seconds of the test, and run it again.",
  report_failed: "The samples are still here. Ask for the grade again, or save them.",
  failed: "Run the test again; if it keeps happening, tell whoever runs this node.",
};

/** Counts down once a second; the button stays usable, because waiting is advice. */
function Countdown({ from_s }: { from_s: number }) {
  const [left_s, setLeft_s] = useState(from_s);
  useEffect(() => {
    const timer = setInterval(() => setLeft_s((left) => Math.max(0, left - 1)), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="countdown" role="timer">
      {left_s > 0 ? `Free again in about ${left_s} s` : "Worth another try now"}
    </p>
  );
}

export function FailureView({ failure }: { failure: Failure }) {
  const hasSamples = seconds.value.some((row) => row.latency_ms !== null);
  return (
    <section class="failure" data-failure={failure.kind}>
      <FocusedHeading>{titles[failure.kind]}</FocusedHeading>
      <p class="lead">{failure.message}</p>
      <p>{advice[failure.kind]}</p>
      {failure.queue_position !== null && <p class="fine">Place in the queue: {failure.queue_position}</p>}
      {failure.retry_after_s !== null && <Countdown from_s={failure.retry_after_s} />}
      <div class="actions">
        {failure.kind === "report_failed" && (
          <button type="button" class="primary" onClick={reportAgain}>
            Ask for the grade again
          </button>
        )}
        <button type="button" class={failure.kind === "report_failed" ? "quiet" : "primary"} onClick={start}>
          Try again
        </button>
        {hasSamples && <Export />}
      </div>
      {hasSamples && (
        <div class="partial">
          <h2>Incomplete: what was measured until then</h2>
          <Charts />
          <ChartTable />
        </div>
      )}
    </section>
  );
}

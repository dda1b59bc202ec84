// How a test ends: its report asked for, its failure put into words, and the node's own count awaited until it is zero. What
// single-user and household tests have in common at their ends.

import type { Report, TestAdmission, TestSamples } from "../protocol";
import { ApiError, type Api } from "./api";
import { Halted } from "./ticker";

/** Tries to hand the samples in, and the pause between them, ms. */
const REPORT_TRIES = 3;
const REPORT_PAUSE_MS = 1_000;
/** How often, and how many times, the node is asked for its count after a test, ms. */
const COUNT_PAUSE_MS = 250;
const COUNT_TRIES = 40;

/** Why a test ended without a report. */
export type Failure = {
  kind: "unreachable" | "refused" | "blocked" | "lost" | "asleep" | "report_failed" | "failed";
  message: string;
  retry_after_s: number | null;
  queue_position: number | null;
};

/** How a test ended. */
export type Outcome =
  | { kind: "result"; report: Report }
  | { kind: "stopped" }
  | { kind: "failed"; failure: Failure };

/** A failure without a number to wait for. */
export function failed(kind: Failure["kind"], message: string): Outcome {
  return { kind: "failed", failure: { kind, message, retry_after_s: null, queue_position: null } };
}

/** What a fault means for the test. */
export function failureOf(fault: unknown): Failure {
  if (fault instanceof ApiError) {
    const { kind, message, retry_after_s, queue_position } = fault;
    return { kind, message, retry_after_s, queue_position };
  }
  return {
    kind: "failed",
    message: fault instanceof Error ? fault.message : "Something went wrong in the page.",
    retry_after_s: null,
    queue_position: null,
  };
}

/** Hands the samples in; tries again where that may help. Rejects with `Halted` when `signal` is aborted meanwhile. */
export async function handIn(api: Api, admission: TestAdmission, samples: TestSamples, signal: AbortSignal): Promise<Outcome> {
  let last: unknown = null;
  for (let attempt = 0; attempt < REPORT_TRIES; attempt += 1) {
    if (signal.aborted) throw new Halted();
    try {
      return { kind: "result", report: await api.report(admission, samples, signal) };
    } catch (fault) {
      last = fault;
      if (fault instanceof ApiError && fault.kind === "failed") break;
      await new Promise((resolve) => {
        setTimeout(resolve, REPORT_PAUSE_MS);
      });
    }
  }
  return { kind: "failed", failure: { ...failureOf(last), kind: "report_failed" } };
}

/** Asks the node for its count until it is zero, for at most 10 s, or until `noteCount` says that it is enough. */
export async function confirmGone(
  api: Api,
  admission: TestAdmission,
  noteCount: (open_flows: number | null) => "ask_on" | "enough",
): Promise<void> {
  for (let attempt = 0; attempt < COUNT_TRIES; attempt += 1) {
    const status = await api.status(admission, new AbortController().signal).catch(() => null);
    if (noteCount(status?.open_flows ?? null) === "enough" || status?.open_flows === 0) return;
    await new Promise((resolve) => {
      setTimeout(resolve, COUNT_PAUSE_MS);
    });
  }
}

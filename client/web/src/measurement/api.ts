// The node's HTTP interface as the page uses it: admission, report, status, end. Nothing is retried here.

import type { ErrorReply, Report, TestAdmission, TestRequest, TestSamples, TestStatus } from "../protocol";

/** Why a request failed, and what the page can say about it. */
export class ApiError extends Error {
  readonly kind: "unreachable" | "refused" | "failed";
  readonly retry_after_s: number | null;
  readonly queue_position: number | null;

  constructor(kind: ApiError["kind"], message: string, retry_after_s: number | null = null, queue_position: number | null = null) {
    super(message);
    this.name = "ApiError";
    this.kind = kind;
    this.retry_after_s = retry_after_s;
    this.queue_position = queue_position;
  }
}

/** What the test needs of the node; a test of the controller brings its own. */
export type Api = {
  admit: (request: TestRequest, signal: AbortSignal) => Promise<TestAdmission>;
  report: (admission: TestAdmission, samples: TestSamples, signal: AbortSignal) => Promise<Report>;
  status: (admission: TestAdmission, signal: AbortSignal) => Promise<TestStatus>;
  /** Survives the page: `keepalive`. */
  end: (admission: TestAdmission) => Promise<TestStatus>;
};

/** An answer to an ordinary request must begin within this time, ms. */
const REQUEST_LIMIT_MS = 15_000;

/** Asks the node; anything but a success is thrown as an `ApiError`. */
export async function request<Reply>(url: string, init: RequestInit, signal?: AbortSignal): Promise<Reply> {
  const limit = AbortSignal.timeout(REQUEST_LIMIT_MS);
  let reply: Response;
  try {
    reply = await fetch(url, {
      ...init,
      cache: "no-store",
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
  } catch (fault) {
    if (signal?.aborted === true) throw fault;
    throw new ApiError("unreachable", "The node does not answer.");
  }
  if (reply.ok) return (await reply.json()) as Reply;
  const detail = await reply
    .json()
    .then((body) => (body as ErrorReply).error)
    .catch(() => null);
  const retry_after_s = detail?.retry_after_s ?? (Number(reply.headers.get("retry-after")) || null);
  const isRefusal = reply.status === 429 || reply.status === 503;
  throw new ApiError(
    isRefusal ? "refused" : "failed",
    detail?.message ?? `The node answered with status ${reply.status}.`,
    retry_after_s,
    detail?.queue_position ?? null,
  );
}

function bearer(admission: TestAdmission): Record<string, string> {
  return { authorization: `Bearer ${admission.token}` };
}

/** The node that served this page. */
export const api: Api = {
  admit: (body, signal) =>
    request(
      "/api/tests",
      { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
      signal,
    ),
  report: (admission, samples, signal) =>
    request(
      admission.endpoints.report,
      {
        method: "POST",
        headers: { "content-type": "application/json", ...bearer(admission) },
        body: JSON.stringify(samples),
      },
      signal,
    ),
  status: (admission, signal) => request(admission.endpoints.test, { headers: bearer(admission) }, signal),
  end: (admission) => request(admission.endpoints.test, { method: "DELETE", headers: bearer(admission), keepalive: true }),
};

// Generated from the Rust crate `protocol`, which is the one source of these types. Do not edit.
// To rewrite it: UPDATE_TYPES=1 cargo test -p protocol typescript

/** `kind` of a binary probe. */
export const PROBE_KIND = 1;

/** `kind` of a binary echo. */
export const ECHO_KIND = 2;

/** Length of a binary probe in bytes. */
export const PROBE_BYTES = 16;

/** Length of a binary echo in bytes. */
export const ECHO_BYTES = 32;

/** `kind` of a binary traffic message. */
export const TRAFFIC_KIND = 16;

/** Length of a binary traffic message's header in bytes. */
export const TRAFFIC_HEADER_BYTES = 16;

/** In a traffic message's flags: the last message of a segment. */
export const FLAG_SEGMENT_END = 1;

/** In a traffic message's flags: a key frame. */
export const FLAG_KEYFRAME = 2;

/** Most probes that one report may hold. */
export const REPORT_PROBES_MAX = 60000;

/** Most goodput samples that one report may hold. */
export const REPORT_GOODPUT_SAMPLES_MAX = 60000;

/**
 * Getting certificates by oneself, in [`CertificateHealth`]. Times are seconds since 1970.
 */
export type AcmeHealth = {
/**
 * Whether the authority is being asked now.
 */
is_asking: boolean,
/**
 * When a certificate was last got; `null` when none ever was.
 */
last_success_unix_s: number | null,
/**
 * When an attempt last failed since the node started; `null` when none did.
 */
last_failure_unix_s: number | null,
/**
 * Why the last attempt failed; `null` when it did not.
 */
last_failure: string | null,
/**
 * Attempts that failed since the last that did not.
 */
failures_in_a_row: number,
/**
 * When the authority is asked next; `null` before that is known.
 */
next_attempt_unix_s: number | null,
/**
 * The process that does it, to the operating system; `null` while it does not run.
 */
pid: number | null,
/**
 * How many times that process was started again.
 */
restarts: number, };

/**
 * 200 to `GET /api/branding`. Each is `null` where the operator gave none.
 */
export type Branding = {
/**
 * Who runs the node.
 */
sponsor: Sponsor | null,
/**
 * Path of the logo on this node.
 */
logo_path: string | null,
/**
 * The page's accent as sRGB, `#rrggbb` in lower case. The page sees to its contrast.
 */
accent_colour: string | null, };

/**
 * The certificate in [`NodeHealth`]. Times are seconds since 1970.
 */
export type CertificateHealth = {
/**
 * Where the one in force comes from.
 */
source: CertificateSource,
/**
 * When it expires.
 */
not_after_unix_s: number,
/**
 * How getting another fares; `null` where the operator sees to it.
 */
acme: AcmeHealth | null, };

/**
 * Where a certificate comes from.
 */
export type CertificateSource = "files" | "acme" | "temporary";

/**
 * The program that runs the test.
 */
export type ClientDescription = {
/**
 * `web`, `terminal` or another program's own name; at most 64 bytes are kept.
 */
name: string,
/**
 * Its version; at most 64 bytes are kept.
 */
version: string, };

/**
 * Whether the result can be taken at its word.
 */
export type Confidence = {
/**
 * High, or reduced for the reasons below.
 */
level: ConfidenceLevel,
/**
 * Empty when high.
 */
reasons: Array<ConfidenceReason>, };

/**
 * Why a result's confidence is reduced.
 */
export type ConfidenceCode = "device_slow" | "device_timer_late" | "load_not_saturated" | "node_busy" | "receiver_limited" | "sender_limited" | "too_few_probes" | "probe_fallback" | "incomplete";

/**
 * See [`Confidence`].
 */
export type ConfidenceLevel = "high" | "reduced";

/**
 * One reason, with its number.
 */
export type ConfidenceReason = {
/**
 * A stable name.
 */
code: ConfidenceCode,
/**
 * For the reader, in plain words.
 */
message: string,
/**
 * The number that shows it.
 */
value: number,
/**
 * Its unit.
 */
unit: string, };

/**
 * Percentiles of one-way delay above the least seen.
 */
export type DelayStats = {
/**
 * Median.
 */
p50: number,
/**
 * 95th percentile.
 */
p95: number, };

/**
 * Where the demand comes from.
 */
export type DemandMode = "standard" | "adaptive";

/**
 * How the device itself kept up during the test.
 */
export type DeviceSamples = {
/**
 * How late the probe worker's timer fired, for each probe in the order of `probes`, microseconds.
 */
probe_timer_late_us: Array<number>,
/**
 * Bytes that the upload generators had queued but not handed to the network, largest seen.
 */
upload_backlog_bytes_max: number, };

/**
 * A direction, as the subscriber sees it.
 */
export type Direction = "down" | "up";

/**
 * Absolute URLs, without `test_id`.
 */
export type Endpoints = {
/**
 * Probe echo on the ping role.
 */
ping_ws: string,
/**
 * Probe echo on the main role: for firewalls that let only the main port through.
 */
ping_ws_fallback: string,
/**
 * `GET /ping`, the last resort where WebSockets are blocked.
 */
ping_http: string,
/**
 * Opens and warms a connection.
 */
warmup: string,
/**
 * Download by HTTP.
 */
download: string,
/**
 * Upload by HTTP.
 */
upload: string,
/**
 * Download by WebSocket.
 */
bulk_download_ws: string,
/**
 * Upload by WebSocket, with progress messages.
 */
bulk_upload_ws: string,
/**
 * Where the samples go.
 */
report: string,
/**
 * What `DELETE` is sent to.
 */
test: string, };

/**
 * One error, for a program (`code`) and for a person (`message`).
 */
export type ErrorDetail = {
/**
 * A stable name in `snake_case`.
 */
code: string,
/**
 * What happened, why, and what to do about it.
 */
message: string,
/**
 * Seconds after which trying again makes sense.
 */
retry_after_s?: number,
/**
 * The caller's place in the queue of waiting tests, from 1.
 */
queue_position?: number, };

/**
 * `{"error":{…}}`, the body of every HTTP error.
 */
export type ErrorReply = {
/**
 * The error.
 */
error: ErrorDetail, };

/**
 * By which model a user's experience is judged.
 */
export type ExperienceModel = "gaming" | "call" | "streaming" | "bulk";

/**
 * The number of load flows open from this time on.
 */
export type FlowCountSample = {
/**
 * Microseconds since the start of the test.
 */
at_us: number,
/**
 * Which way.
 */
direction: Direction,
/**
 * How many.
 */
flows: number, };

/**
 * One flow of a profile.
 */
export type FlowDescription = {
/**
 * Which way.
 */
direction: Direction,
/**
 * Bits a second while sending, headers of the messages included.
 */
rate_bps: number,
/**
 * How it is cut up.
 */
pattern: Pattern,
/**
 * Mean size of a message.
 */
message_bytes: number,
/**
 * Messages a second while sending.
 */
messages_per_second: number, };

/**
 * `TCP_INFO` of one load flow, sampled every 100 ms, and the node's own byte count.
 */
export type FlowSummary = {
/**
 * Which way the payload went.
 */
direction: Direction,
/**
 * Payload bytes the node sent or received.
 */
bytes: number,
/**
 * Time the flow was open.
 */
duration_us: number,
/**
 * Mean of the smoothed RTT samples.
 */
rtt_mean_us: number,
/**
 * Largest smoothed RTT sample.
 */
rtt_max_us: number,
/**
 * The kernel's minimum RTT.
 */
rtt_min_us: number,
/**
 * Largest congestion window seen, segments.
 */
cwnd_segments_max: number,
/**
 * Segments retransmitted.
 */
retransmits: number,
/**
 * Largest delivery rate the kernel estimated.
 */
delivery_rate_max_bps: number,
/**
 * Share of the busy time that the peer's receive window limited, 0 to 1.
 */
receiver_limited_ratio: number,
/**
 * Share of the time that the send buffer limited, of the busy time or of the samples, 0 to 1.
 */
send_buffer_limited_ratio: number, };

/**
 * Payload bytes that the receiver counted in one interval, over all flows of the direction.
 */
export type GoodputSample = {
/**
 * The end of the interval, microseconds since the start of the test. The interval began at the sample before it
 * in the same direction.
 */
at_us: number,
/**
 * Which way.
 */
direction: Direction,
/**
 * Bytes received in the interval.
 */
bytes: number, };

/**
 * A grade; the order of the variants is from best to worst. Of a latency increase as said below; the household's overall
 * grade has a scale of its own.
 */
export type Grade = "A+" | "A" | "B" | "C" | "D" | "F";

/**
 * The graded phases; `null` for a phase that did not run.
 */
export type GradedPhases = {
/**
 * Download saturated.
 */
download: PhaseReport | null,
/**
 * Upload saturated.
 */
upload: PhaseReport | null,
/**
 * Both.
 */
bidirectional: PhaseReport | null, };

/**
 * Whether the node can be used.
 */
export type HealthStatus = "ok" | "degraded" | "down";

/**
 * 200 to `GET /virtual-household/profiles`.
 */
export type HouseholdCatalogue = {
/**
 * The users, in the order of their cards.
 */
profiles: Array<ProfileDescription>,
/**
 * The timeline in adaptive mode.
 */
adaptive_phases: Array<HouseholdSpan>,
/**
 * The timeline in standard mode.
 */
standard_phases: Array<HouseholdSpan>, };

/**
 * 200 or 503 to `GET /virtual-household/health`.
 */
export type HouseholdHealth = {
/**
 * `down` only when no user can be served.
 */
status: HealthStatus,
/**
 * What is missing, in words.
 */
reasons: Array<string>,
/**
 * Each user.
 */
users: Array<UserHealth>, };

/**
 * The phases of a household test, in their order.
 */
export type HouseholdPhase = "baseline" | "capacity_down" | "capacity_up" | "traffic";

/**
 * The household's part of the report.
 */
export type HouseholdReport = {
/**
 * 0.3 Alex + 0.3 Sarah + 0.3 Jake + 0.1 Computer, 0 to 100; `null` when nobody could be judged.
 */
overall_score: number | null,
/**
 * Of that score.
 */
overall_grade: Grade | null,
/**
 * Jain's index over achieved ÷ demand of the users, × 100.
 */
fairness: number | null,
/**
 * Share of 1 s windows whose 95th percentile increase stays under 60 ms, × 100.
 */
stability: number | null,
/**
 * Where the demand came from.
 */
mode: DemandMode,
/**
 * What the line carries to the client.
 */
capacity_down_mbps: number | null,
/**
 * What it carries from the client.
 */
capacity_up_mbps: number | null,
/**
 * The users, in the order of their cards.
 */
users: Array<UserReport>, };

/**
 * What a household test collects beside the probes of the line. The test's own `phases`, `goodput` and `flows` stay
 * empty; its `probes` run from the baseline to the end of the traffic.
 */
export type HouseholdSamples = {
/**
 * Whether Computer's demand was raised to what the line can carry.
 */
demand: DemandMode,
/**
 * The phases as they really began and ended.
 */
phases: Array<HouseholdSpan>,
/**
 * What the line carried to the client in the capacity phase; `null` in standard mode.
 */
capacity_down_mbps: number | null,
/**
 * What it carried from the client; `null` in standard mode.
 */
capacity_up_mbps: number | null,
/**
 * The users, in the order of their cards.
 */
users: Array<UserSamples>, };

/**
 * A phase of a household test with its time, in microseconds since the start of the test.
 */
export type HouseholdSpan = {
/**
 * Which phase.
 */
phase: HouseholdPhase,
/**
 * Its first microsecond.
 */
start_us: number,
/**
 * The first microsecond after it.
 */
end_us: number, };

/**
 * What some loops do: those of a process, of a role, or of the node.
 */
export type LoadFigures = {
/**
 * Profile sessions that are open.
 */
sessions: number,
/**
 * Connections that are open.
 */
connections: number,
/**
 * Load flows to clients that are open.
 */
flows_down: number,
/**
 * Load flows from clients that are open.
 */
flows_up: number,
/**
 * Probe connections that are open.
 */
probes: number,
/**
 * Bytes sent, headers included.
 */
sent_bytes: number,
/**
 * Bytes received, headers included.
 */
received_bytes: number,
/**
 * Rate to clients.
 */
down_mbps: number,
/**
 * Rate from clients.
 */
up_mbps: number,
/**
 * Profile sessions begun.
 */
sessions_begun: number,
/**
 * Connections accepted.
 */
connections_accepted: number,
/**
 * Probes answered.
 */
echoes: number,
/**
 * How late the loops come to what is due: median. At most this.
 */
loop_lag_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
loop_lag_p99_us: number | null,
/**
 * From a probe's arrival to its echo's departure: median. At most this.
 */
echo_turnaround_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
echo_turnaround_p99_us: number | null, };

/**
 * One traffic message from the node.
 */
export type MessageSample = {
/**
 * From its header.
 */
flow: number,
/**
 * From its header.
 */
sequence: number,
/**
 * From its header: the node's clock.
 */
send_us: number,
/**
 * When its last byte arrived.
 */
received_us: number, };

/**
 * Which of the two tests is run.
 */
export type Mode = "single" | "household";

/**
 * The figures of the model by which a user was judged.
 */
export type ModelReport = { "type": "gaming",
/**
 * The model's name, for the reader.
 */
name: string,
/**
 * 95th percentile of the round trips − idle latency.
 */
p95_increase_ms: number | null, } | { "type": "call",
/**
 * The model's name, for the reader.
 */
name: string,
/**
 * Transmission rating, 0 to 93.2; of the worse direction.
 */
r_factor: number | null,
/**
 * Mean opinion score that belongs to it, 1 to 4.5.
 */
mos: number | null,
/**
 * From mouth to ear in the worse direction, jitter buffer included.
 */
mouth_to_ear_ms: number | null,
/**
 * Share of the messages that missed the jitter buffer, in the worse direction.
 */
missed_ratio: number | null,
/**
 * Time during which the picture stood still.
 */
frozen_s: number, } | { "type": "streaming",
/**
 * The model's name, for the reader.
 */
name: string,
/**
 * From the start until the first segment was there; `null` when it never was.
 */
startup_s: number | null,
/**
 * How often the film stopped.
 */
stalls: number,
/**
 * For how long in all.
 */
stalled_s: number,
/**
 * That ÷ the time since the film began.
 */
stall_ratio: number | null,
/**
 * Segments that were received.
 */
segments: number,
/**
 * Of those, received within their own period.
 */
segments_in_time: number, } | { "type": "bulk",
/**
 * The model's name, for the reader.
 */
name: string,
/**
 * What the line had left for it; `null` where the line's capacity is not known.
 */
available_mbps: number | null,
/**
 * Achieved ÷ min(demand, available).
 */
achieved_ratio: number | null, };

/**
 * 200 or 503 to `GET /health`.
 */
export type NodeHealth = {
/**
 * Whether the node can be used.
 */
status: HealthStatus,
/**
 * The node's version.
 */
version: string,
/**
 * Since the node started.
 */
uptime_s: number,
/**
 * What is missing, in words.
 */
reasons: Array<string>,
/**
 * The node's certificate; `null` where it speaks plain HTTP.
 */
certificate: CertificateHealth | null, };

/**
 * A text message from the node on `/ws/bulk-upload`, `/ws/bulk-download` or `/ws/ping`.
 */
export type NodeMessage = { "type": "upload_progress",
/**
 * Payload bytes since the flow opened (frame headers and masks not counted).
 */
bytes: number,
/**
 * Time since the flow's first payload byte.
 */
elapsed_us: number,
/**
 * Whether this is the last one.
 */
is_final: boolean, } | { "type": "node_rtt",
/**
 * Round trips of WebSocket pings answered since the last message.
 */
ping_rtt_us: Array<number>,
/**
 * Smoothed, from `TCP_INFO`.
 */
kernel_rtt_us: number | null,
/**
 * Minimum, from `TCP_INFO`.
 */
kernel_min_rtt_us: number | null, } | { "type": "error",
/**
 * A stable name in `snake_case`.
 */
code: string,
/**
 * What happened, why, what to do.
 */
message: string, };

/**
 * One `node_rtt` message, with the client's time of its arrival.
 */
export type NodeRttSample = {
/**
 * When it arrived, microseconds since the start of the test.
 */
at_us: number,
/**
 * Round trips of the node's own WebSocket pings since the last message, answered below JavaScript.
 */
ping_rtt_us: Array<number>,
/**
 * The kernel's smoothed round-trip time of the probe connection (`TCP_INFO`); `null` where unavailable.
 */
kernel_rtt_us: number | null,
/**
 * The kernel's minimum round-trip time of the probe connection.
 */
kernel_min_rtt_us: number | null, };

/**
 * 200 to `GET /virtual-household/stats`.
 */
export type NodeStats = {
/**
 * Since the node started.
 */
uptime_s: number,
/**
 * Tests that run.
 */
tests: number,
/**
 * The whole node.
 */
total: LoadFigures,
/**
 * Each role.
 */
roles: Array<RoleStats>,
/**
 * Each process of each role.
 */
processes: Array<ProcessStats>,
/**
 * Profile sessions that ended, by reason; reasons that did not occur are zero.
 */
sessions_ended: { [key in string]: number },
/**
 * Connections that ended, by reason.
 */
connections_closed: { [key in string]: number }, };

/**
 * What the node says about itself and about the test's flows.
 */
export type NodeSummary = {
/**
 * Its version.
 */
version: string,
/**
 * Its name.
 */
name: string,
/**
 * 99th percentile of loop lag during the test, over the loops that served it.
 */
loop_lag_p99_us: number | null,
/**
 * Congestion control of the node's load flows.
 */
congestion_control: string,
/**
 * A summary for each load flow, in the order of their ends.
 */
flows: Array<FlowSummary>, };

/**
 * How a flow's messages follow each other. The rate is the flow's own; a pattern says how it is cut up.
 */
export type Pattern = { "type": "constant",
/**
 * Their number.
 */
messages_per_second: number, } | { "type": "frames",
/**
 * Their number.
 */
frames_per_second: number,
/**
 * A key frame every so many frames.
 */
keyframe_interval: number,
/**
 * How many times as large a key frame is as another.
 */
keyframe_ratio: number, } | { "type": "on_off",
/**
 * Time that a segment is sent in, ms.
 */
on_ms: number,
/**
 * Pause after it, ms.
 */
off_ms: number,
/**
 * Size of its messages.
 */
message_bytes: number, } | { "type": "continuous",
/**
 * Their size.
 */
message_bytes: number,
/**
 * The most that may leave at once after a pause.
 */
burst_bytes: number, };

/**
 * The phases of a single-user test, in their order.
 */
export type Phase = "baseline" | "download_warmup" | "download" | "upload_warmup" | "upload" | "bidirectional";

/**
 * The figures of one graded phase.
 */
export type PhaseReport = {
/**
 * By the latency increase; `null` when there is none.
 */
grade: Grade | null,
/**
 * Working latency − idle latency.
 */
latency_increase_ms: number | null,
/**
 * Single-sided 5 % trimmed mean of the phase's probes.
 */
working_latency_ms: number | null,
/**
 * Median.
 */
p50_ms: number | null,
/**
 * 90th percentile.
 */
p90_ms: number | null,
/**
 * 95th percentile.
 */
p95_ms: number | null,
/**
 * 99th percentile.
 */
p99_ms: number | null,
/**
 * Largest.
 */
max_ms: number | null,
/**
 * Mean absolute difference of consecutive samples.
 */
jitter_ms: number | null,
/**
 * Probes never answered ÷ probes sent.
 */
loss_ratio: number | null,
/**
 * Probes sent in the phase.
 */
samples: number,
/**
 * 60 000 ÷ working latency in ms: round trips a minute.
 */
responsiveness_rpm: number | null,
/**
 * The part of the increase that is upstream.
 */
up_increase_ms: number | null,
/**
 * The part of the increase that is downstream.
 */
down_increase_ms: number | null,
/**
 * The increase that the node itself saw on the probe connection.
 */
node_increase_ms: number | null,
/**
 * Mean received after the phase's first second.
 */
goodput_down_mbps: number | null,
/**
 * Mean received after the phase's first second.
 */
goodput_up_mbps: number | null,
/**
 * 10th percentile of 100 ms bins.
 */
goodput_down_p10_mbps: number | null,
/**
 * 90th percentile of 100 ms bins.
 */
goodput_down_p90_mbps: number | null,
/**
 * 10th percentile of 100 ms bins.
 */
goodput_up_p10_mbps: number | null,
/**
 * 90th percentile of 100 ms bins.
 */
goodput_up_p90_mbps: number | null, };

/**
 * A phase with its time, in microseconds since the start of the test.
 */
export type PhaseSpan = {
/**
 * Which phase.
 */
phase: Phase,
/**
 * Its first microsecond.
 */
start_us: number,
/**
 * The first microsecond after it.
 */
end_us: number, };

/**
 * One probe. Times in microseconds: `sent_us` and `received_us` since the start of the test on the client's
 * clock, the node's two on the node's monotonic clock.
 */
export type ProbeSample = {
/**
 * Counted from 0 over the test.
 */
sequence: number,
/**
 * When the client sent it.
 */
sent_us: number,
/**
 * When its echo arrived; `null` when it never did.
 */
received_us: number | null,
/**
 * When the node received it; `null` when lost, or when probing by `GET /ping`.
 */
node_receive_us: number | null,
/**
 * When the node sent the echo; `null` when lost, or when probing by `GET /ping`.
 */
node_send_us: number | null, };

/**
 * Which way the probes took; all but the first are marked in the result.
 */
export type ProbeTransport = "ping_role" | "main_role" | "http";

/**
 * A process in [`ProcessHealthReport`].
 */
export type ProcessHealth = {
/**
 * Its name, as `ps` shows it.
 */
process: string,
/**
 * The role.
 */
role: string,
/**
 * The role's port.
 */
port: number,
/**
 * Its number to the operating system; `null` while it does not run.
 */
pid: number | null,
/**
 * How it fares.
 */
state: ServiceState,
/**
 * Since it was started last; `null` while it does not run.
 */
uptime_s: number | null,
/**
 * How many times it was started again.
 */
restarts: number,
/**
 * Age of the oldest of its loops' heartbeats; they beat every 100 ms. `null` before the first.
 */
last_heartbeat_age_ms: number | null,
/**
 * Why it ended last; `null` when it never did.
 */
last_exit_reason: string | null, };

/**
 * 200 to `GET /virtual-household/process-health`.
 */
export type ProcessHealthReport = {
/**
 * False when one process serves all roles.
 */
multiprocess: boolean,
/**
 * Each process of each role. In a node of one process there is a row for each role, all of the same process.
 */
processes: Array<ProcessHealth>, };

/**
 * A process in [`NodeStats`].
 */
export type ProcessStats = {
/**
 * Its name, as `ps` shows it.
 */
process: string,
/**
 * The role.
 */
role: string,
/**
 * Profile sessions that are open.
 */
sessions: number,
/**
 * Connections that are open.
 */
connections: number,
/**
 * Load flows to clients that are open.
 */
flows_down: number,
/**
 * Load flows from clients that are open.
 */
flows_up: number,
/**
 * Probe connections that are open.
 */
probes: number,
/**
 * Bytes sent, headers included.
 */
sent_bytes: number,
/**
 * Bytes received, headers included.
 */
received_bytes: number,
/**
 * Rate to clients.
 */
down_mbps: number,
/**
 * Rate from clients.
 */
up_mbps: number,
/**
 * Profile sessions begun.
 */
sessions_begun: number,
/**
 * Connections accepted.
 */
connections_accepted: number,
/**
 * Probes answered.
 */
echoes: number,
/**
 * How late the loops come to what is due: median. At most this.
 */
loop_lag_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
loop_lag_p99_us: number | null,
/**
 * From a probe's arrival to its echo's departure: median. At most this.
 */
echo_turnaround_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
echo_turnaround_p99_us: number | null, };

/**
 * A user of the household and the traffic that stands for what they do.
 */
export type ProfileDescription = {
/**
 * The user's name in addresses: lower-case letters, digits and dashes.
 */
user_id: string,
/**
 * The user's name for people.
 */
name: string,
/**
 * What they do, in a word or two.
 */
activity: string,
/**
 * What that is like, in a sentence.
 */
description: string,
/**
 * The port of the user's own process.
 */
port: number,
/**
 * How their experience is judged.
 */
model: ExperienceModel,
/**
 * Rate to the user while sending: the sum of the flows'.
 */
down_mbps: number,
/**
 * Rate from the user while sending.
 */
up_mbps: number,
/**
 * The same as a mean over the pauses of the pattern: what the user needs.
 */
mean_down_mbps: number,
/**
 * Mean rate from the user.
 */
mean_up_mbps: number,
/**
 * Its flows; a flow's number in [`TrafficHeader::flow`] is its place here.
 */
flows: Array<FlowDescription>, };

/**
 * What a receiver derives from what arrived. Counts are since the start; delays, jitter and goodput are of the time
 * since the message before.
 */
export type ReceivedStats = {
/**
 * Bytes of messages.
 */
received_bytes: number,
/**
 * Messages.
 */
messages: number,
/**
 * Of those, too late to be of use to this profile.
 */
late: number,
/**
 * Messages that never came.
 */
lost: number,
/**
 * One-way delay above the least seen; `null` when nothing came.
 */
delay_us: DelayStats | null,
/**
 * Interarrival jitter by RFC 3550, 6.4.1, the largest of the flows'; `null` when there were no two messages.
 */
jitter_us: number | null,
/**
 * `null` when no time has passed.
 */
goodput_mbps: number | null, };

/**
 * The whole result of a test.
 */
export type Report = {
/**
 * The test.
 */
test_id: string,
/**
 * Which test.
 */
mode: Mode,
/**
 * RFC 3339, by the client's wall clock.
 */
started_at: string,
/**
 * From the first phase's start to the last phase's end.
 */
duration_s: number,
/**
 * The worst of the graded phases, or the household's overall grade; `null` when there is none.
 */
total_grade: Grade | null,
/**
 * How far to trust it.
 */
confidence: Confidence,
/**
 * Median of the baseline phase.
 */
idle_latency_ms: number | null,
/**
 * The node's own view of the same: median of its WebSocket pings, else of the kernel's smoothed RTT.
 */
node_idle_latency_ms: number | null,
/**
 * 95th percentile of the baseline phase.
 */
idle_p95_ms: number | null,
/**
 * Mean absolute difference of consecutive baseline samples.
 */
idle_jitter_ms: number | null,
/**
 * Which way the probes took.
 */
probe_transport: ProbeTransport,
/**
 * The three graded phases.
 */
phases: GradedPhases,
/**
 * What the users went through; `null` in a single-user test, whose phases are graded instead.
 */
household: HouseholdReport | null,
/**
 * What the node counted.
 */
node: NodeSummary, };

/**
 * A role in [`NodeStats`].
 */
export type RoleStats = {
/**
 * Its name.
 */
role: string,
/**
 * Its port.
 */
port: number,
/**
 * How it fares.
 */
state: ServiceState,
/**
 * How many processes it has.
 */
processes: number,
/**
 * Profile sessions that are open.
 */
sessions: number,
/**
 * Connections that are open.
 */
connections: number,
/**
 * Load flows to clients that are open.
 */
flows_down: number,
/**
 * Load flows from clients that are open.
 */
flows_up: number,
/**
 * Probe connections that are open.
 */
probes: number,
/**
 * Bytes sent, headers included.
 */
sent_bytes: number,
/**
 * Bytes received, headers included.
 */
received_bytes: number,
/**
 * Rate to clients.
 */
down_mbps: number,
/**
 * Rate from clients.
 */
up_mbps: number,
/**
 * Profile sessions begun.
 */
sessions_begun: number,
/**
 * Connections accepted.
 */
connections_accepted: number,
/**
 * Probes answered.
 */
echoes: number,
/**
 * How late the loops come to what is due: median. At most this.
 */
loop_lag_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
loop_lag_p99_us: number | null,
/**
 * From a probe's arrival to its echo's departure: median. At most this.
 */
echo_turnaround_p50_us: number | null,
/**
 * The same: 99th percentile.
 */
echo_turnaround_p99_us: number | null, };

/**
 * One segment of a stream.
 */
export type SegmentSample = {
/**
 * When its first message arrived.
 */
first_us: number,
/**
 * When the message with the end flag arrived.
 */
complete_us: number,
/**
 * Its size.
 */
bytes: number, };

/**
 * What a sender counts.
 */
export type SentStats = {
/**
 * Bytes of messages.
 */
sent_bytes: number,
/**
 * Messages.
 */
messages: number, };

/**
 * How a role or a process fares.
 */
export type ServiceState = "healthy" | "starting" | "restarting" | "draining" | "down";

/**
 * A text message of the client in a profile session.
 */
export type SessionClientMessage = { "type": "start" } | { "type": "set_demand",
/**
 * To the client.
 */
down_mbps: number | null,
/**
 * From the client.
 */
up_mbps: number | null, } | { "type": "client_stats",
/**
 * From the node.
 */
down: ReceivedStats, } | { "type": "stop" };

/**
 * Why a session ended.
 */
export type SessionEndReason = "stopped" | "test_ended" | "inactive" | "duration_limit" | "peer_stalled" | "peer_vanished" | "protocol_error" | "shutdown";

/**
 * The bounds of a session.
 */
export type SessionLimits = {
/**
 * The most that `set_demand` may ask for.
 */
down_mbps_max: number,
/**
 * The same in the other direction.
 */
up_mbps_max: number,
/**
 * The session ends when the client is silent for this long.
 */
inactivity_s: number,
/**
 * The session ends after this long.
 */
duration_s_max: number, };

/**
 * A text message of the node in a profile session.
 */
export type SessionNodeMessage = { "type": "welcome",
/**
 * The user.
 */
user_id: string,
/**
 * The test it belongs to; `null` for a session without one.
 */
test_id: string | null,
/**
 * The session's own name.
 */
session_id: string,
/**
 * The traffic to expect and to send.
 */
profile: ProfileDescription,
/**
 * The bounds.
 */
limits: SessionLimits, } | { "type": "session_stats" } & SessionStats | { "type": "session_end",
/**
 * Why.
 */
reason: SessionEndReason,
/**
 * Over the whole session.
 */
totals: SessionStats, } | { "type": "error",
/**
 * A stable name in `snake_case`.
 */
code: string,
/**
 * What happened, why, what to do.
 */
message: string, };

/**
 * 200 to `GET /ws/virtual-household/{user_id}` without an upgrade: where to connect.
 */
export type SessionRedirect = {
/**
 * Always true.
 */
redirect: boolean,
/**
 * Where the session is, host and scheme as the client sees them.
 */
websocket_url: string,
/**
 * Its port.
 */
port: number,
/**
 * The user.
 */
user_id: string,
/**
 * Always `simple_multiprocess`.
 */
architecture: string,
/**
 * Whether a process of its own serves the user; false when the main process stands in.
 */
process_isolation: boolean, };

/**
 * What a session has moved.
 */
export type SessionStats = {
/**
 * Since `start`.
 */
elapsed_us: number,
/**
 * To the client, counted by the node as its sender.
 */
down: SentStats,
/**
 * From the client, counted by the node as its receiver.
 */
up: ReceivedStats,
/**
 * The kernel's smoothed round-trip time of the session's connection; `null` where unavailable.
 */
kernel_rtt_us: number | null,
/**
 * Segments retransmitted on it; `null` where unavailable.
 */
retransmits: number | null, };

/**
 * Who runs a node.
 */
export type Sponsor = {
/**
 * At most [`crate::limits::SPONSOR_TEXT_BYTES_MAX`] bytes.
 */
name: string,
/**
 * An `http` or `https` URL.
 */
link: string | null,
/**
 * Where the node is; at most [`crate::limits::SPONSOR_TEXT_BYTES_MAX`] bytes.
 */
city: string | null, };

/**
 * 201 to `POST /api/tests`.
 */
export type TestAdmission = {
/**
 * 128 random bits, 32 lower-case hexadecimal digits. Every flow carries it as `test_id=`.
 */
test_id: string,
/**
 * Proof of ownership for `report` and `DELETE`: `Authorization: Bearer …`.
 */
token: string,
/**
 * Seconds until the test ends by itself and the token with it.
 */
expires_s: number,
/**
 * Where everything is, host and scheme as the client sees them.
 */
endpoints: Endpoints,
/**
 * The timeline to follow; empty for a household, whose timelines are in its catalogue.
 */
phases: Array<PhaseSpan>,
/**
 * Most load flows in one direction.
 */
flows_max: number, };

/**
 * `POST /api/tests`.
 */
export type TestRequest = {
/**
 * Which test.
 */
mode: Mode,
/**
 * Who asks.
 */
client: ClientDescription, };

/**
 * `POST /api/tests/{id}/report`: everything the client saw, computed by nobody yet.
 */
export type TestSamples = {
/**
 * Which test this was.
 */
mode: Mode,
/**
 * Who ran it.
 */
client: ClientDescription,
/**
 * When it started, RFC 3339, by the client's wall clock.
 */
started_at: string,
/**
 * The phases as they really began and ended. A test that was stopped has fewer.
 */
phases: Array<PhaseSpan>,
/**
 * Every probe sent, in order of sending, answered or not.
 */
probes: Array<ProbeSample>,
/**
 * When the client stopped listening for answers; absent when it listened for 3 s after the last phase. A test
 * that was stopped says when.
 */
listened_until_us?: number,
/**
 * Which way the probes took.
 */
probe_transport: ProbeTransport,
/**
 * What the node said of its own view of the probe connection.
 */
node_rtt: Array<NodeRttSample>,
/**
 * Payload bytes counted by the receiver, at most every 100 ms for each direction.
 */
goodput: Array<GoodputSample>,
/**
 * How many load flows were open, at each change.
 */
flows: Array<FlowCountSample>,
/**
 * How the device itself kept up.
 */
device: DeviceSamples,
/**
 * What a household test collects; absent in a single-user test.
 */
household?: HouseholdSamples, };

/**
 * 200 to `DELETE /api/tests/{id}`, and to `GET /api/tests/{id}`: what the node itself counts of a test.
 */
export type TestStatus = {
/**
 * The test.
 */
test_id: string,
/**
 * Whether it was ended (by `DELETE`, by its report, or by its age).
 */
ended: boolean,
/**
 * Load flows and probes of this test that the node still has open.
 */
open_flows: number,
/**
 * Payload bytes received so far over all flows of this test, brought up to date every 100 ms: the receiver's count for
 * uploads that carry no progress messages of their own.
 */
received_bytes: number, };

/**
 * 200 to `POST /upload` and `PUT /upload`.
 */
export type UploadReply = {
/**
 * Payload bytes received.
 */
bytes: number,
/**
 * From the end of the request head to the last byte.
 */
elapsed_us: number,
/**
 * Megabits a second over that time; `null` when it was too short to say.
 */
goodput_mbps: number | null, };

/**
 * A text message from the client on `/ws/bulk-upload`.
 */
export type UploaderMessage = { "type": "finish" };

/**
 * A user in [`HouseholdHealth`].
 */
export type UserHealth = {
/**
 * The user.
 */
user_id: string,
/**
 * How the role that serves the user fares: the user's own, or main in its place.
 */
state: ServiceState,
/**
 * The port that clients are sent to.
 */
port: number,
/**
 * Whether a process of the user's own serves them.
 */
process_isolation: boolean, };

/**
 * What one user went through.
 */
export type UserReport = {
/**
 * The user.
 */
user_id: string,
/**
 * Their experience, 0 to 100; `null` when there is too little to judge it by.
 */
score: number | null,
/**
 * Of the latency increase.
 */
grade: Grade | null,
/**
 * Working latency − idle latency.
 */
latency_increase_ms: number | null,
/**
 * Mean absolute difference of the delays of consecutive messages, else of consecutive probes.
 */
jitter_ms: number | null,
/**
 * Messages too late to be of use or never received ÷ messages sent, both ways; of a stream its segments.
 */
late_ratio: number | null,
/**
 * Mean rate received by the client.
 */
down_mbps: number | null,
/**
 * Mean rate received by the node.
 */
up_mbps: number | null,
/**
 * Mean rate needed, pauses included.
 */
demand_down_mbps: number,
/**
 * The same from the user.
 */
demand_up_mbps: number,
/**
 * What it was like and why, in plain words.
 */
impact: string,
/**
 * The model's own figures.
 */
model: ModelReport, };

/**
 * What one user's session saw. Times are µs since the start of the test on the client's clock, unless said otherwise.
 */
export type UserSamples = {
/**
 * As in the catalogue.
 */
user_id: string,
/**
 * As in the catalogue.
 */
name: string,
/**
 * As in the catalogue.
 */
model: ExperienceModel,
/**
 * When the session's traffic was started.
 */
started_us: number,
/**
 * The mean rate that the user needed, pauses included.
 */
demand_down_mbps: number,
/**
 * The same from the user.
 */
demand_up_mbps: number,
/**
 * The probes of the user's own session; empty where a queue of the session's own would be measured (a bulk
 * transfer), then the probes of the test count.
 */
probes: Array<ProbeSample>,
/**
 * Message bytes: to the client as the client counted them, from the client as `session_stats` told.
 */
goodput: Array<GoodputSample>,
/**
 * The messages received, of a game or a call.
 */
messages: Array<MessageSample>,
/**
 * The segments received, of a stream.
 */
segments: Array<SegmentSample>,
/**
 * How much of the film a segment holds, ms: the pattern's period. `null` for others than streams.
 */
segment_media_ms: number | null,
/**
 * What the node derived from the messages it received: the totals of `session_end`, else the last `session_stats`.
 */
up: ReceivedStats | null, };

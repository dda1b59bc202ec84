//! `/api/tests`: admission, status, end, and the report.

use protocol::connection::BodySink;
use protocol::http1::Request;
use protocol::limits::{FLOWS_PER_DIRECTION_MAX, HTTP_COLLECTED_BODY_BYTES_MAX};
use protocol::measure;
use protocol::message::error::ErrorDetail;
use protocol::message::report::NodeSummary;
use protocol::message::samples::TestSamples;
use protocol::message::test::{Endpoints, Mode, TestAdmission, TestRequest, TestStatus};
use protocol::time::Instant;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::host::Host;
use crate::server::identity::new_test_id;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::scoreboard::{
    Applicant, Refusal, RefusalReason, TestId, TestOutcome, TestSeat, second_of,
};
use crate::server::visitor::{Activity, Collected, Visitor};

/// A `TestRequest` is a few fields.
const TEST_REQUEST_BYTES_MAX: usize = 16 * 1024;

/// `POST /api/tests`: collects the request.
pub fn create(
    _: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let host = request.host().unwrap_or_default();
    if Host::parse(host).is_none() {
        return Answer::Reply(Reply::error(
            400,
            "invalid_host",
            "the Host field is neither a name nor an address",
        ));
    }
    collect(
        context,
        visitor,
        Collected::TestRequest {
            host: host.to_owned(),
        },
        TEST_REQUEST_BYTES_MAX,
    )
}

/// `POST /api/tests/{id}/report`: collects the samples, of a test that the caller owns.
pub fn report(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Answer {
    match owned_test(node, context.now, request, parameters) {
        Ok((test, _)) => collect(
            context,
            visitor,
            Collected::Report { test },
            HTTP_COLLECTED_BODY_BYTES_MAX,
        ),
        Err(reply) => Answer::Reply(reply),
    }
}

/// `GET /api/tests/{id}`: what the node itself counts.
pub fn status(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Answer {
    Answer::Reply(match owned_test(node, context.now, request, parameters) {
        Ok((test, seat)) => status_reply(node, test, seat),
        Err(reply) => reply,
    })
}

/// `DELETE /api/tests/{id}`: every loop ends what it has of the test, within one tick.
pub fn end(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Answer {
    Answer::Reply(match owned_test(node, context.now, request, parameters) {
        Ok((test, seat)) => {
            node.scoreboard().tests().end(context.now, seat);
            node.record_test_end(context.now, seat, TestOutcome::Stopped, None);
            status_reply(node, test, seat)
        }
        Err(reply) => reply,
    })
}

/// The body of an API request is in: the answer.
pub fn answer_collected(
    node: &mut Node,
    context: &Context<'_>,
    visitor: &Visitor,
    collected: &Collected,
    body: &[u8],
) -> Reply {
    match collected {
        Collected::TestRequest { host } => match serde_json::from_slice::<TestRequest>(body) {
            Ok(request) => admit(node, context, visitor, &request, host),
            Err(error) => invalid_json(&error),
        },
        Collected::Report { test } => match serde_json::from_slice::<TestSamples>(body) {
            Ok(samples) => compute(node, context, *test, &samples),
            Err(error) => invalid_json(&error),
        },
    }
}

fn collect(
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    collected: Collected,
    limit_bytes: usize,
) -> Answer {
    visitor.activity = Activity::Collecting(collected);
    // The request is pending: this is the state that the call needs.
    let _ = context
        .connection
        .receive_body(context.now, BodySink::Collect { limit_bytes });
    Answer::Taken
}

fn invalid_json(error: &serde_json::Error) -> Reply {
    Reply::error(
        400,
        "invalid_json",
        format!("the body is not the JSON that this endpoint takes: {error}"),
    )
}

fn admit(
    node: &mut Node,
    context: &Context<'_>,
    visitor: &Visitor,
    request: &TestRequest,
    host: &str,
) -> Reply {
    let Ok(id) = new_test_id() else {
        return Reply::error(
            503,
            "no_randomness",
            "the system has no randomness to name a test with; try again",
        );
    };
    let limits = node.test_limits();
    let applicant = Applicant {
        address_key: visitor.address,
        address: node.config().log_addresses.of(visitor.client),
        client_name: &request.client.name,
        mode: request.mode,
    };
    let admitted = node
        .scoreboard()
        .tests()
        .admit(context.now, id, applicant, limits);
    match admitted {
        Ok(_) => {
            let expires_s = u32::try_from(limits.lifetime.as_secs()).unwrap_or(u32::MAX);
            let expires_at = context.now + limits.lifetime;
            let admission = TestAdmission {
                test_id: id.to_string(),
                token: node.tokens().issue(id, expires_at),
                expires_s,
                endpoints: endpoints(node, visitor, host, id),
                phases: match request.mode {
                    Mode::Single => measure::phases::single_user(),
                    // A household's timeline depends on its mode; the catalogue has both.
                    Mode::Household => Vec::new(),
                },
                flows_max: FLOWS_PER_DIRECTION_MAX as u32,
            };
            Reply::json(201, &admission)
        }
        Err(refusal) => {
            node.count_refused_test(refusal.reason);
            refused(refusal)
        }
    }
}

fn refused(refusal: Refusal) -> Reply {
    let (status, message) = match refusal.reason {
        RefusalReason::NodeFull => (
            503,
            "this node runs as many tests as it can; try again shortly",
        ),
        RefusalReason::AddressFull => (
            429,
            "your address runs as many tests as it may; wait for one of them to end",
        ),
    };
    Reply::error_detail(
        status,
        ErrorDetail {
            code: refusal.reason.name().to_owned(),
            message: message.to_owned(),
            retry_after_s: Some(refusal.retry_after_s),
            queue_position: Some(refusal.queue_position),
        },
    )
}

/// URLs as the client sees the node. A role that is down is replaced by main.
fn endpoints(node: &Node, visitor: &Visitor, host_field: &str, id: TestId) -> Endpoints {
    let ping_host = match (Host::parse(host_field), node.ping_port()) {
        (Some(host), Some(port)) => host.at_port(port),
        _ => host_field.to_owned(),
    };
    let scheme = node.scheme(visitor);
    let (http, ws) = (scheme.http(), scheme.web_socket());
    Endpoints {
        ping_ws: format!("{ws}://{ping_host}/ws/ping"),
        ping_ws_fallback: format!("{ws}://{host_field}/ws/ping"),
        ping_http: format!("{http}://{host_field}/ping"),
        warmup: format!("{http}://{host_field}/warmup"),
        download: format!("{http}://{host_field}/download"),
        upload: format!("{http}://{host_field}/upload"),
        bulk_download_ws: format!("{ws}://{host_field}/ws/bulk-download"),
        bulk_upload_ws: format!("{ws}://{host_field}/ws/bulk-upload"),
        report: format!("{http}://{host_field}/api/tests/{id}/report"),
        test: format!("{http}://{host_field}/api/tests/{id}"),
    }
}

/// The test that the path names, if the caller's token is its.
fn owned_test(
    node: &Node,
    now: Instant,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Result<(TestId, TestSeat), Reply> {
    let unknown = || {
        Reply::error(
            404,
            "test_unknown",
            "there is no such test; it may have ended over a minute ago",
        )
    };
    let test: TestId = parameters
        .first()
        .and_then(|id| id.parse().ok())
        .ok_or_else(unknown)?;
    let bearer = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if node.tokens().verify(now, test, bearer).is_err() {
        return Err(Reply::error(
            403,
            "token_invalid",
            "this needs the test's own token, not yet expired, as `Authorization: Bearer …`",
        ));
    }
    let seat = node.scoreboard().tests().find(test).ok_or_else(unknown)?;
    Ok((test, seat))
}

fn status_reply(node: &Node, test: TestId, seat: TestSeat) -> Reply {
    let tests = node.scoreboard().tests();
    Reply::json(
        200,
        &TestStatus {
            test_id: test.to_string(),
            ended: tests.is_ended(seat),
            open_flows: tests.open_flows(seat),
            received_bytes: tests.bytes(seat).0,
        },
    )
}

fn compute(node: &mut Node, context: &Context<'_>, test: TestId, samples: &TestSamples) -> Reply {
    let Some(seat) = node.scoreboard().tests().find(test) else {
        return Reply::error(
            404,
            "test_unknown",
            "the test ended over a minute ago; its report came too late",
        );
    };
    let summary = node_summary(node, context, seat);
    match measure::report::compute(samples, summary, &test.to_string()) {
        Ok(report) => {
            node.scoreboard().tests().end(context.now, seat);
            node.record_test_end(context.now, seat, TestOutcome::Reported, Some(&report));
            Reply::json(200, &report)
        }
        Err(fault) => Reply::error(400, "invalid_samples", fault.to_string()),
    }
}

fn node_summary(node: &Node, context: &Context<'_>, seat: TestSeat) -> NodeSummary {
    let scoreboard = node.scoreboard();
    let began = scoreboard
        .tests()
        .lifetime(seat)
        .map_or(context.now, |(created, _)| created);
    let (from_s, to_s) = (second_of(began), second_of(context.now));
    let flows = scoreboard.tests().flow_records(seat);
    NodeSummary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: node.name().to_owned(),
        loop_lag_p99_us: scoreboard.lag_quantile_us(|_, _| true, from_s, to_s, 0.99),
        congestion_control: node.congestion_control().to_owned(),
        flows: flows
            .iter()
            .map(crate::server::scoreboard::FlowRecord::summary)
            .collect(),
    }
}

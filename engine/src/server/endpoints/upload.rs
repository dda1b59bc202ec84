//! `POST` and `PUT /upload`: takes any body, throws it away, and says how much it was and how fast.

use std::time::Duration;

use protocol::connection::BodySink;
use protocol::http1::Request;
use protocol::message::samples::Direction;
use protocol::message::socket::UploadReply;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::query::Query;
use crate::server::reply::Reply;
use crate::server::visitor::{Activity, Visitor};

/// Bodies that took less than this say nothing about a rate.
const MEASURABLE: Duration = Duration::from_millis(1);

/// Begins to throw the body away.
pub fn upload(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let query = Query::new(request.query().unwrap_or_default());
    let flow = match node.open_load(context, visitor, query, Direction::Up) {
        Ok(flow) => flow,
        Err(refusal) => return Answer::Reply(refusal.reply()),
    };
    visitor.activity = Activity::Upload(flow);
    // The request is pending: this is the state that the call needs.
    let _ = context
        .connection
        .receive_body(context.now, BodySink::Discard);
    Answer::Taken
}

/// The answer once the body is in.
#[must_use]
pub fn reply(bytes: u64, elapsed: Duration) -> Reply {
    let is_measurable = elapsed >= MEASURABLE;
    let goodput_mbps = is_measurable.then(|| bytes as f64 * 8.0 / elapsed.as_secs_f64() / 1e6);
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    Reply::json(
        200,
        &UploadReply {
            bytes,
            elapsed_us,
            goodput_mbps,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::connection::ResponseBody;

    #[test]
    fn a_body_that_took_no_time_has_no_goodput() {
        let ResponseBody::Owned(body) = reply(1_000_000, Duration::from_secs(1)).body else {
            panic!("a body")
        };
        assert_eq!(
            body,
            br#"{"bytes":1000000,"elapsed_us":1000000,"goodput_mbps":8.0}"#
        );
        let ResponseBody::Owned(body) = reply(5, Duration::from_micros(3)).body else {
            panic!("a body")
        };
        assert_eq!(body, br#"{"bytes":5,"elapsed_us":3,"goodput_mbps":null}"#);
    }
}

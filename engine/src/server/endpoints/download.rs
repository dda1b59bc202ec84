//! `GET /download?bytes=N`: incompressible bytes as fast as the line takes them.

use protocol::connection::ResponseBody;
use protocol::http1::{Method, Request, ResponseHead};
use protocol::limits::DOWNLOAD_BYTES_MAX;
use protocol::message::samples::Direction;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::query::Query;
use crate::server::reply::Reply;
use crate::server::visitor::{Activity, Visitor};

/// Sends `bytes`, or without end until the client leaves or the session's time is up.
pub fn download(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let query = Query::new(request.query().unwrap_or_default());
    let length = match query.number("bytes", 0, DOWNLOAD_BYTES_MAX) {
        Ok(length) => length,
        Err(fault) => return Answer::Reply(Reply::error(400, "invalid_parameter", fault.message)),
    };
    let head = ResponseHead::new(200).field("Content-Type", "application/octet-stream");
    let body = ResponseBody::Filler { length };
    if request.method() == Method::Head {
        return Answer::Reply(Reply { head, body });
    }
    let flow = match node.open_load(context, visitor, query, Direction::Down) {
        Ok(flow) => flow,
        Err(refusal) => return Answer::Reply(refusal.reply()),
    };
    visitor.activity = Activity::Download(flow);
    Answer::Reply(Reply { head, body })
}

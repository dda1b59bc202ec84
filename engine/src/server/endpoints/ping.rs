//! `GET /ping`, the last resort for probing, and `GET /warmup`, which opens and warms a connection.

use protocol::http1::Request;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::visitor::Visitor;

/// `pong`.
pub fn ping(
    _: &mut Node,
    _: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    Answer::Reply(Reply::text(200, "pong"))
}

/// A small body.
pub fn warmup(
    _: &mut Node,
    _: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    Answer::Reply(Reply::text(200, "warm"))
}

//! `GET /metrics`: the scoreboard for Prometheus, as OpenMetrics text to who asks for it, else in the older text format.
//!
//! Names follow Prometheus' conventions: base units (seconds, bytes) at the end, `_total` on what only grows.

mod certificate;
mod classic;
mod families;

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use protocol::connection::ResponseBody;
use protocol::http1::{Request, ResponseHead};

use self::families::Snapshot;
use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::visitor::Visitor;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const PREFIX: &str = "bufferbloatd";

/// The whole node's.
pub fn metrics(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let snapshot = Snapshot {
        scoreboard: node.scoreboard().clone(),
        node_name: node.name().to_owned(),
        now: context.now,
    };
    let wants_open_metrics = request
        .header("accept")
        .is_some_and(|accept| accept.contains(OPEN_METRICS));
    Answer::Reply(match expose(snapshot) {
        Ok(text) if wants_open_metrics => reply(text, OPEN_METRICS_TYPE),
        Ok(text) => reply(classic::from_open_metrics(&text), CLASSIC_TYPE),
        Err(fmt::Error) => {
            Reply::error(500, "not_encoded", "the metrics cannot be written as text")
        }
    })
}

fn reply(text: String, content_type: &'static str) -> Reply {
    Reply {
        head: ResponseHead::new(200)
            .field("Content-Type", content_type)
            .field("Vary", "Accept"),
        body: ResponseBody::Owned(text.into_bytes()),
    }
}

fn expose(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

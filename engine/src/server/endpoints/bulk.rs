//! `/ws/bulk-download` and `/ws/bulk-upload`: bulk bytes in binary WebSocket frames.

use protocol::connection::{BinarySink, WebSocketOptions};
use protocol::http1::Request;
use protocol::limits::{DOWNLOAD_BYTES_MAX, FLOWS_PER_DIRECTION_MAX};
use protocol::message::samples::Direction;
use protocol::message::socket::NodeMessage;

use super::{OpenFault, Parameters};
use crate::runtime::application::Context;
use crate::server::flow::LoadFlow;
use crate::server::node::Node;
use crate::server::query::{Query, QueryFault};
use crate::server::reply::Reply;
use crate::server::visitor::{Activity, Visitor};

/// An upload by WebSocket.
#[derive(Debug)]
pub struct BulkUpload {
    /// The flow.
    pub flow: LoadFlow,
}

/// Checks the query and opens the flow.
pub fn open_download(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Result<WebSocketOptions, OpenFault> {
    let query = Query::new(request.query().unwrap_or_default());
    let invalid = |fault: QueryFault| {
        OpenFault::Request(Reply::error(400, "invalid_parameter", fault.message))
    };
    let bytes = query
        .number("bytes", 1, DOWNLOAD_BYTES_MAX)
        .map_err(invalid)?;
    // One WebSocket is one TCP flow: a client that wants `streams` of them opens as many. The number is only checked.
    query
        .number("streams", 1, FLOWS_PER_DIRECTION_MAX as u64)
        .map_err(invalid)?;
    let flow = node
        .open_load(context, visitor, query, Direction::Down)
        .map_err(OpenFault::Refused)?;
    visitor.activity = Activity::BulkDownload(flow.with_length(bytes));
    Ok(options(BinarySink::Discard))
}

/// Sends as fast as the line takes it.
pub fn begin_download(_: &mut Node, context: &mut Context<'_>, visitor: &mut Visitor) {
    if let Activity::BulkDownload(flow) = &visitor.activity {
        // The WebSocket has just opened: nothing else is being sent on it.
        let _ = context.connection.send_filler(context.now, flow.length());
    }
}

/// Opens the flow.
pub fn open_upload(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Result<WebSocketOptions, OpenFault> {
    let query = Query::new(request.query().unwrap_or_default());
    let flow = node
        .open_load(context, visitor, query, Direction::Up)
        .map_err(OpenFault::Refused)?;
    visitor.activity = Activity::BulkUpload(BulkUpload { flow });
    Ok(options(BinarySink::Discard))
}

/// Nothing to do: the client sends.
pub fn begin_upload(_: &mut Node, _: &mut Context<'_>, _: &mut Visitor) {}

impl BulkUpload {
    /// Tells the client what has arrived.
    pub fn send_progress(&mut self, context: &mut Context<'_>, is_final: bool) {
        let bytes = self.flow.bytes();
        let elapsed = self
            .flow
            .first_byte_at()
            .map(|first| context.now - first)
            .unwrap_or_default();
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let message = NodeMessage::UploadProgress {
            bytes,
            elapsed_us,
            is_final,
        };
        if let Ok(text) = serde_json::to_string(&message) {
            // A client that does not read its progress misses some of it; the connection's own deadline sees to the rest.
            let _ = context.connection.send_text(context.now, &text);
        }
    }
}

fn options(binary: BinarySink) -> WebSocketOptions {
    WebSocketOptions {
        binary,
        extra_fields: Vec::new(),
    }
}

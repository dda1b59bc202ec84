//! `/ws/virtual-household/{user_id}`: opens a profile session, on the role of that user or on main in its place.

use protocol::connection::{BinarySink, WebSocketOptions};
use protocol::http1::Request;

use super::{OpenFault, Parameters};
use crate::runtime::application::Context;
use crate::server::identity::new_test_id;
use crate::server::node::Node;
use crate::server::profile_session::{self, ProfileSession};
use crate::server::query::Query;
use crate::server::reply::Reply;
use crate::server::visitor::{Activity, Visitor};

/// Finds the profile and makes room.
pub fn open(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Result<WebSocketOptions, OpenFault> {
    let user_id = parameters.first().copied().unwrap_or_default();
    let Some(profile) = node.profile(user_id) else {
        let message = format!(
            "no user `{user_id}` is served here; GET /virtual-household/profiles lists them"
        );
        return Err(OpenFault::Request(Reply::error(
            404,
            "user_unknown",
            message,
        )));
    };
    let query = Query::new(request.query().unwrap_or_default());
    let (seat, limits) = node
        .open_session(visitor, query)
        .map_err(OpenFault::Refused)?;
    let test_id = query.value("test_id").map(str::to_owned);
    let session = ProfileSession::new(context.now, profile, seat, test_id, limits);
    visitor.activity = Activity::Profile(Box::new(session));
    Ok(WebSocketOptions {
        binary: BinarySink::Deliver,
        extra_fields: Vec::new(),
    })
}

/// Welcomes the client, which then says `start`.
pub fn begin(node: &mut Node, context: &mut Context<'_>, visitor: &mut Visitor) {
    let Activity::Profile(session) = &visitor.activity else {
        return;
    };
    // What a user downloads queues as other people's downloads do, whatever the system's default would spare the line.
    node.set_congestion_control(context);
    // Where the kernel can't say when a message arrived, the loop's own time serves.
    let _ = context.stamp_arrivals();
    // A name for logs and for the client's own records: without randomness it is merely not unique.
    let session_id = new_test_id().map(|id| id.to_string()).unwrap_or_default();
    let welcome = session.welcome(session_id, node.port(), node.flow_limits());
    profile_session::send(context, &welcome);
}

//! `GET /api/branding` and the logo: the operator's own look of the page, as the configuration has it now.

use std::hash::{DefaultHasher, Hash, Hasher};

use protocol::connection::ResponseBody;
use protocol::http1::Request;
use protocol::message::branding::Branding;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::assets::is_known;
use crate::server::config::Logo;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::visitor::Visitor;

/// Where the logo is.
pub const LOGO_PATH: &str = "/api/branding/logo";

/// A file of somebody else's, of which a visitor may open the address by itself: an SVG then is a document of this node's
/// origin, and must run nothing.
const LOGO_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox";

/// What the page asks before it draws itself.
pub fn branding(
    node: &mut Node,
    _context: &mut Context<'_>,
    _visitor: &mut Visitor,
    _request: &Request,
    _parameters: &Parameters<'_>,
) -> Answer {
    let branding = &node.config().branding;
    let message = Branding {
        sponsor: branding.sponsor.clone(),
        logo_path: branding.logo.as_ref().map(|_| LOGO_PATH.to_owned()),
        accent_colour: branding.accent_colour.clone(),
    };
    Answer::Reply(Reply::json(200, &message).for_administration())
}

/// The picture; 404 without one.
pub fn logo(
    node: &mut Node,
    _context: &mut Context<'_>,
    _visitor: &mut Visitor,
    request: &Request,
    _parameters: &Parameters<'_>,
) -> Answer {
    Answer::Reply(match &node.config().branding.logo {
        Some(logo) => picture(logo, request.header("if-none-match")),
        None => {
            Reply::error(404, "not_found", "this node has no logo of its own").for_administration()
        }
    })
}

fn picture(logo: &Logo, if_none_match: Option<&str>) -> Reply {
    let etag = etag(logo);
    let is_known = if_none_match.is_some_and(|known| is_known(known, &etag));
    let mut reply = Reply::empty(if is_known { 304 } else { 200 })
        .with("ETag", etag)
        .with("Cache-Control", "no-cache")
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cross-Origin-Resource-Policy", "same-origin")
        .with("Content-Security-Policy", LOGO_POLICY);
    if !is_known {
        reply = reply.with("Content-Type", logo.format.media_type());
        reply.body = ResponseBody::Owned(logo.content.bytes().to_vec());
    }
    reply
}

/// 64 bits tell the few pictures that a node ever has apart.
fn etag(logo: &Logo) -> String {
    let mut hasher = DefaultHasher::new();
    logo.content.bytes().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

//! `GET /` and the page's assets, from the binary itself.

use protocol::connection::ResponseBody;
use protocol::http1::{Method, Request, ResponseHead};

use crate::server::assets::{self, Asset};
use crate::server::host::Host;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::roles::EndpointGroup;
use crate::server::scheme::Scheme;
use crate::server::visitor::Visitor;

/// The asset at the path, in the encoding that the browser prefers; `None` when there is none, or this role serves no page.
#[must_use]
pub fn page(node: &Node, visitor: &Visitor, request: &Request) -> Option<Reply> {
    if !node.serves(EndpointGroup::Page) {
        return None;
    }
    let encodings = request.header("accept-encoding").unwrap_or_default();
    let asset = assets::find(request.path(), encodings, request.header("if-none-match"))?;
    Some(match request.method() {
        Method::Get | Method::Head => reply(node, visitor, request, &asset),
        _ => Reply::method_not_allowed(&[Method::Get]),
    })
}

fn reply(node: &Node, visitor: &Visitor, request: &Request, asset: &Asset) -> Reply {
    let head = ResponseHead::new(asset.status)
        .field("ETag", asset.etag.clone())
        .field("Cache-Control", asset.cache_control)
        .field("Vary", "Accept-Encoding")
        .field("X-Content-Type-Options", "nosniff")
        .field("Referrer-Policy", "no-referrer")
        // Both together isolate the page, which gives its workers fine timers.
        .field("Cross-Origin-Opener-Policy", "same-origin")
        .field("Cross-Origin-Embedder-Policy", "require-corp")
        .field("Cross-Origin-Resource-Policy", "same-origin");
    let scheme = node.scheme(visitor);
    let policy = request.host().and_then(Host::parse).and_then(|host| {
        let mut ports = node.ports();
        // Behind a proxy the page's own port may be none of the node's.
        let own = host.port.unwrap_or(scheme.default_port());
        if !ports.contains(&own) {
            ports.push(own);
        }
        assets::content_security_policy(host.name, &ports, scheme == Scheme::Tls)
    });
    let head = match policy {
        Some(policy) => head.field("Content-Security-Policy", policy),
        // A Host field that can't be used gives a page that may load itself and connect to nothing else.
        None => head.field(
            "Content-Security-Policy",
            "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    };
    let head = match asset.encoding {
        Some(encoding) => head.field("Content-Encoding", encoding),
        None => head,
    };
    if asset.status == 304 {
        return Reply {
            head,
            body: ResponseBody::Empty,
        };
    }
    Reply {
        head: head.field("Content-Type", asset.content_type),
        body: ResponseBody::Static(asset.body),
    }
}

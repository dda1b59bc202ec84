//! `GET /` and the page's assets, from the binary itself.

use protocol::connection::ResponseBody;
use protocol::http1::{Method, Request, ResponseHead};

use crate::server::assets::{self, Asset};
use crate::server::host::Host;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::roles::EndpointGroup;
use crate::server::scheme::Scheme;

/// The asset at the path, in the encoding that the browser prefers; `None` when there is none, or this role serves no page.
#[must_use]
pub fn page(node: &Node, request: &Request) -> Option<Reply> {
    if !node.serves(EndpointGroup::Page) {
        return None;
    }
    let encodings = request.header("accept-encoding").unwrap_or_default();
    let asset = assets::find(request.path(), encodings, request.header("if-none-match"))?;
    Some(match request.method() {
        Method::Get | Method::Head => reply(node, request, &asset),
        _ => Reply::method_not_allowed(&[Method::Get]),
    })
}

fn reply(node: &Node, request: &Request, asset: &Asset) -> Reply {
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
    let is_tls = node.scheme() == Scheme::Tls;
    let policy = request
        .host()
        .and_then(Host::parse)
        .and_then(|host| assets::content_security_policy(host.name, &node.ports(), is_tls));
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

//! The endpoint table: a path, the roles that serve it, its methods, and the function that answers. A new endpoint is one
//! file and one row here.

pub mod branding;
pub mod bulk;
pub mod download;
pub mod health;
pub mod household;
pub mod metrics;
pub mod page;
pub mod ping;
pub mod probe;
pub mod profile;
pub mod redirect;
pub mod status;
pub mod tests;
pub mod upload;

use protocol::connection::{BinarySink, WebSocketOptions};
use protocol::http1::{Method, Request};

use super::forwarded::forwarded;
use super::node::Node;
use super::refusal::FlowRefusal;
use super::reply::Reply;
use super::roles::EndpointGroup;
use super::visitor::Visitor;
use crate::runtime::application::Context;

/// Browsers come back by HTTPS alone for a year (RFC 6797); those that were warned of the certificate ignore it.
const STRICT_TRANSPORT_SECURITY: &str = "Strict-Transport-Security";

/// What a handler did with its request.
#[derive(Debug)]
pub enum Answer {
    /// This is the answer.
    Reply(Reply),
    /// The handler has begun to answer, or waits for the body.
    Taken,
}

/// Why a WebSocket does not open.
#[derive(Debug)]
pub enum OpenFault {
    /// The request itself is at fault: it's answered as any other.
    Request(Reply),
    /// The node refuses: the WebSocket opens and closes at once with a code, for that is all that a page gets to see.
    Refused(FlowRefusal),
}

/// The parts of a path that a pattern leaves open, in their order.
pub type Parameters<'a> = Vec<&'a str>;

type HttpHandler =
    fn(&mut Node, &mut Context<'_>, &mut Visitor, &Request, &Parameters<'_>) -> Answer;
type WebSocketOpener = fn(
    &mut Node,
    &mut Context<'_>,
    &mut Visitor,
    &Request,
    &Parameters<'_>,
) -> Result<WebSocketOptions, OpenFault>;
type WebSocketOpened = fn(&mut Node, &mut Context<'_>, &mut Visitor);

/// One row of the table.
struct Endpoint {
    /// Segments; `{}` stands for any one.
    path: &'static str,
    group: EndpointGroup,
    service: Service,
}

enum Service {
    Http(&'static [(Method, HttpHandler)]),
    /// What a path that upgrades to a WebSocket answers when it isn't asked to; stands before that row.
    HttpUnlessUpgrade(&'static [(Method, HttpHandler)]),
    /// Decides on the handshake, then begins.
    WebSocket(WebSocketOpener, WebSocketOpened),
}

const ENDPOINTS: &[Endpoint] = &[
    http("/ping", EndpointGroup::Ping, &[(Method::Get, ping::ping)]),
    http(
        "/warmup",
        EndpointGroup::Bulk,
        &[(Method::Get, ping::warmup)],
    ),
    http(
        "/download",
        EndpointGroup::Bulk,
        &[(Method::Get, download::download)],
    ),
    http(
        "/upload",
        EndpointGroup::Bulk,
        &[
            (Method::Post, upload::upload),
            (Method::Put, upload::upload),
        ],
    ),
    web_socket(
        "/ws/bulk-download",
        EndpointGroup::Bulk,
        bulk::open_download,
        bulk::begin_download,
    ),
    web_socket(
        "/ws/bulk-upload",
        EndpointGroup::Bulk,
        bulk::open_upload,
        bulk::begin_upload,
    ),
    web_socket("/ws/ping", EndpointGroup::Ping, probe::open, probe::begin),
    Endpoint {
        path: "/ws/virtual-household/{}",
        group: EndpointGroup::Household,
        service: Service::HttpUnlessUpgrade(&[(Method::Get, household::redirect)]),
    },
    web_socket(
        "/ws/virtual-household/{}",
        EndpointGroup::Profile,
        profile::open,
        profile::begin,
    ),
    http(
        "/virtual-household/profiles",
        EndpointGroup::Household,
        &[(Method::Get, household::profiles)],
    ),
    http(
        "/virtual-household/health",
        EndpointGroup::Household,
        &[(Method::Get, household::health)],
    ),
    http(
        "/virtual-household/stats",
        EndpointGroup::Status,
        &[(Method::Get, status::stats)],
    ),
    http(
        "/virtual-household/process-health",
        EndpointGroup::Status,
        &[(Method::Get, status::process_health)],
    ),
    http(
        "/metrics",
        EndpointGroup::Status,
        &[(Method::Get, metrics::metrics)],
    ),
    http(
        "/health",
        EndpointGroup::Health,
        &[(Method::Get, health::health)],
    ),
    http(
        "/api/branding",
        EndpointGroup::Page,
        &[(Method::Get, branding::branding)],
    ),
    http(
        branding::LOGO_PATH,
        EndpointGroup::Page,
        &[(Method::Get, branding::logo)],
    ),
    http(
        "/api/tests",
        EndpointGroup::Api,
        &[(Method::Post, tests::create)],
    ),
    http(
        "/api/tests/{}",
        EndpointGroup::Api,
        &[(Method::Get, tests::status), (Method::Delete, tests::end)],
    ),
    http(
        "/api/tests/{}/report",
        EndpointGroup::Api,
        &[(Method::Post, tests::report)],
    ),
];

const fn http(
    path: &'static str,
    group: EndpointGroup,
    methods: &'static [(Method, HttpHandler)],
) -> Endpoint {
    Endpoint {
        path,
        group,
        service: Service::Http(methods),
    }
}

const fn web_socket(
    path: &'static str,
    group: EndpointGroup,
    open: WebSocketOpener,
    begin: WebSocketOpened,
) -> Endpoint {
    Endpoint {
        path,
        group,
        service: Service::WebSocket(open, begin),
    }
}

/// Answers a request, or begins to.
pub fn route(node: &mut Node, context: &mut Context<'_>, visitor: &mut Visitor, request: &Request) {
    visitor.origin = request.header("origin").map(str::to_owned);
    let proxies = &node.config().proxies;
    if !proxies.trusted.is_empty() {
        let found = forwarded(proxies, context.peer.ip(), request);
        visitor.set_client(found.client);
        visitor.is_https = found.is_https;
    }
    let path = request.path();
    let is_upgrade = request.header("upgrade").is_some();
    let found = ENDPOINTS
        .iter()
        .filter(|endpoint| node.serves(endpoint.group))
        .filter(|endpoint| match endpoint.service {
            Service::HttpUnlessUpgrade(_) => !is_upgrade,
            Service::Http(_) | Service::WebSocket(..) => true,
        })
        .find_map(|endpoint| {
            parameters(endpoint.path, path).map(|parameters| (endpoint, parameters))
        });
    let answer = match found {
        None if node.serves(EndpointGroup::Redirect) => {
            Answer::Reply(redirect::to_https(node, request))
        }
        None => Answer::Reply(
            page::page(node, visitor, request)
                .unwrap_or_else(|| node.test_reply(visitor, not_found())),
        ),
        Some((endpoint, parameters)) => match endpoint.service {
            Service::Http(methods) | Service::HttpUnlessUpgrade(methods) => {
                match call(node, context, visitor, request, &parameters, methods) {
                    Answer::Reply(reply) if endpoint.group == EndpointGroup::Status => {
                        Answer::Reply(reply.for_administration())
                    }
                    // For the page alone: each says itself how long it may be kept.
                    Answer::Reply(reply) if endpoint.group == EndpointGroup::Page => {
                        Answer::Reply(reply)
                    }
                    Answer::Reply(reply) => Answer::Reply(node.test_reply(visitor, reply)),
                    Answer::Taken => Answer::Taken,
                }
            }
            Service::WebSocket(open, begin) => {
                match upgrade(node, context, visitor, request, &parameters, open) {
                    Ok(options) => {
                        accept(context, options, |context| begin(node, context, visitor))
                    }
                    Err(OpenFault::Refused(refusal)) => {
                        let options = WebSocketOptions {
                            binary: BinarySink::Discard,
                            extra_fields: Vec::new(),
                        };
                        let (code, reason) = refusal.close();
                        accept(context, options, |context| {
                            context.connection.close(context.now, code, reason);
                        })
                    }
                    Err(OpenFault::Request(reply)) => {
                        Answer::Reply(node.test_reply(visitor, reply))
                    }
                }
            }
        },
    };
    if let Answer::Reply(reply) = answer {
        let reply = if node.speaks_tls() {
            reply.with(STRICT_TRANSPORT_SECURITY, "max-age=31536000")
        } else {
            reply
        };
        // A request is pending, or the handler would have said `Taken`.
        let _ = context
            .connection
            .respond(context.now, reply.head, reply.body);
    }
}

fn accept(
    context: &mut Context<'_>,
    options: WebSocketOptions,
    begin: impl FnOnce(&mut Context<'_>),
) -> Answer {
    // The upgrade was checked: the connection is in the state that this needs.
    if context
        .connection
        .accept_websocket(context.now, options)
        .is_ok()
    {
        begin(context);
    }
    Answer::Taken
}

fn call(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
    methods: &'static [(Method, HttpHandler)],
) -> Answer {
    let wanted = match request.method() {
        Method::Head => Method::Get,
        method => method,
    };
    if let Some((_, handler)) = methods.iter().find(|(method, _)| *method == wanted) {
        return handler(node, context, visitor, request, parameters);
    }
    let methods: Vec<Method> = methods.iter().map(|(method, _)| *method).collect();
    Answer::Reply(match request.method() {
        Method::Options => Reply::preflight(&methods),
        _ => Reply::method_not_allowed(&methods),
    })
}

fn upgrade(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
    open: WebSocketOpener,
) -> Result<WebSocketOptions, OpenFault> {
    match request.method() {
        Method::Get | Method::Head => {}
        Method::Options => return Err(OpenFault::Request(Reply::preflight(&[Method::Get]))),
        _ => {
            return Err(OpenFault::Request(Reply::method_not_allowed(&[
                Method::Get,
            ])));
        }
    }
    if let Err(fault) = request.websocket_upgrade() {
        let (head, body) = fault.reply();
        return Err(OpenFault::Request(Reply { head, body }));
    }
    open(node, context, visitor, request, parameters)
}

fn not_found() -> Reply {
    Reply::error(
        404,
        "not_found",
        "there is nothing at this path; see the README for the endpoints",
    )
}

/// The open segments of `path` if it matches `pattern`.
fn parameters<'a>(pattern: &str, path: &'a str) -> Option<Parameters<'a>> {
    let mut open = Vec::new();
    let mut expected = pattern.split('/');
    let mut actual = path.split('/');
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return Some(open),
            (Some("{}"), Some(segment)) if !segment.is_empty() => open.push(segment),
            (Some(expected), Some(actual)) if expected == actual => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod path_tests {
    use super::*;

    #[test]
    fn an_open_segment_matches_any_one_segment() {
        assert_eq!(
            parameters("/api/tests/{}/report", "/api/tests/ab/report"),
            Some(vec!["ab"])
        );
        assert_eq!(parameters("/api/tests/{}", "/api/tests/"), None);
        assert_eq!(parameters("/api/tests/{}", "/api/tests/a/b"), None);
        assert_eq!(parameters("/ping", "/ping"), Some(vec![]));
        assert_eq!(parameters("/ping", "/ping/"), None);
    }
}

//! The node's HTTP interface as the client uses it: admission, report, end. Nothing is tried twice here.

use std::time::Duration;

use engine::runtime::tls::Trust;
use protocol::http1::Method;
use protocol::message::branding::Branding;
use protocol::message::error::ErrorReply;
use protocol::message::report::Report;
use protocol::message::samples::TestSamples;
use protocol::message::test::{ClientDescription, Mode, TestAdmission, TestRequest};
use serde::de::DeserializeOwned;

use crate::address::{Family, NodeUrl, Route, Site};
use crate::fault::Fault;
use crate::harmless;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::request::{Answer, NoAnswer, Request};

/// How long one of a node's addresses may take to answer a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// An answer must be whole within this,
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// and so much later for each byte of the request: a household's samples are 3 MB, and an uplink may have 0.5 Mbit/s.
const BYTE_LIMIT: Duration = Duration::from_micros(16);

/// What nobody would miss must come within this.
const OPTIONAL_LIMIT: Duration = Duration::from_secs(2);

/// This program, as nodes and reports know it.
#[must_use]
pub fn client_description() -> ClientDescription {
    ClientDescription {
        name: "terminal".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Which node, and how to reach it.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The node.
    pub url: NodeUrl,
    /// The addresses that may be used.
    pub family: Family,
    /// From which of this machine's addresses.
    pub local: Option<std::net::IpAddr>,
    /// Whether an `https` node may show any certificate at all.
    pub is_insecure: bool,
}

/// Runs a test that the node admits; unless it ends with a whole result, the node is told that it is over.
///
/// # Errors
/// The node does not answer, or refuses; whatever keeps the test from a result.
pub(crate) fn with_test(
    reach: &Reach,
    mode: Mode,
    interrupt: &Interrupt,
    run: impl FnOnce(&Site, &TestAdmission) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    let (site, admission) = admit(reach, mode, interrupt)?;
    // Before anything is measured, so that it disturbs nothing. An older node does not know the question.
    let route = site.path("/api/branding");
    let branding = call_within(OPTIONAL_LIMIT, route, Method::Get, None, None, interrupt);
    let sponsor = branding
        .ok()
        .and_then(|branding: Branding| branding.sponsor);
    let result = run(&site, &admission).map(|outcome| Outcome { sponsor, ..outcome });
    if !matches!(&result, Ok(Outcome { partial: None, .. })) {
        // It may be gone, or know already.
        let _ = end(&site, &admission);
    }
    result
}

/// Asks the node to admit a test, at the first of its addresses that answers.
///
/// # Errors
/// None answers, or the node refuses.
pub fn admit(
    reach: &Reach,
    mode: Mode,
    interrupt: &Interrupt,
) -> Result<(Site, TestAdmission), Fault> {
    let request = TestRequest {
        mode,
        client: client_description(),
    };
    let body = json(&request)?;
    at_first_site(reach, |site| {
        call(
            site.path("/api/tests"),
            Method::Post,
            None,
            Some(body.clone()),
            interrupt,
        )
    })
}

/// Gets a resource of the main role, at the first of the node's addresses that answers.
///
/// # Errors
/// None answers, or the node refuses.
pub fn get<T: DeserializeOwned>(
    site: &Site,
    path: &str,
    interrupt: &Interrupt,
) -> Result<T, Fault> {
    call(site.path(path), Method::Get, None, None, interrupt)
}

/// Hands the samples in; the report comes back.
///
/// # Errors
/// The node does not answer, or does not take them.
pub fn report(
    site: &Site,
    admission: &TestAdmission,
    samples: &TestSamples,
    interrupt: &Interrupt,
) -> Result<Report, Fault> {
    let route = site.route(&admission.endpoints.report)?;
    let bearer = Some(admission.token.clone());
    call(route, Method::Post, bearer, Some(json(samples)?), interrupt)
}

/// Ends the test at the node.
///
/// # Errors
/// The node does not answer; then the test ends there by its age.
pub fn end(site: &Site, admission: &TestAdmission) -> Result<(), Fault> {
    let route = site.route(&admission.endpoints.test)?;
    let bearer = Some(admission.token.clone());
    let _: serde_json::Value = call(route, Method::Delete, bearer, None, &Interrupt::default())?;
    Ok(())
}

/// The first of a node's addresses that a connection comes about with, and what was answered there.
pub(crate) fn at_first_site<T>(
    reach: &Reach,
    mut ask: impl FnMut(&Site) -> Result<T, Fault>,
) -> Result<(Site, T), Fault> {
    let trust = if reach.is_insecure {
        Trust::Anybody
    } else {
        Trust::System
    };
    let sites = reach.url.sites(reach.family, reach.local, trust)?;
    let mut last = Fault::NoAnswer(format!("{} has no address", reach.url.text()));
    for site in sites {
        match ask(&site) {
            Ok(answer) => return Ok((site, answer)),
            Err(fault @ Fault::NoAnswer(_)) => last = fault,
            Err(fault) => return Err(fault),
        }
    }
    Err(last)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|error| Fault::System(error.to_string()))
}

fn call<T: DeserializeOwned>(
    route: Route,
    method: Method,
    bearer: Option<String>,
    body: Option<Vec<u8>>,
    interrupt: &Interrupt,
) -> Result<T, Fault> {
    let body_bytes = body.as_ref().map_or(0, Vec::len);
    let body_limit = BYTE_LIMIT * u32::try_from(body_bytes).unwrap_or(u32::MAX);
    let limit = REQUEST_LIMIT + body_limit;
    call_within(limit, route, method, bearer, body, interrupt)
}

fn call_within<T: DeserializeOwned>(
    limit: Duration,
    route: Route,
    method: Method,
    bearer: Option<String>,
    body: Option<Vec<u8>>,
    interrupt: &Interrupt,
) -> Result<T, Fault> {
    let place = format!("{} ({})", route.host, route.peer);
    let other = match route.connector {
        Some(_) => "http",
        None => "https",
    };
    let request = Request {
        route,
        method,
        bearer,
        body,
        connect_limit: CONNECT_LIMIT.min(limit),
        limit,
    };
    match request.send(interrupt) {
        Ok(answer) => read(&place, &answer),
        Err(NoAnswer::Interrupted) => Err(Fault::Interrupted),
        Err(NoAnswer::System(error)) => Err(Fault::System(format!("no event loop: {error}"))),
        Err(NoAnswer::Unconnected(why)) => Err(Fault::NoAnswer(format!(
            "no node answers at {place}: {why}"
        ))),
        Err(NoAnswer::TimedOut) => Err(Fault::NoAnswer(format!(
            "no node answers at {place}: nothing came in time"
        ))),
        Err(NoAnswer::Closed) => Err(Fault::NoAnswer(format!(
            "{place} closed the connection without a whole answer; is it a node, or should it be {other}://?"
        ))),
    }
}

fn read<T: DeserializeOwned>(place: &str, answer: &Answer) -> Result<T, Fault> {
    if (200..300).contains(&answer.status) {
        return harmless::document(&answer.body).map_err(|_| {
            Fault::Unexpected(format!(
                "{place} is no node of this version: its answer is not what was asked for"
            ))
        });
    }
    let Ok(ErrorReply { error }) = harmless::document(&answer.body) else {
        return Err(Fault::Unexpected(format!(
            "{place} is no node: it answers with status {}",
            answer.status
        )));
    };
    if matches!(answer.status, 429 | 503) {
        Err(Fault::Refused {
            message: error.message,
            retry_after_s: error.retry_after_s.or(answer.retry_after_s),
            queue_position: error.queue_position,
        })
    } else {
        Err(Fault::Unexpected(format!(
            "{place} answers: {}",
            error.message
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after_s: Some(9),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let body = r#"{"error":{"code":"node_full","message":"full","retry_after_s":3,"queue_position":2}}"#;
        let fault = read::<u32>("n", &answer(503, body)).expect_err("a refusal");
        assert_eq!(
            fault.to_string(),
            "the node refuses: full; place 2 in the queue; try again in 3 s"
        );
        let body = r#"{"error":{"code":"address_full","message":"full"}}"#;
        let fault = read::<u32>("n", &answer(429, body)).expect_err("a refusal");
        assert!(matches!(
            fault,
            Fault::Refused {
                retry_after_s: Some(9),
                ..
            }
        ));
    }

    #[test]
    fn what_is_no_node_is_told_apart() {
        assert!(matches!(
            read::<u32>("n", &answer(404, "<html>")),
            Err(Fault::Unexpected(_))
        ));
        assert!(matches!(
            read::<u32>("n", &answer(200, "<html>")),
            Err(Fault::Unexpected(_))
        ));
        assert_eq!(read::<u32>("n", &answer(201, "7")), Ok(7));
    }
}

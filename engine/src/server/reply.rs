//! Answers to requests: JSON, text and errors, with the fields that every answer carries.

use std::borrow::Cow;

use protocol::connection::ResponseBody;
use protocol::http1::{Method, ResponseHead};
use protocol::message::error::{ErrorDetail, ErrorReply};
use serde::Serialize;

use super::config::CorsOrigins;

/// A head and a body, ready for the connection.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status and fields.
    pub head: ResponseHead,
    /// The body.
    pub body: ResponseBody,
}

impl Reply {
    /// A reply of that status without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            head: ResponseHead::new(status),
            body: ResponseBody::Empty,
        }
    }

    /// Plain text.
    #[must_use]
    pub fn text(status: u16, text: &'static str) -> Self {
        Self {
            head: ResponseHead::new(status).field("Content-Type", "text/plain; charset=utf-8"),
            body: ResponseBody::Static(text.as_bytes()),
        }
    }

    /// JSON.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // The message types have string keys and finite numbers only: they always serialise.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self {
            head: ResponseHead::new(status).field("Content-Type", "application/json"),
            body: ResponseBody::Owned(body),
        }
    }

    /// The error of the wire protocol: a stable `code`, and what happened, why, and what to do.
    #[must_use]
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::error_detail(
            status,
            ErrorDetail {
                code: code.to_owned(),
                message: message.into(),
                retry_after_s: None,
                queue_position: None,
            },
        )
    }

    /// An error with all its details; `retry_after_s` becomes a `Retry-After` too.
    #[must_use]
    pub fn error_detail(status: u16, error: ErrorDetail) -> Self {
        let retry_after_s = error.retry_after_s;
        let reply = Self::json(status, &ErrorReply { error });
        match retry_after_s {
            Some(seconds) => reply.with("Retry-After", seconds.to_string()),
            None => reply,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.head = self.head.field(name, value);
        self
    }

    /// The fields of a test endpoint: never stored or altered on the way, timed and read by the pages that may.
    #[must_use]
    pub fn for_test(self, origin: Option<&str>, origins: &CorsOrigins) -> Self {
        self.with("Cache-Control", "no-store, no-transform")
            .with("X-Content-Type-Options", "nosniff")
            .with("Timing-Allow-Origin", "*")
            .with("Cross-Origin-Resource-Policy", "cross-origin")
            .with_cors(origin, origins)
    }

    /// The fields of an endpoint for the node's operator: never stored, and not to be read by pages of other origins.
    #[must_use]
    pub fn for_administration(self) -> Self {
        self.with("Cache-Control", "no-store")
            .with("X-Content-Type-Options", "nosniff")
            .with("Cross-Origin-Resource-Policy", "same-origin")
    }

    fn with_cors(self, origin: Option<&str>, origins: &CorsOrigins) -> Self {
        match origins {
            CorsOrigins::Any => self.with("Access-Control-Allow-Origin", "*"),
            CorsOrigins::Listed(allowed) => {
                let reply = self.with("Vary", "Origin");
                match origin {
                    Some(origin) if allowed.iter().any(|allowed| allowed == origin) => {
                        reply.with("Access-Control-Allow-Origin", origin.to_owned())
                    }
                    _ => reply,
                }
            }
        }
    }

    /// The answer to a preflight: cacheable for a day, so that there is one.
    #[must_use]
    pub fn preflight(methods: &[Method]) -> Self {
        Self::empty(204)
            .with("Allow", allow(methods))
            .with("Access-Control-Allow-Methods", allow(methods))
            .with(
                "Access-Control-Allow-Headers",
                "authorization, content-type",
            )
            .with("Access-Control-Max-Age", "86400")
    }

    /// 405, with the methods that are allowed.
    #[must_use]
    pub fn method_not_allowed(methods: &[Method]) -> Self {
        let allowed = allow(methods);
        Self::error(
            405,
            "method_not_allowed",
            format!("this endpoint takes {allowed}"),
        )
        .with("Allow", allowed)
    }
}

/// `GET` brings `HEAD`, and everything brings `OPTIONS`.
fn allow(methods: &[Method]) -> String {
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if methods.contains(&Method::Get) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

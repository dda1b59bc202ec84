//! What the node keeps for each connection: who it is and what it is doing.

use std::net::IpAddr;

use protocol::time::Instant;

use super::endpoints::bulk::BulkUpload;
use super::endpoints::probe::ProbeSession;
use super::flow::LoadFlow;
use super::identity::address_key;
use super::profile_session::ProfileSession;
use super::scoreboard::{Closed, TestId};

/// One connection's session.
#[derive(Debug)]
pub struct Visitor {
    /// For the limits; see [`address_key`].
    pub address: u64,
    /// Whose request it is: the peer, or the client that a trusted proxy names.
    pub client: IpAddr,
    /// Whether the client used https, where a trusted proxy says so.
    pub is_https: Option<bool>,
    /// What it is doing.
    pub activity: Activity,
    /// The site whose page makes the current request, where that decides on an answer.
    pub origin: Option<String>,
    /// Why the node ended it, where the connection itself can't know.
    pub ended_as: Option<Closed>,
}

/// What a connection is doing.
#[derive(Debug)]
pub enum Activity {
    /// Between two requests, or answering a small one.
    Idle,
    /// `GET /download`.
    Download(LoadFlow),
    /// `POST /upload`.
    Upload(LoadFlow),
    /// `/ws/bulk-download`.
    BulkDownload(LoadFlow),
    /// `/ws/bulk-upload`.
    BulkUpload(BulkUpload),
    /// `/ws/ping`.
    Probe(Box<ProbeSession>),
    /// `/ws/virtual-household/{user_id}`.
    Profile(Box<ProfileSession>),
    /// Collecting the body of an API request.
    Collecting(Collected),
    /// A WebSocket that was told to close.
    Closing,
}

/// Which API request's body is being collected.
#[derive(Clone, Debug)]
pub enum Collected {
    /// `POST /api/tests`, with the host that the client used.
    TestRequest {
        /// The Host field, to build URLs with.
        host: String,
    },
    /// `POST /api/tests/{id}/report`; the token was right.
    Report {
        /// Whose report.
        test: TestId,
    },
}

impl Visitor {
    /// A peer that has just connected.
    #[must_use]
    pub fn new(peer: IpAddr) -> Self {
        Self {
            address: address_key(peer),
            client: peer,
            is_https: None,
            activity: Activity::Idle,
            origin: None,
            ended_as: None,
        }
    }

    /// It speaks for this client now.
    pub fn set_client(&mut self, client: IpAddr) {
        self.address = address_key(client);
        self.client = client;
    }

    /// When it wants the loop's attention.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.activity {
            Activity::Idle | Activity::Collecting(_) | Activity::Closing => None,
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                Some(flow.next_sample())
            }
            Activity::BulkUpload(upload) => Some(upload.flow.next_sample()),
            Activity::Probe(probe) => Some(probe.next_due()),
            Activity::Profile(session) => Some(session.next_due()),
        }
    }
}

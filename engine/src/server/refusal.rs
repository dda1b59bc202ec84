//! Why a flow or a probe connection isn't let in, as an HTTP answer and as a WebSocket's close.

use protocol::message::error::ErrorDetail;

use super::close_code;
use super::reply::Reply;

/// A flow that finds the node full is asked to wait this long: about a tenth of a test.
const FLOW_RETRY_AFTER_S: u32 = 5;

/// Why a flow or a probe connection isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowRefusal {
    /// The test that it names isn't there or is over.
    TestUnknown,
    /// The test has as many as it may.
    TestFull,
    /// The address has as many as it may, without a test.
    AddressFull,
    /// The node has as many as it may.
    NodeFull,
    /// This process has as many profile sessions as it may.
    ProcessFull,
}

impl FlowRefusal {
    fn message(self) -> &'static str {
        match self {
            Self::TestUnknown => "there is no such test, or it has ended; start a new one",
            Self::TestFull => "this test has as many flows open as it may; close some",
            Self::AddressFull => "your address has as many flows open as it may; close some",
            Self::ProcessFull => {
                "this process serves as many sessions as it may; ask the main port where to go"
            }
            Self::NodeFull => "this node has as many flows open as it may; try again shortly",
        }
    }

    /// As an HTTP answer.
    #[must_use]
    pub fn reply(self) -> Reply {
        match self {
            Self::TestUnknown => Reply::error(404, "test_unknown", self.message()),
            Self::TestFull | Self::AddressFull => {
                Reply::error(429, "too_many_flows", self.message())
            }
            Self::NodeFull | Self::ProcessFull => Reply::error_detail(
                503,
                ErrorDetail {
                    code: "node_full".to_owned(),
                    message: self.message().to_owned(),
                    retry_after_s: Some(FLOW_RETRY_AFTER_S),
                    queue_position: None,
                },
            ),
        }
    }

    /// As a WebSocket's close code and reason.
    #[must_use]
    pub fn close(self) -> (u16, &'static str) {
        match self {
            Self::TestUnknown => (close_code::POLICY_VIOLATION, self.message()),
            Self::TestFull | Self::AddressFull | Self::NodeFull | Self::ProcessFull => {
                (close_code::TRY_AGAIN_LATER, self.message())
            }
        }
    }
}

//! The TCP congestion control of what is sent: one that fills a queue shows what most senders do.

use engine::runtime::application::Context;
use socket2::SockRef;

/// What the user reads where the kernel lacks what was asked for.
pub(crate) const OTHER_CONGESTION_CONTROL: &str =
    "this machine lacks the congestion control that the uploads were to have; its own was used";

/// Gives the connection the congestion control of that name, where one is named; whether it has it.
pub(crate) fn set_congestion_control(context: &Context<'_>, name: Option<&str>) -> bool {
    let socket = context.socket();
    name.is_none_or(|name| {
        SockRef::from(&socket)
            .set_tcp_congestion(name.as_bytes())
            .is_ok()
    })
}

//! The engine on the `zeromq` crate. Nothing else in this workspace's libraries
//! touches that crate.

mod dealer;
mod queue;
mod router;

pub(crate) use dealer::open_mailbox;
pub(crate) use router::{inbox_limits, serve_inbox};

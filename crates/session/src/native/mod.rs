//! This crate's own link engine.

use std::io;
use std::sync::Arc;

use crate::CloseReason;
use crate::engine::{Dial, Seat, Server};
use crate::mailbox::Outlet;
use crate::queue::Queue;

pub(crate) async fn serve(seat: Seat) -> io::Result<Server> {
    drop(seat);
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn dial(dial: Dial) -> Arc<dyn Outlet> {
    let queue = Queue::new(dial.limits, dial.budget, dial.report);
    queue.end(CloseReason::Io(io::ErrorKind::Unsupported.to_string()));
    queue
}

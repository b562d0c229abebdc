//! Reading events.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::mem::MaybeUninit;
use std::time::Instant;

use crate::error::{Error, call, place};
use crate::event::Event;
use crate::node::{NODES, Node, timeout};
use crate::output::give;

/// Waits for the next event, which the caller frees with zre_event_destroy(). A time of 0
/// doesn't wait, and a negative one is for ever.
///
/// Read events all the time: if 16 MiB of them wait (setting "event_queue_bytes"), the
/// peers are held back. Several threads may read: each event goes to one of them.
///
/// Fails if none comes in time (ZRE_ERROR_ELAPSED), and once the node has stopped and all
/// events are read (ZRE_ERROR_STOPPED). The pointer is NULL then.
#[unsafe(no_mangle)]
pub extern "C" fn zre_events_recv(
    node: *mut Node,
    timeout_ms: i64,
    event: Option<&mut MaybeUninit<Option<Box<Event>>>>,
) -> Error {
    give(event, || {
        let node = NODES.find(node)?;
        // None if a clock can't tell it.
        let deadline = match timeout_ms {
            0.. => Instant::now().checked_add(timeout(timeout_ms)),
            _ => None,
        };
        Ok(Event::new(node.next(deadline)?))
    })
}

/// A file descriptor to poll beside others, always the same. It is readable while an event
/// may be there, and for ever once the node has stopped. Then call zre_events_recv() with a
/// time of 0: until it fails with ZRE_ERROR_ELAPSED, or once, as you like, because the
/// descriptor stays readable until there are no more (level-triggered). Seldom, it is
/// readable and no event is there.
///
/// Only poll it: don't read, write or close it. It is closed by zre_node_destroy().
///
/// Fails if the system has no descriptor left (ZRE_ERROR_SYSTEM), and on Windows
/// (ZRE_ERROR_UNSUPPORTED).
#[unsafe(no_mangle)]
pub extern "C" fn zre_events_fd(
    node: *const Node,
    descriptor: Option<&mut MaybeUninit<i32>>,
) -> Error {
    call(|| {
        let place = place(descriptor)?;
        place.write(-1);
        place.write(NODES.find(node)?.descriptor()?);
        Ok(())
    })
}

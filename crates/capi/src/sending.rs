//! Messages to peers.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::mem::MaybeUninit;

use crate::error::{Error, Outcome, call};
use crate::input::{FrameList, Text};
use crate::message::Message;
use crate::node::{NODES, Node, timeout};
use crate::output::give;

/// Sends a message of `count` frames, which are copied, to a peer: its UUID (with or without
/// hyphens), or a name that only one peer has. If the queue to it is full, the setting
/// "send_policy" decides; by default the call waits up to 10 s.
///
/// Fails if no such peer is here (ZRE_ERROR_UNKNOWN_PEER) or several have the name
/// (ZRE_ERROR_AMBIGUOUS_PEER), it has gone (ZRE_ERROR_GONE), the queue has no room
/// (ZRE_ERROR_FULL), the message exceeds a limit (ZRE_ERROR_TOO_LARGE), or the node has
/// stopped (ZRE_ERROR_STOPPED). Nothing was sent then.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_whisper(
    node: *mut Node,
    peer: Text,
    frames: FrameList,
    count: usize,
) -> Error {
    send(node, frames, count, |node, message| {
        Ok(node.whisper(peer.needed("the peer")?, message)?)
    })
}

/// The same, but never waits: a full queue is ZRE_ERROR_FULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_try_whisper(
    node: *mut Node,
    peer: Text,
    frames: FrameList,
    count: usize,
) -> Error {
    send(node, frames, count, |node, message| {
        Ok(node.try_whisper(peer.needed("the peer")?, message)?)
    })
}

/// Sends a message to every peer in a group; this node needn't be in it. If the queue to
/// a peer is full, the setting "send_policy" decides. A peer whose queue has no room
/// misses the message and is no failure: `accepted`, unless it is NULL, gets the number of
/// peers for which the message was accepted, which may be 0.
///
/// Fails if the group's name is too long (ZRE_ERROR_LIMIT), the message exceeds a limit
/// (ZRE_ERROR_TOO_LARGE), or the node has stopped (ZRE_ERROR_STOPPED).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_shout(
    node: *mut Node,
    group: Text,
    frames: FrameList,
    count: usize,
    accepted: Option<&mut MaybeUninit<usize>>,
) -> Error {
    send(node, frames, count, |node, message| {
        let shouted = node.shout(group.needed("the group")?, message)?;
        tell(accepted, &shouted);
        Ok(())
    })
}

/// The same, but never waits: peers whose queues are full miss the message.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_try_shout(
    node: *mut Node,
    group: Text,
    frames: FrameList,
    count: usize,
    accepted: Option<&mut MaybeUninit<usize>>,
) -> Error {
    send(node, frames, count, |node, message| {
        let shouted = node.try_shout(group.needed("the group")?, message)?;
        tell(accepted, &shouted);
        Ok(())
    })
}

/// Sends a message that is for a group to one member of it.
///
/// Fails as zre_node_whisper().
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_shout_to(
    node: *mut Node,
    peer: Text,
    group: Text,
    frames: FrameList,
    count: usize,
) -> Error {
    send(node, frames, count, |node, message| {
        let (peer, group) = (peer.needed("the peer")?, group.needed("the group")?);
        Ok(node.shout_to(peer, group, message)?)
    })
}

/// Measures the round trip to a peer. `microseconds` may be NULL.
///
/// Fails as zre_node_whisper(), and if no answer comes in time (ZRE_ERROR_ELAPSED) or 32
/// pings to the peer aren't answered (ZRE_ERROR_TOO_MANY).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_ping(
    node: *mut Node,
    peer: Text,
    timeout_ms: i64,
    microseconds: Option<&mut MaybeUninit<u64>>,
) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let took = node
            .node
            .ping(peer.needed("the peer")?, timeout(timeout_ms))?;
        if let Some(place) = microseconds {
            place.write(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        Ok(())
    })
}

/// Sends a request to a peer and waits for the answer, which the caller frees with
/// zre_message_destroy().
///
/// Fails as zre_node_whisper(), and if no answer comes in time (ZRE_ERROR_ELAPSED), the
/// peer's program doesn't answer (ZRE_ERROR_UNANSWERED), or the peer is no node of this
/// library (ZRE_ERROR_UNSUPPORTED).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_request(
    node: *mut Node,
    peer: Text,
    frames: FrameList,
    count: usize,
    timeout_ms: i64,
    answer: Option<&mut MaybeUninit<Option<Box<Message>>>>,
) -> Error {
    give(answer, || {
        let node = NODES.find(node)?;
        let message = frames.message(count)?;
        let peer = peer.needed("the peer")?;
        let answer = node.node.request(peer, message, timeout(timeout_ms))?;
        Ok(Message::new(answer))
    })
}

/// Answers a request, which zre_event_id() numbers: once, while its event isn't destroyed
/// or if zre_event_keep() has kept it.
///
/// Fails if no such request is open (ZRE_ERROR_UNKNOWN_REQUEST), and as
/// zre_node_whisper().
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_reply(
    node: *mut Node,
    id: u64,
    frames: FrameList,
    count: usize,
) -> Error {
    send(node, frames, count, |node, message| {
        Ok(node.reply(id, message)?)
    })
}

/// Runs a call that sends these frames.
fn send(
    node: *mut Node,
    frames: FrameList,
    count: usize,
    body: impl FnOnce(&zre::blocking::Node, zre::Message) -> Outcome,
) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        body(&node.node, frames.message(count)?)
    })
}

fn tell(accepted: Option<&mut MaybeUninit<usize>>, shouted: &zre::Shouted) {
    if let Some(place) = accepted {
        place.write(shouted.accepted);
    }
}

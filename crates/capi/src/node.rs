//! Nodes.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::error::{Error, Failure, Outcome, call, place, value};
use crate::handles::Handles;
use crate::input::Text;
use crate::open::Open;
use crate::output::{give, give_text};
use crate::peer::Peers;
use crate::settings::{Settings, copy};
use crate::strings::Strings;

/// A node on the network. Any thread may use it at any time.
pub struct Node(());

pub(crate) static NODES: Handles<Open> = Handles::of("a node");

/// A place for text.
pub(crate) type TextPlace<'a> = Option<&'a mut MaybeUninit<*mut c_char>>;

/// Starts a node with these settings; NULL stands for the defaults. The settings still
/// belong to the caller. Free the node with zre_node_destroy().
///
/// Fails if the node can't start (ZRE_ERROR_START): zre_last_error() says what to do.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_start(
    settings: *const Settings,
    node: Option<&mut MaybeUninit<*mut Node>>,
) -> Error {
    call(|| {
        let node = place(node)?;
        node.write(std::ptr::null_mut());
        let (started, events) = copy(settings)?.builder().start_blocking()?;
        node.write(NODES.open(Open::new(started, events)));
        Ok(())
    })
}

/// Leaves the network: tells every peer, and waits up to `patience_ms` for those that
/// don't answer; not at all if it is negative. After that nothing can be sent, and events
/// that came before can be read until there are no more (ZRE_ERROR_STOPPED).
///
/// Stopping a node again does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_stop(node: *mut Node, patience_ms: i64) -> Error {
    call(|| {
        let patience = Duration::from_millis(u64::try_from(patience_ms).unwrap_or(0));
        NODES.find(node)?.node.shutdown_within(patience);
        Ok(())
    })
}

/// Leaves the network as zre_node_stop() with 1 s, frees the node, and makes the pointer
/// NULL. Calls on other threads that wait for something of this node end with
/// ZRE_ERROR_STOPPED. Events, peers and lists that came from it stay valid.
///
/// NULL, there or behind it, and what was destroyed already are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_destroy(node: Option<&mut *mut Node>) {
    value((), || {
        if let Some(open) = NODES.close(node) {
            open.close();
        }
    });
}

/// This node's UUID: 32 hex digits in lower case, with hyphens. Free it with
/// zre_string_destroy(), as all text that is written to a `char **`.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_uuid(node: *const Node, uuid: TextPlace<'_>) -> Error {
    give_text(uuid, || Ok(NODES.find(node)?.node.uuid().to_string()))
}

/// This node's name, as it is now.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_name(node: *const Node, name: TextPlace<'_>) -> Error {
    give_text(name, || Ok(NODES.find(node)?.node.name()))
}

/// An endpoint at which this node can be dialled, as "tcp://10.0.0.1:49152".
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_endpoint(node: *const Node, endpoint: TextPlace<'_>) -> Error {
    give_text(endpoint, || {
        Ok(NODES.find(node)?.node.endpoint().to_string())
    })
}

/// Gives this node another name, and tells every peer.
///
/// Fails if the name is too long (ZRE_ERROR_LIMIT) or the node has stopped.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_set_name(node: *mut Node, name: Text) -> Error {
    with_text(node, name, "the name", |node, name| node.set_name(name))
}

/// Adds a header, or gives it another value, and tells every peer. Names that begin with
/// "X-ZRE-" are reserved.
///
/// Fails if it is too long or there are too many (ZRE_ERROR_LIMIT), or the node has
/// stopped.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_set_header(node: *mut Node, key: Text, value: Text) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let (key, value) = (key.needed("the key")?, value.needed("the value")?);
        node.node.set_header(key, value)?;
        Ok(())
    })
}

/// Removes a header if the node has it, and tells every peer.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_remove_header(node: *mut Node, key: Text) -> Error {
    with_text(node, key, "the key", |node, key| node.remove_header(key))
}

/// The value of one of this node's headers.
///
/// Fails if it has none of that name (ZRE_ERROR_MISSING).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_header(node: *const Node, key: Text, value: TextPlace<'_>) -> Error {
    give_text(value, || {
        let mut headers = NODES.find(node)?.node.headers();
        let key = key.needed("the key")?;
        headers
            .remove(key)
            .ok_or_else(|| Failure::missing(format!("the node has no header {key:?}")))
    })
}

/// The names of this node's headers.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_header_keys(
    node: *const Node,
    keys: Option<&mut MaybeUninit<Option<Box<Strings>>>>,
) -> Error {
    give(keys, || {
        Ok(Strings::of(NODES.find(node)?.node.headers().keys()))
    })
}

/// Sets this node's state and announces it: "init", "ready", "busy", "draining", "asleep",
/// or an application's own, "128" to "255".
///
/// Fails if it is another (ZRE_ERROR_STATE).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_set_state(node: *mut Node, state: Text) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let state = state.needed("the state")?.parse::<zre::State>();
        let state =
            state.map_err(|error| Failure::new(Error::State, "state", error.to_string()))?;
        Ok(node.node.set_state(state)?)
    })
}

/// Joins a group and tells every peer. To be in it already is no failure.
///
/// Fails if the name is empty or too long, or this node is in too many groups
/// (ZRE_ERROR_LIMIT), or the node has stopped.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_join(node: *mut Node, group: Text) -> Error {
    with_text(node, group, "the group", |node, group| node.join(group))
}

/// Leaves a group and tells every peer. Not to be in it is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_leave(node: *mut Node, group: Text) -> Error {
    with_text(node, group, "the group", |node, group| node.leave(group))
}

/// Makes this node a candidate for leading a group, which it has to join, too. The event
/// "leader" tells who leads.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_contest(node: *mut Node, group: Text) -> Error {
    with_text(node, group, "the group", |node, group| node.contest(group))
}

/// The UUID of the leader of a group that this node is in, which may be this node's own.
///
/// Fails if there is none yet (ZRE_ERROR_MISSING).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_leader(node: *const Node, group: Text, uuid: TextPlace<'_>) -> Error {
    give_text(uuid, || {
        let leader = NODES.find(node)?.node.leader(group.needed("the group")?)?;
        let leader = leader.ok_or_else(|| Failure::missing("the group has no leader"))?;
        Ok(leader.to_string())
    })
}

/// The groups that this node is in.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_own_groups(
    node: *const Node,
    groups: Option<&mut MaybeUninit<Option<Box<Strings>>>>,
) -> Error {
    give(groups, || {
        Ok(Strings::of(NODES.find(node)?.node.own_groups()))
    })
}

/// The groups that any peer is in.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_peer_groups(
    node: *const Node,
    groups: Option<&mut MaybeUninit<Option<Box<Strings>>>>,
) -> Error {
    give(groups, || {
        Ok(Strings::of(NODES.find(node)?.node.peer_groups()))
    })
}

/// The peers that are here, by UUID: those in a group, or all of them if `group` is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_peers(
    node: *const Node,
    group: Text,
    peers: Option<&mut MaybeUninit<Option<Box<Peers>>>>,
) -> Error {
    give_peers(peers, || {
        let node = NODES.find(node)?;
        Ok(match group.optional("the group")? {
            Some(group) => node.node.peers_in(group),
            None => node.node.peers(),
        })
    })
}

/// The peers in a group that are ready: not busy, draining or asleep.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_available(
    node: *const Node,
    group: Text,
    peers: Option<&mut MaybeUninit<Option<Box<Peers>>>>,
) -> Error {
    give_peers(peers, || {
        let node = NODES.find(node)?;
        Ok(node.node.available(group.needed("the group")?))
    })
}

/// The peer of that UUID (with or without hyphens) or name, as a list of one.
///
/// Fails if none is here (ZRE_ERROR_UNKNOWN_PEER), or several have that name
/// (ZRE_ERROR_AMBIGUOUS_PEER).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_peer(
    node: *const Node,
    whom: Text,
    peers: Option<&mut MaybeUninit<Option<Box<Peers>>>>,
) -> Error {
    give_peers(peers, || {
        let node = NODES.find(node)?;
        Ok(vec![node.node.peer(whom.needed("the peer")?)?])
    })
}

/// Waits until that many peers are here, or in a group if `group` isn't NULL.
///
/// Fails if fewer are here after `timeout_ms` (ZRE_ERROR_ELAPSED), or the node stops.
/// A negative time is for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_wait_for_peers(
    node: *const Node,
    group: Text,
    count: usize,
    timeout_ms: i64,
) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let timeout = timeout(timeout_ms);
        match group.optional("the group")? {
            Some(group) => node.node.wait_for_peers_in(group, count, timeout)?,
            None => node.node.wait_for_peers(count, timeout)?,
        };
        Ok(())
    })
}

/// The node's figures as one JSON object, as docs/json.md describes it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_stats(node: *const Node, json: TextPlace<'_>) -> Error {
    give_text(json, || {
        let stats = NODES.find(node)?.node.stats()?;
        serde_json::to_string(&stats)
            .map_err(|error| Failure::new(Error::Internal, "internal", error.to_string()))
    })
}

/// Adds an address at which a node should be, as the setting "peer" does before the start:
/// it is dialled until a peer answers, and again when that peer has gone. For a node with
/// keys, the key of the one there stands behind it: "tcp://10.0.0.1:5670#KEY". `uuid` names
/// the node that should be there; it may be NULL.
///
/// Fails if it is no endpoint (ZRE_ERROR_SETTING) or no UUID (ZRE_ERROR_ARGUMENT), or the
/// node has stopped.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_add_peer(node: *mut Node, endpoint: Text, uuid: Text) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let uuid = uuid.optional("the UUID")?.map(parse_uuid).transpose()?;
        for (endpoint, key) in parse_peers(endpoint)? {
            match key {
                Some(key) => node.node.add_peer_with_key(endpoint, uuid, key)?,
                None => node.node.add_peer(endpoint, uuid)?,
            }
        }
        Ok(())
    })
}

/// Removes an address that was set or added: it isn't dialled again. A session that leads
/// there goes on.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_remove_peer(node: *mut Node, endpoint: Text) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        for (endpoint, _) in parse_peers(endpoint)? {
            node.node.remove_peer(endpoint)?;
        }
        Ok(())
    })
}

/// How long ago a peer was last heard. A healthy peer is heard about every five seconds
/// (setting "evasive").
///
/// Fails if no peer of that UUID is here, or it is in this process, where silence means
/// nothing (ZRE_ERROR_MISSING).
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_silence(
    node: *const Node,
    uuid: Text,
    milliseconds: Option<&mut MaybeUninit<i64>>,
) -> Error {
    call(|| {
        let to = place(milliseconds)?;
        let node = NODES.find(node)?;
        let uuid = parse_uuid(uuid.needed("the UUID")?)?;
        let silences = node.node.silences()?;
        let silence = silences
            .get(&uuid)
            .ok_or_else(|| Failure::missing("of this peer no silence is known"))?;
        to.write(i64::try_from(silence.as_millis()).unwrap_or(i64::MAX));
        Ok(())
    })
}

/// Forgets what gossip said under a key: the UUID of a node that has gone, say. If the
/// node doesn't gossip, there is nothing to forget.
#[unsafe(no_mangle)]
pub extern "C" fn zre_node_gossip_unpublish(node: *mut Node, key: Text) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        let key = key.needed("the key")?;
        if let Some(gossip) = node.node.gossip() {
            node.node.wait(gossip.unpublish(key))?;
        }
        Ok(())
    })
}

/// Runs a call that tells the node one text, which `what` names.
fn with_text<T, E: Into<Failure>>(
    node: *mut Node,
    text: Text,
    what: &str,
    tell: impl FnOnce(&zre::blocking::Node, &str) -> Result<T, E>,
) -> Error {
    call(|| {
        let node = NODES.find(node)?;
        tell(&node.node, text.needed(what)?).map_err(Into::into)?;
        Ok(())
    })
}

fn parse_uuid(text: &str) -> Outcome<zre::Uuid> {
    zre::Uuid::try_parse(text).map_err(|_| Failure::argument(format!("{text:?} isn't a UUID")))
}

/// Endpoints as the setting takes them, with the keys behind them.
fn parse_peers(text: Text) -> Outcome<Vec<(zre::Endpoint, Option<zre::PublicKey>)>> {
    let mut settings = zre::Settings::default();
    settings.set("peer", text.needed("the endpoint")?)?;
    let mut keys = settings.peer_keys;
    let endpoints = settings.peer.into_iter();
    let keyed = endpoints.map(|endpoint| {
        let key = keys.remove(&endpoint);
        (endpoint, key)
    });
    Ok(keyed.collect())
}

/// A time from C, of which a negative one is for ever: 300 years, which a clock can tell.
pub(crate) fn timeout(milliseconds: i64) -> Duration {
    const EVER: Duration = Duration::from_secs(300 * 365 * 24 * 60 * 60);
    u64::try_from(milliseconds).map_or(EVER, |time| Duration::from_millis(time).min(EVER))
}

fn give_peers(
    to: Option<&mut MaybeUninit<Option<Box<Peers>>>>,
    find: impl FnOnce() -> Outcome<Vec<zre::Peer>>,
) -> Error {
    give(to, || Ok(Peers::of(find()?)))
}

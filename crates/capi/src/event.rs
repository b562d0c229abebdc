//! What an event says.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::c_char;
use std::ptr;

use crate::error::value;
use crate::message::Message;
use crate::output::{Lazy, text_of};
use crate::peer::{Peer, state_name};

/// Something that happened on the network. Its receiver owns it, and everything that is
/// read from it lives as long as it does.
pub struct Event {
    event: zre::Event,
    peer: Option<Peer>,
    message: Option<Message>,
    word: Lazy,
    uuid: Lazy,
    group: Lazy,
    reason: Lazy,
    old_name: Lazy,
    json: Lazy,
}

/// The kinds of events. Later versions may add some; the numbers that are here stay.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No event (NULL), or a kind without a number: zre_event_name() has its name.
    None = 0,
    /// A peer is here and can receive messages.
    Enter = 1,
    /// A peer has gone: zre_event_reason(), zre_event_unconfirmed().
    Exit = 2,
    /// A peer joined a group.
    Join = 3,
    /// A peer left a group.
    Leave = 4,
    /// A message to this node.
    Whisper = 5,
    /// A message to a group that this node is in.
    Shout = 6,
    /// A message whose sender waits for an answer: zre_node_reply(), zre_event_id().
    Request = 7,
    /// A peer was silent and didn't answer a PING either.
    Evasive = 8,
    /// A peer has been evasive for seconds.
    Silent = 9,
    /// An evasive or silent peer was heard again.
    Responsive = 10,
    /// A peer's state changed: zre_event_state(), zre_event_old_state().
    State = 11,
    /// A peer has another name or other headers: zre_event_old_name().
    Update = 12,
    /// A group that this node is in has a leader: zre_event_uuid(), and zre_event_peer()
    /// unless this node leads.
    Leader = 13,
    /// An election doesn't end, because members don't take part: zre_event_json().
    Undecided = 14,
    /// Two live nodes use the same UUID: zre_event_uuid().
    Conflict = 15,
    /// A node can't be dialled: zre_event_uuid(), zre_event_reason().
    Unreachable = 16,
    /// A node can be dialled and doesn't greet back: zre_event_uuid(), zre_event_reason().
    OneWay = 17,
    /// The queue to a peer is full, or has room again: zre_event_on().
    Backpressure = 18,
    /// The node uses an address of an interface, or no longer: zre_event_on(),
    /// zre_event_reason(), zre_event_json().
    Discovery = 19,
    /// The node ends because of a bug: zre_event_reason().
    Failed = 20,
}

impl Event {
    pub(crate) fn new(event: zre::Event) -> Self {
        Self {
            peer: event.peer().cloned().map(Peer::new),
            message: event.message().cloned().map(Message::new),
            event,
            word: Lazy::default(),
            uuid: Lazy::default(),
            group: Lazy::default(),
            reason: Lazy::default(),
            old_name: Lazy::default(),
            json: Lazy::default(),
        }
    }

    fn kind(&self) -> Kind {
        match &self.event {
            zre::Event::Enter { .. } => Kind::Enter,
            zre::Event::Exit { .. } => Kind::Exit,
            zre::Event::Join { .. } => Kind::Join,
            zre::Event::Leave { .. } => Kind::Leave,
            zre::Event::Whisper { .. } => Kind::Whisper,
            zre::Event::Shout { .. } => Kind::Shout,
            zre::Event::Request { .. } => Kind::Request,
            zre::Event::Evasive { .. } => Kind::Evasive,
            zre::Event::Silent { .. } => Kind::Silent,
            zre::Event::Responsive { .. } => Kind::Responsive,
            zre::Event::State { .. } => Kind::State,
            zre::Event::Update { .. } => Kind::Update,
            zre::Event::Leader { .. } => Kind::Leader,
            zre::Event::Undecided { .. } => Kind::Undecided,
            zre::Event::Conflict { .. } => Kind::Conflict,
            zre::Event::Unreachable { .. } => Kind::Unreachable,
            zre::Event::OneWay { .. } => Kind::OneWay,
            zre::Event::Backpressure { .. } => Kind::Backpressure,
            zre::Event::Discovery { .. } => Kind::Discovery,
            zre::Event::Failed { .. } => Kind::Failed,
            _ => Kind::None,
        }
    }
}

/// The kind of event; ZRE_KIND_NONE for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_kind(event: Option<&Event>) -> Kind {
    value(Kind::None, || event.map_or(Kind::None, Event::kind))
}

/// The same as a word, as "enter", which is also the `event` of its JSON form. NULL for
/// NULL, here and below.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_name(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| {
        event.word.get(|| event.event.kind().to_owned())
    })
}

/// The peer that the event is about: who came, went, joined or sent. NULL if it is about
/// several or none.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_peer(event: Option<&Event>) -> Option<&Peer> {
    value(None, || event.and_then(|event| event.peer.as_ref()))
}

/// The UUID of that peer; for a leader or a conflict it may be this node's own, and
/// for a node that can't be met that of a node that is no peer.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_uuid(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| event.uuid.of(event.event.uuid()))
}

/// The group that the event is about.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_group(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| event.group.of(event.event.group()))
}

/// What a whisper, a shout or a request says. Don't destroy it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_message(event: Option<&Event>) -> Option<&Message> {
    value(None, || event.and_then(|event| event.message.as_ref()))
}

/// The state that a peer has from now on. The text lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_state(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| match event.event {
        zre::Event::State { to, .. } => state_name(to),
        _ => ptr::null(),
    })
}

/// The state that it had until now. The text lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_old_state(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| match event.event {
        zre::Event::State { from, .. } => state_name(from),
        _ => ptr::null(),
    })
}

/// The name that a peer had until now, which may be the same.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_old_name(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| match &event.event {
        zre::Event::Update { old_name, .. } => event.old_name.get(|| old_name.clone()),
        _ => ptr::null(),
    })
}

/// Why a peer has gone, as a word ("goodbye", "expired", ...); for other events a
/// sentence.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_reason(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| event.reason.of(event.event.reason()))
}

/// How many of the messages that were accepted for a peer that has gone may not have
/// arrived; 0 for other events.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_unconfirmed(event: Option<&Event>) -> u64 {
    value(0, || match event.map(|event| &event.event) {
        Some(zre::Event::Exit { unconfirmed, .. }) => *unconfirmed,
        _ => 0,
    })
}

/// Whether a queue is full, or an address used, from now on; false for other events.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_on(event: Option<&Event>) -> bool {
    value(false, || match event.map(|event| &event.event) {
        Some(zre::Event::Backpressure { on, .. }) => *on,
        Some(zre::Event::Discovery { up, .. }) => *up,
        _ => false,
    })
}

/// The number under which zre_node_reply() answers a request; 0 for other events.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_id(event: Option<&Event>) -> u64 {
    value(0, || event.and_then(|event| event.event.id()).unwrap_or(0))
}

/// Keeps a request open after its event is destroyed, until it is answered or its peer
/// exits. Otherwise the peer learns at once that no answer will come. False if this is no
/// request, or too many are kept.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_keep(event: Option<&Event>) -> bool {
    value(false, || match event.map(|event| &event.event) {
        Some(zre::Event::Request { responder, .. }) => responder.keep(),
        _ => false,
    })
}

/// The event as one JSON object, as docs/json.md describes it: everything that it has to
/// say.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_json(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| {
        event
            .json
            .get(|| serde_json::to_string(&event.event).unwrap_or_default())
    })
}

/// Frees an event, and makes the pointer NULL. NULL is ignored, there or behind it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_event_destroy(event: Option<&mut Option<Box<Event>>>) {
    value((), || drop(event.and_then(Option::take)));
}

//! Peers.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{LazyLock, OnceLock};

use crate::error::{Error, Failure, or_null, value};
use crate::input::Text;
use crate::output::{Lazy, c_text, give, text_of};
use crate::strings::Strings;

/// Another node, from its "enter" to its "exit". It stays readable after that.
///
/// Its state and its groups are those that it has now; its name and its headers are those
/// that it had when this was given out.
pub struct Peer {
    peer: zre::Peer,
    uuid: Lazy,
    name: Lazy,
    endpoint: Lazy,
    key: Lazy,
    headers: OnceLock<Vec<(CString, CString)>>,
}

/// Peers, which the receiver of the list owns.
pub struct Peers(Vec<Peer>);

impl Peer {
    pub(crate) fn new(peer: zre::Peer) -> Self {
        Self {
            peer,
            uuid: Lazy::default(),
            name: Lazy::default(),
            endpoint: Lazy::default(),
            key: Lazy::default(),
            headers: OnceLock::new(),
        }
    }

    fn headers(&self) -> &[(CString, CString)] {
        self.headers.get_or_init(|| {
            let headers = self.peer.headers().iter();
            headers
                .map(|(key, value)| (c_text(key), c_text(value)))
                .collect()
        })
    }
}

impl Peers {
    pub(crate) fn of(peers: impl IntoIterator<Item = zre::Peer>) -> Self {
        Self(peers.into_iter().map(Peer::new).collect())
    }
}

/// Its UUID: 32 hex digits in lower case, with hyphens. NULL for NULL, here and below.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_uuid(peer: Option<&Peer>) -> *const c_char {
    text_of(peer, |peer| peer.uuid.get(|| peer.peer.uuid().to_string()))
}

/// Its name, which needn't be unique.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_name(peer: Option<&Peer>) -> *const c_char {
    text_of(peer, |peer| peer.name.get(|| peer.peer.name().to_owned()))
}

/// The address at which it was dialled, or would be dialled if it had no nearer link, as
/// "tcp://10.0.0.1:49152".
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_endpoint(peer: Option<&Peer>) -> *const c_char {
    text_of(peer, |peer| {
        peer.endpoint.get(|| peer.peer.endpoint().to_string())
    })
}

/// The public key that it has proved to hold, as 40 characters of Z85; NULL if this node
/// has no keys.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_key(peer: Option<&Peer>) -> *const c_char {
    text_of(peer, |peer| peer.key.of(peer.peer.key()))
}

/// The state that it has now, as "ready", "busy" or "128". The text lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_state(peer: Option<&Peer>) -> *const c_char {
    text_of(peer, |peer| state_name(peer.peer.state()))
}

/// The number of its headers.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_header_count(peer: Option<&Peer>) -> usize {
    value(0, || peer.map_or(0, |peer| peer.peer.headers().len()))
}

/// The name of one of its headers, in order of the names; NULL behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_header_key(peer: Option<&Peer>, index: usize) -> *const c_char {
    text_of(peer, |peer| {
        or_null(peer.headers().get(index).map(|(key, _)| key.as_c_str()))
    })
}

/// The value of the same header; NULL behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_header_value(peer: Option<&Peer>, index: usize) -> *const c_char {
    text_of(peer, |peer| {
        or_null(peer.headers().get(index).map(|(_, value)| value.as_c_str()))
    })
}

/// The value of the header of that name; NULL if it has none.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_header(peer: Option<&Peer>, key: Text) -> *const c_char {
    text_of(peer, |peer| {
        let Ok(key) = key.needed("the name of the header") else {
            return ptr::null();
        };
        let mut names = peer.peer.headers().keys();
        let index = names.position(|name| name == key);
        let header = index.and_then(|index| peer.headers().get(index));
        or_null(header.map(|(_, value)| value.as_c_str()))
    })
}

/// The groups that it is in now.
///
/// Fails if something is NULL (ZRE_ERROR_ARGUMENT).
#[unsafe(no_mangle)]
pub extern "C" fn zre_peer_groups(
    peer: Option<&Peer>,
    groups: Option<&mut MaybeUninit<Option<Box<Strings>>>>,
) -> Error {
    give(groups, || {
        let peer = peer.ok_or_else(|| Failure::argument("the peer is NULL"))?;
        Ok(Strings::of(peer.peer.groups()))
    })
}

/// The number of peers in a list; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peers_count(peers: Option<&Peers>) -> usize {
    value(0, || peers.map_or(0, |peers| peers.0.len()))
}

/// One of them, which lives as long as the list; NULL behind the last, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peers_get(peers: Option<&Peers>, index: usize) -> Option<&Peer> {
    value(None, || peers.and_then(|peers| peers.0.get(index)))
}

/// Frees a list with its peers, and makes the pointer NULL. NULL is ignored, there or
/// behind it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_peers_destroy(peers: Option<&mut Option<Box<Peers>>>) {
    value((), || drop(peers.and_then(Option::take)));
}

/// A state's name, which lives for ever.
pub(crate) fn state_name(state: zre::State) -> *const c_char {
    static NAMES: LazyLock<Vec<CString>> = LazyLock::new(|| {
        let octets = 0..=u8::MAX;
        octets
            .map(|octet| c_text(&zre::State::from(octet).to_string()))
            .collect()
    });
    or_null(
        NAMES
            .get(usize::from(u8::from(state)))
            .map(CString::as_c_str),
    )
}

//! Bounds on what strangers can make a node hold or do, where no user has a reason
//! to choose another: those that users set are [`MessageLimits`](crate::MessageLimits).

use std::time::Duration;

/// What each held frame counts in addition to its bytes: its handle and its place
/// in the list. Otherwise empty frames would be free.
pub(super) const HELD_FRAME: usize = 64;

/// What each group and each header of a peer counts in addition to its bytes: its places
/// in the tables of the machine and of the application. Otherwise short ones would be free.
pub(super) const DESCRIBED_GROUP: usize = 256;
pub(super) const DESCRIBED_HEADER: usize = 96;

/// Greetings of one peer that are answered within [`GREETINGS_WINDOW`]. More than
/// that are a loop or an attack: a process that restarts takes longer.
pub(super) const GREETINGS: u8 = 8;
pub(super) const GREETINGS_WINDOW: Duration = Duration::from_secs(10);

/// Addresses of one peer that are tried without a rest. A hostile peer can
/// advertise endless addresses.
pub(super) const TRIED: usize = 8;

/// Addresses that are remembered for one peer: more than a host has interfaces,
/// in both IP versions. Those of persistent sources are kept longest.
pub(super) const ADDRESSES: usize = 8;

/// Moves of one peer between two addresses within [`MOVES_WINDOW`] that count as
/// travel. More are two nodes that share a UUID.
pub(super) const MOVES: u8 = 4;
pub(super) const MOVES_WINDOW: Duration = Duration::from_secs(120);

/// For how long no second dispute over a UUID is opened. Each costs a PING and can
/// cost a session.
pub(super) const DISPUTE_REST: Duration = Duration::from_secs(10);

/// Peers that are remembered to wrap their sequence early. A peer beyond that
/// costs one more broken session each time.
pub(super) const SHORT_WRAPS: usize = 1024;

/// PINGs of the application to one peer that may be unanswered: one a second, to
/// a peer that has died and will expire after 30 s.
pub(super) const OPEN_PINGS: usize = 32;

/// Answers that one peer is owed while somebody else claims its UUID.
pub(super) const OWED_ANSWERS: usize = 32;

/// Dials within [`DIAL_WINDOW`] to one address that HELLOs name and that none of them
/// came from, and such dials for the HELLOs of one source.
pub(super) const THIRD_PARTY_DIALS: u8 = 4;
pub(super) const DIAL_WINDOW: Duration = Duration::from_secs(10);

/// Addresses for which such dials are counted. While there are that many, no other is
/// dialled.
pub(super) const THIRD_PARTY_ADDRESSES: usize = 1024;

/// Dials within [`DIAL_WINDOW`] to one address that only beacons or gossip name, and
/// that nobody has answered by a HELLO. A host may run a thousand nodes, but they answer.
pub(super) const FAILED_DIALS: u8 = 64;

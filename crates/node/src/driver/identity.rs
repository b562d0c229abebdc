//! RFC 36's identities.

use uuid::Uuid;
use zre_session::Identity;

/// The identity that our DEALERs announce.
///
/// RFC 36: "The identity SHALL be a binary 17-octet UUID value where the first
/// byte is always 1."
pub(crate) fn identity_of(uuid: Uuid) -> Identity {
    let mut bytes = [1u8; 17];
    if let Some(rest) = bytes.last_chunk_mut() {
        *rest = *uuid.as_bytes();
    }
    Identity::from(bytes)
}

pub(super) fn uuid_of(identity: &Identity) -> Option<Uuid> {
    match identity.as_bytes().split_first() {
        Some((1, rest)) => Uuid::from_slice(rest).ok(),
        _ => None,
    }
}

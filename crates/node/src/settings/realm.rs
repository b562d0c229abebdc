//! Realms: applications that don't meet each other.

/// The ports of realms. They are below those that Linux, macOS and Windows give to programs
/// that ask for any port.
const FIRST: u16 = 24_000;
const COUNT: u32 = 8_000;

/// The UDP beacon port of a realm, from 24000 to 31999: 24000 + (the 32-bit FNV-1a hash of the
/// name in UTF-8, modulo 8000). Every version of this library gives the same.
///
/// Nodes of other implementations join a realm by this port (`zyre_set_port` of C Zyre). Two
/// names have the same port with a probability of 1 in 8000.
///
/// ```
/// assert_eq!(zre::realm_port("studio 5"), 26820);
/// ```
#[must_use]
pub fn realm_port(name: &str) -> u16 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let offset = u16::try_from(hash % COUNT).unwrap_or_default();
    FIRST.saturating_add(offset)
}

//! How much of anything a node takes, from its peers and from its user.

use crate::hello_headers::{RESERVED_PREFIX, is_reserved};

/// Bounds on what peers may send and on what a user may ask for.
///
/// A peer that exceeds one loses the message or its session, and the node goes on:
/// see [`DecodeError::Limit`](crate::DecodeError::Limit). The defaults are ten times
/// what real networks use.
///
/// The wire bounds some lengths, too: a `string` of RFC 36 has one length octet, so
/// group names in messages, node names, endpoints and header names never exceed 255
/// bytes, whatever is set here.
///
/// ```
/// use zre_proto::MessageLimits;
///
/// let mut limits = MessageLimits::default();
/// limits.peers = 100;
/// assert!(limits.validate_group("chat").is_ok());
/// assert!(limits.validate_group("").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageLimits {
    /// Frames of content in one WHISPER or SHOUT. Even an empty frame costs about 40
    /// bytes of memory. Default 4,096.
    pub max_frames: usize,
    /// Bytes of the first frame of any message but HELLO and UPDATE. The longest one that is
    /// needed, ELECT with two full strings, has 518. Bytes behind the fields are
    /// ignored, as in C Zyre, so they need a bound. Default 1,024.
    pub header_frame_bytes: usize,
    /// Bytes of a HELLO or an UPDATE. HELLO contains all groups and headers of a peer, so
    /// this bounds what a node keeps of them. It must have room for
    /// [`groups_per_peer`](Self::groups_per_peer) names of full length and
    /// [`headers_bytes`](Self::headers_bytes); otherwise a node with the same limits
    /// may send what this one refuses. Default 384 KiB.
    pub hello_bytes: usize,
    /// Groups that one node may be in, whether HELLO lists them or JOINs add them.
    /// Default 1,024.
    pub groups_per_peer: usize,
    /// Bytes of a group's name, 1 to 255. Default 255.
    pub group_bytes: usize,
    /// Bytes of a node's name, 1 to 255. Default 255.
    pub name_bytes: usize,
    /// Headers of one peer, beside up to 16 that nodes set for each other. Default 256.
    pub headers: usize,
    /// Bytes of a header's name, 1 to 255. Default 255.
    pub header_key_bytes: usize,
    /// Bytes of a header's value. Default 16 KiB.
    pub header_value_bytes: usize,
    /// Bytes of all names and values of the headers that the user sets. Those of a
    /// peer are bounded by [`hello_bytes`](Self::hello_bytes). Default 64 KiB.
    pub headers_bytes: usize,
    /// Bytes of messages that a node holds for one peer until its own mailbox to
    /// that peer has opened. That takes a round trip, so this is far more than an
    /// honest peer needs. Default 4 MiB.
    pub held_bytes_per_peer: usize,
    /// Bytes of messages that a node holds so for all peers together, because there
    /// can be many strangers. Default 64 MiB.
    pub held_bytes: usize,
    /// Bytes of what a node keeps of what one peer tells of itself: its name and endpoint, its
    /// headers with 96 for each, and its groups with 256 for each. A HELLO, JOIN or UPDATE
    /// that exceeds it is dropped. Default 1 MiB: more than the other limits allow.
    pub description_bytes_per_peer: usize,
    /// Bytes of what all peers tell of themselves. One half is for any peer, and the other
    /// for peers that tell little (by default 2 KiB): therefore strangers that tell much
    /// don't keep such peers out. Default 64 MiB: ten times what a thousand peers in ten
    /// groups need.
    pub description_bytes: usize,
    /// Peers that a node knows at a time, in any phase. With the other defaults this
    /// bounds the memory that strangers can make the peer table take. Default 8,192.
    pub peers: usize,
    /// Addresses without a UUID (from DNS or configuration) that a node dials.
    /// Default 1,024.
    pub bootstraps: usize,
    /// Peers that a node has heard of and dialled, and that haven't greeted it yet.
    /// More are dialled as these greet or fail, one after another: otherwise beacons
    /// of many nodes that don't exist would use up the descriptors of the process.
    /// A peer that greets first is answered in any case. Default 256.
    pub dials: usize,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            max_frames: 4096,
            header_frame_bytes: 1024,
            hello_bytes: 384 * 1024,
            groups_per_peer: 1024,
            group_bytes: 255,
            name_bytes: 255,
            headers: 256,
            header_key_bytes: 255,
            header_value_bytes: 16 * 1024,
            headers_bytes: 64 * 1024,
            held_bytes_per_peer: 4 << 20,
            held_bytes: 64 << 20,
            description_bytes_per_peer: 1 << 20,
            description_bytes: 64 << 20,
            peers: 8192,
            bootstraps: 1024,
            dials: 256,
        }
    }
}

/// The longest `string` of the wire.
const WIRE_STRING: usize = crate::wire::STRING_MAX;

impl MessageLimits {
    /// Checks a group name that the user passes.
    ///
    /// # Errors
    /// [`LimitError`] when it is empty, longer than
    /// [`group_bytes`](Self::group_bytes) or holds a NUL.
    pub fn validate_group(&self, group: &str) -> Result<(), LimitError> {
        validate("group name", group, self.group_bytes.min(WIRE_STRING))
    }

    /// Checks the number of groups that the user wants this node to be in.
    ///
    /// # Errors
    /// [`LimitError::TooMany`] above [`groups_per_peer`](Self::groups_per_peer).
    pub fn validate_group_count(&self, count: usize) -> Result<(), LimitError> {
        if count > self.groups_per_peer {
            return Err(LimitError::TooMany {
                what: "groups",
                count,
                limit: self.groups_per_peer,
            });
        }
        Ok(())
    }

    /// Checks a node name that the user passes.
    ///
    /// # Errors
    /// [`LimitError`] when it is empty, longer than
    /// [`name_bytes`](Self::name_bytes) or holds a NUL.
    pub fn validate_name(&self, name: &str) -> Result<(), LimitError> {
        validate("node name", name, self.name_bytes.min(WIRE_STRING))
    }

    /// Checks one header that the user passes. An empty value is fine.
    ///
    /// # Errors
    /// [`LimitError`] when the key is empty or begins with `X-ZRE-`, key or value
    /// is too long, or either holds a NUL.
    pub fn validate_header(&self, key: &str, value: &str) -> Result<(), LimitError> {
        if is_reserved(key) {
            return Err(LimitError::Reserved {
                prefix: RESERVED_PREFIX,
            });
        }
        validate("header name", key, self.header_key_bytes.min(WIRE_STRING))?;
        if value.is_empty() {
            return Ok(());
        }
        validate("header value", value, self.header_value_bytes)
    }

    /// Checks all headers that the user passes, one by one and together.
    ///
    /// # Errors
    /// As [`validate_header`](Self::validate_header), and when there are more than
    /// [`headers`](Self::headers) or their bytes pass
    /// [`headers_bytes`](Self::headers_bytes).
    pub fn validate_headers<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), LimitError> {
        let mut count = 0usize;
        let mut bytes = 0usize;
        for (key, value) in headers {
            self.validate_header(key, value)?;
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        }
        if count > self.headers {
            return Err(LimitError::TooMany {
                what: "headers",
                count,
                limit: self.headers,
            });
        }
        let limit = self.headers_bytes;
        if bytes > limit {
            return Err(LimitError::TooLong {
                what: "headers together",
                bytes,
                limit,
            });
        }
        Ok(())
    }
}

fn validate(what: &'static str, text: &str, limit: usize) -> Result<(), LimitError> {
    if text.is_empty() {
        return Err(LimitError::Empty { what });
    }
    if text.len() > limit {
        return Err(LimitError::TooLong {
            what,
            bytes: text.len(),
            limit,
        });
    }
    // C Zyre keeps names as C strings and would see a shorter name.
    if text.contains('\0') {
        return Err(LimitError::Nul { what });
    }
    Ok(())
}

/// The user passed a value that can't be sent. Nothing was changed or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A header that is reserved for nodes among themselves.
    #[error("headers that begin with {prefix} are reserved for the protocol: choose another name")]
    Reserved {
        /// The reserved prefix.
        prefix: &'static str,
    },
    /// It has no character.
    #[error("an empty {what} isn't allowed: give it at least one character")]
    Empty {
        /// The kind of value.
        what: &'static str,
    },
    /// It has more bytes (of UTF-8, not characters) than allowed.
    #[error("{what} of {bytes} bytes: at most {limit} bytes are allowed, shorten it")]
    TooLong {
        /// The kind of value.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest length allowed.
        limit: usize,
    },
    /// It contains a NUL, at which peers written in C would cut it.
    #[error(
        "a {what} contains a NUL character, at which peers written in C would cut it: remove it"
    )]
    Nul {
        /// The kind of value.
        what: &'static str,
    },
    /// There are more than allowed.
    #[error("{count} {what}: at most {limit} are allowed, pass fewer")]
    TooMany {
        /// The kind of value.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Hello};

    #[test]
    fn names_are_counted_in_bytes_up_to_the_limit() {
        let limits = MessageLimits::default();
        assert_eq!(limits.validate_group(&"a".repeat(255)), Ok(()));
        assert_eq!(
            limits.validate_group(&"é".repeat(128)),
            Err(LimitError::TooLong {
                what: "group name",
                bytes: 256,
                limit: 255
            })
        );
        assert!(limits.validate_name(&"a".repeat(256)).is_err());
        assert!(matches!(
            limits.validate_name(""),
            Err(LimitError::Empty { .. })
        ));
        assert!(matches!(
            limits.validate_group("a\0b"),
            Err(LimitError::Nul { .. })
        ));
    }

    #[test]
    fn no_setting_exceeds_what_the_wire_can_carry() {
        let limits = MessageLimits {
            group_bytes: 10_000,
            ..MessageLimits::default()
        };
        assert!(limits.validate_group(&"a".repeat(256)).is_err());
    }

    #[test]
    fn headers_are_checked_one_by_one_and_together() {
        let limits = MessageLimits::default();
        assert_eq!(limits.validate_headers([("a", ""), ("b", "1")]), Ok(()));
        assert!(limits.validate_header("", "x").is_err());
        assert!(matches!(
            limits.validate_header("X-ZRE-STATE", "1"),
            Err(LimitError::Reserved { .. })
        ));
        assert!(limits.validate_header("x", "a\0").is_err());
        let keys: Vec<String> = (0..257).map(|n| n.to_string()).collect();
        let many = keys.iter().map(|key| (key.as_str(), ""));
        assert!(matches!(
            limits.validate_headers(many),
            Err(LimitError::TooMany { .. })
        ));
        let value = "v".repeat(16 * 1024);
        let long = keys
            .iter()
            .take(9)
            .map(|key| (key.as_str(), value.as_str()));
        assert!(matches!(
            limits.validate_headers(long),
            Err(LimitError::TooLong { .. })
        ));
    }

    #[test]
    fn a_node_at_its_own_limits_is_accepted_by_its_peers() {
        let limits = MessageLimits::default();
        let name = "n".repeat(255);
        let hello = Hello {
            endpoint: name.clone(),
            groups: vec![name.clone(); limits.groups_per_peer],
            status: 0,
            name,
            headers: (0..4)
                .map(|n| (n.to_string(), "v".repeat(16 * 1024 - 1)))
                .collect(),
        };
        assert_eq!(limits.validate_group_count(hello.groups.len()), Ok(()));
        assert!(limits.validate_group_count(hello.groups.len() + 1).is_err());
        let headers = hello.headers.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        assert_eq!(limits.validate_headers(headers), Ok(()));
        let hello = Command::Hello(hello);
        assert_eq!(
            Command::decode(hello.encode(1), &limits),
            Ok((1, hello.clone()))
        );
    }
}

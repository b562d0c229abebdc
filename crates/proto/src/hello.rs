//! HELLO, the message that opens a session.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};

use crate::header::{id, put_prefix};
use crate::limits::MessageLimits;
use crate::profile::{Profile, put_profile};
use crate::texts::Texts;
use crate::wire::{FieldError, Reader, STRING_MAX, put_count, put_longstr, put_string};

/// The content of a HELLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The address of the sender's inbox, as the sender sees it: `tcp://ip:port`.
    pub endpoint: String,
    /// The groups that the sender is in.
    pub groups: Vec<String>,
    /// The sender's status octet: how often it has joined and left, modulo 256.
    pub status: u8,
    /// The sender's name.
    pub name: String,
    /// The sender's headers. If a key comes twice, the last value counts.
    pub headers: BTreeMap<String, String>,
}

impl Hello {
    pub(crate) fn encode(&self, sequence: u16) -> Bytes {
        let mut out = Vec::with_capacity(256);
        put_prefix(&mut out, id::HELLO, sequence);
        put_string(&mut out, &self.endpoint);
        put_count(&mut out, self.groups.len());
        for group in &self.groups {
            put_longstr(&mut out, group);
        }
        out.put_u8(self.status);
        put_profile(&mut out, &self.name, &self.headers);
        Bytes::from(out)
    }

    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        limits: &MessageLimits,
    ) -> Result<Self, FieldError> {
        let mut texts = Texts::of(reader, limits);
        let endpoint = texts.take(reader.string("endpoint", STRING_MAX)?, STRING_MAX)?;
        let mut groups = Vec::new();
        for _ in 0..reader.count("groups", LONGSTR_MIN, limits.groups_per_peer)? {
            let group = reader.longstr("group name", limits.group_bytes)?;
            groups.push(texts.take(group, limits.group_bytes)?);
        }
        let status = reader.number1("status")?;
        let Profile { name, headers } = Profile::decode_with(reader, limits, &mut texts)?;
        Ok(Self {
            endpoint,
            groups,
            status,
            name,
            headers,
        })
    }
}

/// The bytes of an empty `longstr`, which is the least that a group in HELLO takes.
const LONGSTR_MIN: usize = 4;

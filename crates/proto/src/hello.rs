//! HELLO, the message that opens a session.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};

use crate::header::{PREFIX, id, put_prefix};
use crate::limits::MessageLimits;
use crate::wire::{FieldError, Reader, STRING_MAX, put_longstr, put_string, text};

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
        put_string(&mut out, &self.name);
        put_count(&mut out, self.headers.len());
        for (key, value) in &self.headers {
            put_string(&mut out, key);
            put_longstr(&mut out, value);
        }
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
        let name = reader.string("node name", limits.name_bytes)?;
        let name = texts.take(name, limits.name_bytes)?;
        let mut headers = BTreeMap::new();
        for _ in 0..reader.count("headers", HEADER_MIN, limits.headers)? {
            let key = reader.string("header name", limits.header_key_bytes)?;
            let key = texts.take(key, limits.header_key_bytes)?;
            let value = reader.longstr("header value", limits.header_value_bytes)?;
            let value = texts.take(value, limits.header_value_bytes)?;
            headers.insert(key, value);
        }
        Ok(Self {
            endpoint,
            groups,
            status,
            name,
            headers,
        })
    }
}

/// Reads the texts of a HELLO. Text that isn't UTF-8 grows by its replacement
/// characters; all texts together may not take more bytes than a HELLO may have.
struct Texts {
    most: usize,
    /// By how many bytes they may still grow.
    spare: usize,
}

impl Texts {
    fn of(fields: &Reader<'_>, limits: &MessageLimits) -> Self {
        let most = limits.hello_bytes;
        let spare = most.saturating_sub(fields.len()).saturating_sub(PREFIX);
        Self { most, spare }
    }

    fn take(&mut self, bytes: &[u8], most: usize) -> Result<String, FieldError> {
        let text = text(bytes, most).into_owned();
        let growth = text.len().saturating_sub(bytes.len());
        self.spare = self
            .spare
            .checked_sub(growth)
            .ok_or(FieldError::Limit("HELLO bytes as text", self.most))?;
        Ok(text)
    }
}

/// The bytes of an empty `longstr`, which is the least that a group in HELLO takes.
const LONGSTR_MIN: usize = 4;

/// The bytes of an empty `string` and an empty `longstr`, which is the least that a
/// header takes.
const HEADER_MIN: usize = 5;

/// 2^32 groups or headers don't fit into memory, so the count never saturates.
fn put_count(out: &mut impl BufMut, count: usize) {
    out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}

//! A node's name and headers, as HELLO and UPDATE carry them.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::hello_headers::RESERVED_HEADERS;
use crate::limits::MessageLimits;
use crate::texts::Texts;
use crate::wire::{FieldError, Reader, put_count, put_longstr, put_string};

/// A node's name and its headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// The headers. If a message has a key twice, the last value counts.
    pub headers: BTreeMap<String, String>,
}

impl Profile {
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        put_profile(out, &self.name, &self.headers);
    }

    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        limits: &MessageLimits,
    ) -> Result<Self, FieldError> {
        let mut texts = Texts::of(reader, limits);
        Self::decode_with(reader, limits, &mut texts)
    }

    pub(crate) fn decode_with(
        reader: &mut Reader<'_>,
        limits: &MessageLimits,
        texts: &mut Texts,
    ) -> Result<Self, FieldError> {
        let name = reader.string("node name", limits.name_bytes)?;
        let name = texts.take(name, limits.name_bytes)?;
        let most = limits.headers.saturating_add(RESERVED_HEADERS);
        let mut headers = BTreeMap::new();
        for _ in 0..reader.count("headers", HEADER_MIN, most)? {
            let key = reader.string("header name", limits.header_key_bytes)?;
            let key = texts.take(key, limits.header_key_bytes)?;
            let value = reader.longstr("header value", limits.header_value_bytes)?;
            let value = texts.take(value, limits.header_value_bytes)?;
            headers.insert(key, value);
        }
        Ok(Self { name, headers })
    }
}

pub(crate) fn put_profile(out: &mut impl BufMut, name: &str, headers: &BTreeMap<String, String>) {
    put_string(out, name);
    put_count(out, headers.len());
    for (key, value) in headers {
        put_string(out, key);
        put_longstr(out, value);
    }
}

/// The bytes of an empty `string` and an empty `longstr`, which is the least that a
/// header takes.
const HEADER_MIN: usize = 5;

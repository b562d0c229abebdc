//! The name-value list of a READY or INITIATE command.

use bytes::{BufMut, Bytes};

/// Why a list of properties was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A property runs past the end of its command.
    #[error("metadata cut short at byte {at}")]
    Truncated {
        /// Offset of the property within the metadata.
        at: usize,
    },
    /// RFC 23: "name = OCTET 1*255name-char".
    #[error("metadata with an empty or invalid property name at byte {at}")]
    Name {
        /// Offset of the property within the metadata.
        at: usize,
    },
}

/// Properties that a peer announced, checked for their form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    bytes: Bytes,
}

impl Metadata {
    /// Checks and keeps a property list; the bytes are shared, not copied.
    ///
    /// # Errors
    ///
    /// A list that doesn't follow RFC 23's grammar to its last byte.
    pub fn parse(bytes: Bytes) -> Result<Metadata, MetadataError> {
        let mut at = 0;
        while at < bytes.len() {
            at = property(&bytes, at)?.2;
        }
        Ok(Metadata { bytes })
    }

    /// The properties in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (name, value, next) = property(&self.bytes, at).ok()?;
            at = next;
            Some((name, value))
        })
    }

    /// The first value under that name. RFC 23: names are case-insensitive.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Writes one property. A name over 255 bytes would be cut; all names are
    /// constants of this crate, and shorter.
    pub(crate) fn encode(name: &str, value: &[u8], out: &mut impl BufMut) {
        let name = name.as_bytes();
        let name = name.get(..255).unwrap_or(name);
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.put_slice(name);
        out.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        out.put_slice(value);
    }
}

type Property<'a> = (&'a [u8], &'a [u8], usize);

fn property(bytes: &[u8], at: usize) -> Result<Property<'_>, MetadataError> {
    let cut = MetadataError::Truncated { at };
    let rest = bytes.get(at..).ok_or(cut.clone())?;
    let (&name_len, rest) = rest.split_first().ok_or(cut.clone())?;
    let (name, rest) = rest
        .split_at_checked(usize::from(name_len))
        .ok_or(cut.clone())?;
    let name_char = |b: &u8| b.is_ascii_alphanumeric() || b"-_.+".contains(b);
    if name.is_empty() || !name.iter().all(name_char) {
        return Err(MetadataError::Name { at });
    }
    let (value_len, rest) = rest.split_first_chunk::<4>().ok_or(cut.clone())?;
    let value_len = usize::try_from(u32::from_be_bytes(*value_len)).map_err(|_| cut.clone())?;
    let value = rest.get(..value_len).ok_or(cut)?;
    let head = name.len().saturating_add(1 + 4);
    let next = at.saturating_add(head).saturating_add(value_len);
    Ok((name, value, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        Metadata::encode("Socket-Type", b"DEALER", &mut out);
        Metadata::encode("Identity", b"", &mut out);
        Metadata::encode("X-Other", &[0xff; 300], &mut out);
        out
    }

    #[test]
    fn properties_come_back_whatever_their_case() {
        let metadata = Metadata::parse(sample().into()).unwrap();
        assert_eq!(metadata.get("socket-type"), Some(&b"DEALER"[..]));
        assert_eq!(metadata.get("IDENTITY"), Some(&b""[..]));
        assert_eq!(metadata.get("X-Other").map(<[u8]>::len), Some(300));
        assert_eq!(metadata.get("absent"), None);
        assert_eq!(metadata.iter().count(), 3);
    }

    #[test]
    fn a_list_cut_inside_a_property_is_an_error() {
        let bytes = sample();
        let ends = [0, 22, 22 + 13, bytes.len()];
        for n in 0..=bytes.len() {
            let got = Metadata::parse(Bytes::copy_from_slice(&bytes[..n]));
            assert_eq!(got.is_ok(), ends.contains(&n), "{n} bytes");
        }
    }

    #[test]
    fn names_are_checked() {
        for bytes in [&b"\x00\x00\x00\x00\x00"[..], b"\x01 \x00\x00\x00\x00"] {
            assert_eq!(
                Metadata::parse(Bytes::copy_from_slice(bytes)),
                Err(MetadataError::Name { at: 0 })
            );
        }
        // 2^32 - 1 bytes announced: nothing is allocated for them.
        assert_eq!(
            Metadata::parse(Bytes::from_static(b"\x01A\xff\xff\xff\xffx")),
            Err(MetadataError::Truncated { at: 0 })
        );
    }
}

//! Z85 (RFC 32) of 32 bytes: the text form of a key.

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Characters of a key.
pub(crate) const TEXT_LEN: usize = 40;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// The text of a key, all of it ASCII.
pub(crate) fn encode(key: &[u8; KEY_LEN]) -> [u8; TEXT_LEN] {
    let mut text = [0; TEXT_LEN];
    for (bytes, chars) in key.chunks_exact(4).zip(text.chunks_exact_mut(5)) {
        let mut value = bytes
            .iter()
            .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        for place in chars.iter_mut().rev() {
            // The remainder is less than 85.
            *place = ALPHABET.get((value % 85) as usize).copied().unwrap_or(b'0');
            value /= 85;
        }
    }
    text
}

/// The key of a text; `None` if it isn't the Z85 of 32 bytes.
pub(crate) fn decode(text: &[u8]) -> Option<[u8; KEY_LEN]> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut key = [0; KEY_LEN];
    for (chars, bytes) in text.chunks_exact(5).zip(key.chunks_exact_mut(4)) {
        let value = chars.iter().try_fold(0u64, |sum, char| {
            let digit = ALPHABET.iter().position(|known| known == char)?;
            sum.checked_mul(85)?.checked_add(digit as u64)
        })?;
        bytes.copy_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_specification_come_back() {
        // RFC 32's example is of 8 bytes; the rest of the key is zero.
        let mut key = [0; KEY_LEN];
        key[..8].copy_from_slice(&[0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]);
        let text = encode(&key);
        assert_eq!(&text[..10], b"HelloWorld");
        assert_eq!(text[10..], [b'0'; 30]);
        assert_eq!(decode(&text), Some(key));
        assert_eq!(decode(&encode(&[0xFF; 32])), Some([0xFF; 32]));
    }

    #[test]
    fn other_texts_are_no_keys() {
        let good = encode(&[7; KEY_LEN]);
        assert_eq!(decode(&good[..39]), None);
        assert_eq!(decode(&[&good[..], b"0"].concat()), None);
        for bad in [b' ', b'"', b'\\', b'~', 0xC3] {
            let mut text = good;
            text[17] = bad;
            assert_eq!(decode(&text), None);
        }
        // Five characters can say more than four bytes hold.
        let mut text = good;
        text[..5].copy_from_slice(b"#####");
        assert_eq!(decode(&text), None);
    }
}

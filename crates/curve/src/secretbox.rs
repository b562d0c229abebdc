//! XSalsa20-Poly1305, NaCl's `crypto_secretbox`, of RustCrypto's crates or of dryoc. Both
//! make the same bytes.
//!
//! A box is 16 bytes of authentication followed by the ciphertext.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

/// How much longer a box is than its content.
pub(crate) const TAG: usize = 16;

#[cfg(feature = "dryoc")]
pub(crate) use self::dryoc::SecretBox;
#[cfg(not(feature = "dryoc"))]
pub(crate) use self::rustcrypto::SecretBox;

#[cfg(any(test, not(feature = "dryoc")))]
mod rustcrypto {
    use crypto_secretbox::{AeadInPlace, KeyInit, Tag, XSalsa20Poly1305};

    use super::{BufMut, BytesMut, Range, TAG};

    /// A key that is erased when it is dropped.
    #[derive(Clone)]
    pub(crate) struct SecretBox(XSalsa20Poly1305);

    impl SecretBox {
        pub(crate) fn new(key: &[u8; 32]) -> SecretBox {
            SecretBox(XSalsa20Poly1305::new(key.into()))
        }

        /// Appends a box of these parts.
        pub(crate) fn seal(&self, nonce: &[u8; 24], parts: &[&[u8]], out: &mut BytesMut) {
            let start = out.len();
            out.put_bytes(0, TAG);
            parts.iter().for_each(|part| out.put_slice(part));
            let place = out.get_mut(start..).unwrap_or_default();
            let Some((tag, content)) = place.split_first_chunk_mut::<TAG>() else {
                return;
            };
            match self.0.encrypt_in_place_detached(nonce.into(), b"", content) {
                Ok(made) => tag.copy_from_slice(&made),
                // It can't fail without associated data. If it did, nothing must leave
                // in the clear.
                Err(_) => content.fill(0),
            }
        }

        /// Opens a box in its place, and returns where in it the content lies then.
        /// Whether it is genuine is found out in constant time, and before anything is
        /// decrypted.
        pub(crate) fn open(&self, nonce: &[u8; 24], place: &mut [u8]) -> Option<Range<usize>> {
            let len = place.len();
            let (tag, content) = place.split_first_chunk_mut::<TAG>()?;
            let tag = Tag::from(*tag);
            self.0
                .decrypt_in_place_detached(nonce.into(), b"", content, &tag)
                .ok()?;
            Some(TAG..len)
        }
    }
}

#[cfg(feature = "dryoc")]
mod dryoc {
    use dryoc::classic::crypto_secretbox::{
        crypto_secretbox_easy_inplace, crypto_secretbox_open_easy_inplace,
    };
    use zeroize::Zeroizing;

    use super::{BufMut, BytesMut, Range, TAG};

    /// A key that is erased when it is dropped.
    #[derive(Clone)]
    pub(crate) struct SecretBox(Zeroizing<[u8; 32]>);

    impl SecretBox {
        pub(crate) fn new(key: &[u8; 32]) -> SecretBox {
            SecretBox(Zeroizing::new(*key))
        }

        /// Appends a box of these parts.
        pub(crate) fn seal(&self, nonce: &[u8; 24], parts: &[&[u8]], out: &mut BytesMut) {
            let start = out.len();
            parts.iter().for_each(|part| out.put_slice(part));
            out.put_bytes(0, TAG);
            let place = out.get_mut(start..).unwrap_or_default();
            if crypto_secretbox_easy_inplace(place, nonce, &self.0).is_err() {
                // It can't fail, as there is room. If it did, nothing must leave in the
                // clear.
                place.fill(0);
            }
        }

        /// Opens a box in its place, and returns where in it the content lies then.
        /// Whether it is genuine is found out in constant time, and before anything is
        /// decrypted.
        pub(crate) fn open(&self, nonce: &[u8; 24], place: &mut [u8]) -> Option<Range<usize>> {
            crypto_secretbox_open_easy_inplace(place, nonce, &self.0).ok()?;
            Some(0..place.len().checked_sub(TAG)?)
        }
    }
}

#[cfg(all(test, feature = "dryoc"))]
mod tests {
    use super::*;

    /// dryoc chooses its kernels by length and by processor: every length at which it
    /// could take another one, and each tail, must come out as RustCrypto's do.
    #[test]
    fn both_crates_make_the_same_boxes_of_every_length() {
        let mut random = fastrand::Rng::with_seed(7);
        let lengths = (0..=2200).chain([65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 17]);
        for len in lengths {
            let key: [u8; 32] = std::array::from_fn(|_| random.u8(..));
            let nonce: [u8; 24] = std::array::from_fn(|_| random.u8(..));
            let mut content = vec![0; len];
            random.fill(&mut content);
            let boxed = |seal: &dyn Fn(&mut BytesMut)| {
                let mut out = BytesMut::from(&b"before"[..]);
                seal(&mut out);
                out
            };
            let (reference, fast) = (rustcrypto::SecretBox::new(&key), SecretBox::new(&key));
            let parts = content.split_at(len.min(1));
            let parts = [parts.0, parts.1];
            let expected = boxed(&|out| reference.seal(&nonce, &parts, out));
            let made = boxed(&|out| fast.seal(&nonce, &parts, out));
            assert!(made == expected, "{len} bytes");

            let place = expected.get(6..).unwrap();
            let (mut here, mut there) = (place.to_vec(), place.to_vec());
            let at = fast.open(&nonce, &mut here).unwrap();
            assert!(here[at] == content, "{len} bytes");
            let at = reference.open(&nonce, &mut there).unwrap();
            assert!(there[at] == content, "{len} bytes");
            let mut place = expected.get(6..).unwrap().to_vec();
            let bit = random.usize(..place.len() * 8);
            place[bit / 8] ^= 1 << (bit % 8);
            assert!(fast.open(&nonce, &mut place).is_none(), "{len} bytes");
        }
    }

    /// Contents of ones carry furthest in the sums of Poly1305.
    #[test]
    fn both_crates_carry_alike() {
        let mut random = fastrand::Rng::with_seed(8);
        for round in 0..500 {
            let key: [u8; 32] = std::array::from_fn(|_| random.u8(..));
            let nonce: [u8; 24] = std::array::from_fn(|_| random.u8(..));
            let len = random.usize(..2048);
            // The ciphertext, which is what is summed up, becomes 0xFF.
            let reference = rustcrypto::SecretBox::new(&key);
            let mut stream = BytesMut::new();
            reference.seal(&nonce, &[&vec![0; len]], &mut stream);
            let content: Vec<u8> = stream[TAG..].iter().map(|byte| !byte).collect();
            let (mut expected, mut made) = (BytesMut::new(), BytesMut::new());
            reference.seal(&nonce, &[&content], &mut expected);
            SecretBox::new(&key).seal(&nonce, &[&content], &mut made);
            assert!(expected[TAG..].iter().all(|byte| *byte == 0xFF));
            assert_eq!(made, expected, "round {round}");
        }
    }
}

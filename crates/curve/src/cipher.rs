//! The only place that touches keys as numbers: NaCl's `crypto_box`, put together
//! from the crates that compute its parts.

use std::fmt;
use std::ops::Range;

use bytes::BytesMut;
use salsa20::cipher::consts::U10;
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::{Zeroize, Zeroizing};
use zre_zmtp::HandshakeError;

use crate::PublicKey;
use crate::secretbox::SecretBox;
pub(crate) use crate::secretbox::TAG;

/// Fills an array with what only the system's generator knows.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], HandshakeError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(HandshakeError::Security(format!(
            "the system has no random bytes: {error}"
        ))),
    }
}

/// A secret key that is erased when it is dropped, and its public one.
pub(crate) struct Pair {
    secret: StaticSecret,
    public: PublicKey,
}

impl Pair {
    pub(crate) fn new(mut secret: [u8; 32]) -> Pair {
        let key = StaticSecret::from(secret);
        secret.zeroize();
        let public = PublicKey::from(Point::from(&key).to_bytes());
        Pair {
            secret: key,
            public,
        }
    }

    /// A pair for one connection.
    pub(crate) fn random() -> Result<Pair, HandshakeError> {
        random().map(Pair::new)
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The key that only the holders of the two secret keys have (NaCl's
    /// `crypto_box_beforenm`).
    ///
    /// `None` if the other key is one of the few with which everybody gets the
    /// same result.
    pub(crate) fn agree(&self, theirs: &PublicKey) -> Option<BoxKey> {
        let shared = self.secret.diffie_hellman(&Point::from(*theirs.as_bytes()));
        if !shared.was_contributory() {
            return None;
        }
        let mut key = salsa20::hsalsa::<U10>(shared.as_bytes().into(), &[0; 16].into());
        let made = BoxKey(SecretBox::new(key.as_ref()));
        key.as_mut_slice().zeroize();
        Some(made)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({})", self.public)
    }
}

/// The number that a box is made with; two boxes of a key must have two numbers.
pub(crate) struct Nonce([u8; 24]);

impl Nonce {
    /// A name and a number that rises.
    pub(crate) fn counted(name: &[u8; 16], number: u64) -> Nonce {
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(16);
        head.copy_from_slice(name);
        tail.copy_from_slice(&number.to_be_bytes());
        Nonce(bytes)
    }

    /// A name and a random rest.
    pub(crate) fn long(name: &[u8; 8], rest: &[u8; 16]) -> Nonce {
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(8);
        head.copy_from_slice(name);
        tail.copy_from_slice(rest);
        Nonce(bytes)
    }
}

/// What seals boxes and opens them; it is erased when it is dropped.
#[derive(Clone)]
pub(crate) struct BoxKey(SecretBox);

impl BoxKey {
    /// A key that one side has alone.
    pub(crate) fn random() -> Result<BoxKey, HandshakeError> {
        let key = Zeroizing::new(random::<32>()?);
        Ok(BoxKey(SecretBox::new(&key)))
    }

    /// Appends a box of these parts.
    pub(crate) fn seal(&self, nonce: &Nonce, parts: &[&[u8]], out: &mut BytesMut) {
        self.0.seal(&nonce.0, parts, out);
    }

    /// A box of these parts.
    pub(crate) fn sealed(&self, nonce: &Nonce, parts: &[&[u8]]) -> BytesMut {
        let lengths = parts.iter().map(|part| part.len());
        let mut made = BytesMut::with_capacity(lengths.fold(TAG, usize::saturating_add));
        self.seal(nonce, parts, &mut made);
        made
    }

    /// Opens a box in its place, and returns where in it the content lies then.
    pub(crate) fn open(&self, nonce: &Nonce, place: &mut [u8]) -> Option<Range<usize>> {
        self.0.open(&nonce.0, place)
    }

    /// The content of a box.
    pub(crate) fn opened(&self, nonce: &Nonce, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut place = Zeroizing::new(sealed.to_vec());
        let content = self.open(nonce, &mut place)?;
        Some(Zeroizing::new(place.get(content)?.to_vec()))
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks_exact(2)
            .map(|pair| (pair[0] * 16 + pair[1]) as u8)
            .collect()
    }

    fn key(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }

    const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    const ALICE_PUBLIC: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    const BOB: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    const BOB_PUBLIC: &str = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    const NONCE: &str = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
    const CONTENT: &str = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc\
        e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7f\
        a1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040\
        e082f937763848645e0705";
    const SEALED: &str = "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce\
        48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb8\
        63d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de\
        56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";

    /// The vectors of NaCl and libsodium (tests/box.c, box2.c), and of "Cryptography
    /// in NaCl".
    #[test]
    fn boxes_are_those_of_nacl() {
        let nonce = Nonce(hex(NONCE).try_into().unwrap());
        let (alice, bob) = (Pair::new(key(ALICE)), Pair::new(key(BOB)));
        assert_eq!(alice.public().as_bytes(), &key(ALICE_PUBLIC));
        assert_eq!(bob.public().as_bytes(), &key(BOB_PUBLIC));
        assert_eq!(*alice.secret(), key(ALICE));
        for shared in [
            alice.agree(bob.public()).unwrap(),
            bob.agree(alice.public()).unwrap(),
        ] {
            let sealed = shared.sealed(&nonce, &[&hex(CONTENT)]);
            assert_eq!(sealed, hex(SEALED));
            assert_eq!(shared.opened(&nonce, &sealed).unwrap()[..], hex(CONTENT));
        }
    }

    /// "Cryptography in NaCl", section 8: the key that both get, by what it seals.
    #[test]
    fn the_agreed_key_is_that_of_nacl() {
        let published = key("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let published = BoxKey(SecretBox::new(&published));
        let agreed = Pair::new(key(ALICE)).agree(&PublicKey::from(key(BOB_PUBLIC)));
        let nonce = || Nonce([9; 24]);
        assert_eq!(
            published.sealed(&nonce(), &[b"content"]),
            agreed.unwrap().sealed(&nonce(), &[b"content"])
        );
    }

    #[test]
    fn a_box_that_was_changed_in_any_bit_cannot_be_opened() {
        let key = BoxKey::random().unwrap();
        let nonce = |last| Nonce([last; 24]);
        let sealed = key.sealed(&nonce(1), &[b"some", b" content"]);
        assert_eq!(
            key.opened(&nonce(1), &sealed).unwrap()[..],
            *b"some content"
        );
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.opened(&nonce(1), &changed).is_none(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(key.opened(&nonce(1), &sealed[..len]).is_none());
        }
        assert!(key.opened(&nonce(2), &sealed).is_none());
        let other = BoxKey::random().unwrap();
        assert!(other.opened(&nonce(1), &sealed).is_none());
    }

    /// Points of small order, as libsodium's list has them: whatever the secret key,
    /// the result is the same.
    #[test]
    fn nothing_is_agreed_with_keys_of_small_order() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = [0xFF; 32];
        minus_one[0] = 0xEC;
        minus_one[31] = 0x7F;
        let order_8 = key("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
        let pair = Pair::random().unwrap();
        for point in [[0; 32], one, minus_one, order_8] {
            assert!(pair.agree(&PublicKey::from(point)).is_none());
        }
    }
}

//! What users meet, by serde: states and endpoints as their text, messages as
//! their frames, and messages that carry JSON.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Endpoint, Message, State};

/// Why a message isn't what the program expects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// JSON is one frame.
    #[error("a message of {0} frames, where JSON is one")]
    Frames(usize),
    /// The frame is no JSON, or says something else than was expected.
    #[error("not the JSON that was expected: {0}")]
    Json(#[from] serde_json::Error),
}

impl Message {
    /// A message of one frame that says the value in JSON.
    ///
    /// # Errors
    /// The value can't be said in JSON, such as a map with keys that aren't text.
    ///
    /// ```
    /// use zre_proto::Message;
    ///
    /// let message = Message::json(&("temperature", 21.5)).unwrap();
    /// assert_eq!(message.to_str(), Some(r#"["temperature",21.5]"#));
    /// let (what, value): (String, f64) = message.parse().unwrap();
    /// assert_eq!((what.as_str(), value), ("temperature", 21.5));
    /// ```
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(Self::from)
    }

    /// The value that a message of one frame says in JSON.
    ///
    /// # Errors
    /// [`ParseError`]: a peer can send anything.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        match self.frames() {
            [frame] => Ok(serde_json::from_slice(frame)?),
            frames => Err(ParseError::Frames(frames.len())),
        }
    }
}

/// A list of frames, each as bytes: in JSON, lists of numbers.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.frames())
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Bytes>::deserialize(deserializer).map(Self::from)
    }
}

/// As text, by `Display` and `FromStr`.
macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

as_text!(State Endpoint);

//! The public types in serde: states and endpoints as their text, messages as
//! lists of frames, and messages that carry JSON.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
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

/// A list of frames. In JSON and other text formats, a frame is a string, or
/// `{"base64": ".."}` if it isn't UTF-8; in binary formats it is bytes.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.frames().iter().map(Frame))
    }
}

/// Text formats may also write a frame of text as base64, or any frame as a list of
/// byte values.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frames = Vec::<OwnedFrame>::deserialize(deserializer)?;
        Ok(frames.into_iter().map(|OwnedFrame(bytes)| bytes).collect())
    }
}

struct Frame<'a>(&'a Bytes);

impl Serialize for Frame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.0);
        }
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

struct OwnedFrame(Bytes);

impl<'de> Deserialize<'de> for OwnedFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(FrameVisitor)
        } else {
            Bytes::deserialize(deserializer).map(Self)
        }
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = OwnedFrame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame, which is a string or {\"base64\":\"..\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OwnedFrame, E> {
        Ok(OwnedFrame(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<OwnedFrame, E> {
        Ok(OwnedFrame(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OwnedFrame, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element::<u8>()? {
            bytes.push(byte);
        }
        Ok(OwnedFrame(bytes.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OwnedFrame, A::Error> {
        let Some((key, text)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::missing_field("base64"));
        };
        if key != "base64" {
            return Err(de::Error::unknown_field(&key, &["base64"]));
        }
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom("a frame has the field base64 alone"));
        }
        match STANDARD.decode(text) {
            Ok(bytes) => Ok(OwnedFrame(bytes.into())),
            Err(error) => Err(de::Error::custom(format_args!("base64: {error}"))),
        }
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

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use crate::{Endpoint, Message, State};

    impl JsonSchema for Message {
        fn schema_name() -> Cow<'static, str> {
            "Frames".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "The frames of a message. A frame is a string, or its bytes in \
                                base64 if they aren't UTF-8.",
                "type": "array",
                "items": {
                    "oneOf": [
                        { "type": "string" },
                        {
                            "type": "object",
                            "properties": {
                                "base64": { "type": "string", "contentEncoding": "base64" },
                            },
                            "required": ["base64"],
                            "additionalProperties": false,
                        },
                    ],
                },
            })
        }
    }

    impl JsonSchema for State {
        fn schema_name() -> Cow<'static, str> {
            "State".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A node's state: init, ready, busy, draining, asleep, exit, or a \
                                number up to 255.",
                "type": "string",
            })
        }
    }

    impl JsonSchema for Endpoint {
        fn schema_name() -> Cow<'static, str> {
            "Endpoint".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "An address at which a node can be dialled, such as \
                                tcp://10.0.0.1:49152.",
                "type": "string",
            })
        }
    }
}

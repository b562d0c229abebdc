//! The JSON lines that scripts say to `zre node --json`; what it says is in
//! `report`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use zre::Message;

/// A line of input.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "cmd", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    /// Be in a group.
    Join { group: String },
    /// Be in it no more.
    Leave { group: String },
    /// Want to lead a group.
    Contest { group: String },
    /// To one peer, by UUID or name.
    Whisper { peer: String, frames: Vec<Frame> },
    /// To all peers in a group.
    Shout { group: String, frames: Vec<Frame> },
    /// Show another state.
    State { state: String },
    /// Ask who is here.
    Peers {},
    /// Ask which groups there are.
    Groups {},
    /// Ask who the node is.
    Node {},
    /// Measure a round trip to a peer.
    Ping {
        peer: String,
        #[serde(default = "two_seconds")]
        timeout_ms: u64,
    },
    /// Be told what happens from now on. Whoever speaks through standard input
    /// is told anyway.
    Watch {},
    /// Leave.
    Stop {},
}

fn two_seconds() -> u64 {
    2000
}

impl Command {
    /// # Errors
    /// What is wrong with the line, in words for whoever wrote it.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        // The derived reader would take an array for an object as well.
        if !line.trim_start().starts_with('{') {
            return Err("not a command: an object like {\"cmd\":\"peers\"} is expected".into());
        }
        serde_json::from_str(line).map_err(|error| format!("not a command: {error}"))
    }
}

/// A frame: a string, or `{"base64": ".."}` where it isn't UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame(Bytes);

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The frames as the library wants them.
pub(crate) fn message(frames: Vec<Frame>) -> Message {
    frames.into_iter().map(|frame| frame.0).collect()
}

pub(crate) fn frames(message: &Message) -> Vec<Frame> {
    message.frames().iter().cloned().map(Frame).collect()
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame, which is a string or {\"base64\":\"..\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Frame, E> {
        Ok(Frame(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Frame, E> {
        Ok(Frame(text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Frame, A::Error> {
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
            Ok(bytes) => Ok(Frame(bytes.into())),
            Err(error) => Err(de::Error::custom(format_args!("base64: {error}"))),
        }
    }
}

/// Appends an object as a line.
pub(crate) fn line(object: &impl Serialize, lines: &mut Vec<u8>) {
    let before = lines.len();
    // Nothing here can fail to serialize into memory; if it ever did, half
    // a line would be worse than none.
    match serde_json::to_writer(&mut *lines, object) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        Command::parse(line).expect_err(line)
    }

    #[test]
    fn a_frame_is_text_or_base64() {
        let line = r#"{"cmd":"whisper","peer":"bob","frames":["ä\n",{"base64":"/wD+"},""]}"#;
        let Command::Whisper { peer, frames } = serde_json::from_str(line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!(peer, "bob");
        assert_eq!(
            serde_json::to_string(&frames).unwrap(),
            r#"["ä\n",{"base64":"/wD+"},""]"#
        );
        let sent = message(frames);
        assert_eq!(sent.frame(0), Some("ä\n".as_bytes()));
        assert_eq!(sent.frame(1), Some(&[0xff, 0, 0xfe][..]));
        // Text may come as base64 as well.
        let frame: Frame = serde_json::from_str(r#"{"base64":"YQ=="}"#).unwrap();
        assert_eq!(serde_json::to_string(&frame).unwrap(), r#""a""#);
    }

    #[test]
    fn a_bad_line_is_told_what_is_wrong_with_it() {
        assert!(error("{").contains("EOF"));
        assert!(error(r#"["peers"]"#).contains("an object"));
        assert!(error("nonsense").contains("an object"));
        assert!(error("{}").contains("missing field `cmd`"));
        assert!(error(r#"{"cmd":"dance"}"#).contains("unknown variant `dance`"));
        assert!(error(r#"{"cmd":"join"}"#).contains("missing field `group`"));
        assert!(error(r#"{"cmd":"join","group":"G","x":1}"#).contains("unknown field `x`"));
        assert!(error(r#"{"cmd":"stop","x":1}"#).contains("unknown field `x`"));
        assert!(error(r#"{"cmd":"peers"} {}"#).contains("trailing"));
        let frame = |frame: &str| {
            error(&format!(
                r#"{{"cmd":"shout","group":"G","frames":[{frame}]}}"#
            ))
        };
        assert!(frame("7").contains("a string or"));
        assert!(frame(r#"{"base64":"?"}"#).contains("base64"));
        assert!(frame(r#"{"hex":"00"}"#).contains("unknown field `hex`"));
        assert!(frame("{}").contains("missing field `base64`"));
        assert!(frame(r#"{"base64":"","base64":""}"#).contains("alone"));
    }
}

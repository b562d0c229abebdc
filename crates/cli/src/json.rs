//! The JSON lines that scripts speak with `zre node --json`.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use zre::{Event, Message, Node, Peer, Uuid};

/// A line of input.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    /// Be in a group.
    Join { group: String },
    /// Be in it no more.
    Leave { group: String },
    /// To one peer, by UUID or name.
    Whisper { peer: String, frames: Vec<Frame> },
    /// To all peers in a group.
    Shout { group: String, frames: Vec<Frame> },
    /// Show another state.
    State { state: String },
    /// Ask who is here.
    Peers {},
    /// Leave.
    Stop {},
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

/// The frames as the library wants them.
pub(crate) fn message(frames: Vec<Frame>) -> Message {
    frames.into_iter().map(|frame| frame.0).collect()
}

fn frames(message: &Message) -> Vec<Frame> {
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

/// A line of output.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Report<'a> {
    Started {
        uuid: String,
        name: &'a str,
        endpoint: String,
    },
    Enter {
        peer: String,
        name: &'a str,
        headers: &'a BTreeMap<String, String>,
        endpoint: String,
        link: String,
        via: Vec<String>,
    },
    Exit {
        peer: String,
        name: &'a str,
        reason: String,
        unconfirmed: u64,
    },
    Join {
        peer: String,
        name: &'a str,
        group: &'a str,
    },
    Leave {
        peer: String,
        name: &'a str,
        group: &'a str,
    },
    Whisper {
        peer: String,
        name: &'a str,
        frames: Vec<Frame>,
    },
    Shout {
        peer: String,
        name: &'a str,
        group: &'a str,
        frames: Vec<Frame>,
    },
    State {
        peer: String,
        name: &'a str,
        from: String,
        to: String,
    },
    Evasive {
        peer: String,
        name: &'a str,
    },
    Silent {
        peer: String,
        name: &'a str,
    },
    Responsive {
        peer: String,
        name: &'a str,
    },
    Conflict {
        uuid: String,
    },
    Discovery {
        up: bool,
        interface: &'a str,
        address: String,
        reason: &'a str,
    },
    Peers {
        peers: Vec<Known<'a>>,
    },
    Error {
        message: String,
    },
    Stopped {},
}

/// A peer in the answer to `peers`.
#[derive(Debug, Serialize)]
pub(crate) struct Known<'a> {
    peer: String,
    name: &'a str,
    headers: &'a BTreeMap<String, String>,
    endpoint: String,
    link: String,
    state: String,
    groups: Vec<String>,
    via: Vec<String>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(peer: &'a Peer) -> Self {
        Self {
            peer: hex(peer.uuid()),
            name: peer.name(),
            headers: peer.headers(),
            endpoint: peer.endpoint().to_string(),
            link: peer.link().to_string(),
            state: peer.state().to_string(),
            groups: peer.groups().iter().map(ToString::to_string).collect(),
            via: via(peer),
        }
    }
}

/// As everything writes UUIDs here: 32 lower-case hex digits.
fn hex(uuid: Uuid) -> String {
    uuid.simple().to_string()
}

fn via(peer: &Peer) -> Vec<String> {
    peer.via().iter().map(ToString::to_string).collect()
}

impl<'a> Report<'a> {
    pub(crate) fn started(node: &'a Node) -> Self {
        Self::Started {
            uuid: hex(node.uuid()),
            name: node.name(),
            endpoint: node.endpoint().to_string(),
        }
    }

    pub(crate) fn error(message: impl fmt::Display) -> Self {
        Self::Error {
            message: message.to_string(),
        }
    }

    /// `None` for a kind of event that came into the library later.
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        let who = |peer: &'a Peer| (hex(peer.uuid()), peer.name());
        Some(match event {
            Event::Enter { peer } => Self::Enter {
                peer: hex(peer.uuid()),
                name: peer.name(),
                headers: peer.headers(),
                endpoint: peer.endpoint().to_string(),
                link: peer.link().to_string(),
                via: via(peer),
            },
            Event::Exit {
                peer,
                reason,
                unconfirmed,
            } => Self::Exit {
                peer: hex(peer.uuid()),
                name: peer.name(),
                reason: reason.to_string(),
                unconfirmed: *unconfirmed,
            },
            Event::Join { peer, group } => {
                let (peer, name) = who(peer);
                Self::Join { peer, name, group }
            }
            Event::Leave { peer, group } => {
                let (peer, name) = who(peer);
                Self::Leave { peer, name, group }
            }
            Event::Whisper { peer, message } => {
                let (peer, name) = who(peer);
                let frames = frames(message);
                Self::Whisper { peer, name, frames }
            }
            Event::Shout {
                peer,
                group,
                message,
            } => {
                let (peer, name) = who(peer);
                Self::Shout {
                    peer,
                    name,
                    group,
                    frames: frames(message),
                }
            }
            Event::State { peer, from, to } => {
                let (peer, name) = who(peer);
                Self::State {
                    peer,
                    name,
                    from: from.to_string(),
                    to: to.to_string(),
                }
            }
            Event::Evasive { peer } => {
                let (peer, name) = who(peer);
                Self::Evasive { peer, name }
            }
            Event::Silent { peer } => {
                let (peer, name) = who(peer);
                Self::Silent { peer, name }
            }
            Event::Responsive { peer } => {
                let (peer, name) = who(peer);
                Self::Responsive { peer, name }
            }
            Event::Conflict { uuid } => Self::Conflict { uuid: hex(*uuid) },
            Event::Discovery {
                up,
                interface,
                reason,
            } => Self::Discovery {
                up: *up,
                interface: &interface.name,
                address: interface.addr.to_string(),
                reason,
            },
            _ => return None,
        })
    }

    /// Appends the line.
    pub(crate) fn write(&self, lines: &mut Vec<u8>) {
        line(self, lines);
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

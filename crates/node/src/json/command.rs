use std::time::Duration;

use serde::{Deserialize, Serialize};
use zre_proto::{Message, State};

use super::{Line, Tagged, time};

/// What a node is asked to do, as a line of input of `zre node --json`.
///
/// A node refuses fields that it doesn't know.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Join a group.
    Join {
        /// The group.
        group: String,
    },
    /// Leave a group.
    Leave {
        /// The group.
        group: String,
    },
    /// Take part in the elections of a group.
    Contest {
        /// The group.
        group: String,
    },
    /// Send a message to one peer.
    Whisper {
        /// The peer's UUID or name.
        peer: String,
        /// The frames.
        frames: Message,
    },
    /// Send a message to all peers in a group.
    Shout {
        /// The group.
        group: String,
        /// The frames.
        frames: Message,
    },
    /// Send a request to a peer. The answer is `reply` or `error`; other commands
    /// don't wait for it.
    Request {
        /// The peer's UUID or name.
        peer: String,
        /// The frames.
        frames: Message,
        /// How long to wait for the answer, such as `500ms`.
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        #[serde(default = "ten_seconds", with = "time")]
        timeout: Duration,
    },
    /// Answer a request of a peer.
    Reply {
        /// The number that the event `request` has.
        id: u64,
        /// The frames.
        frames: Message,
    },
    /// Show another state.
    State {
        /// The state.
        state: State,
    },
    /// Give this node another name.
    SetName {
        /// The name.
        name: String,
    },
    /// Add a header of this node, or give it another value.
    SetHeader {
        /// The name of the header.
        key: String,
        /// Its value.
        value: String,
    },
    /// Remove a header of this node.
    RemoveHeader {
        /// The name of the header.
        key: String,
    },
    /// List the peers that are here. The answer is `peers`.
    Peers {},
    /// List the groups that peers are in. The answer is `groups`.
    Groups {},
    /// Describe the node itself. The answer is `node`.
    Node {},
    /// Wait until so many peers are here, or in a group; commands after it wait too.
    /// The answer is `done`, or an error with the code `elapsed`.
    Wait {
        /// How many peers: 1 by default.
        #[serde(default = "one")]
        peers: usize,
        /// The group that they are to be in; any peer counts if it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// How long to wait at most, such as `500ms`.
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        #[serde(default = "ten_seconds", with = "time")]
        timeout: Duration,
    },
    /// Give the node's figures. The answer is `stats`.
    Stats {},
    /// Measure the round trip to a peer. The answer is `pong` or `error`; other
    /// commands don't wait for it.
    Ping(Ping),
    /// Report events from now on, to a client of `--control`. Standard output gets
    /// them anyway.
    Watch {},
    /// Leave the network and end.
    Stop {},
}

/// The fields of [`Command::Ping`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "PingFields")]
pub struct Ping {
    /// The peer's UUID or name.
    pub peer: String,
    /// How long to wait for the answer: 2 s by default, 60 s at most. It may also be
    /// written as `timeout_ms`, a number of milliseconds.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    #[serde(with = "time")]
    pub timeout: Duration,
}

/// The fields that are read for a [`Ping`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PingFields {
    /// The peer's UUID or name.
    peer: String,
    /// How long to wait for the answer: 2s by default, 60s at most.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    #[serde(default)]
    timeout: Option<Timeout>,
    /// The same in milliseconds.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Timeout(#[serde(with = "time")] Duration);

impl TryFrom<PingFields> for Ping {
    type Error = &'static str;

    fn try_from(fields: PingFields) -> Result<Self, Self::Error> {
        let timeout = match (fields.timeout, fields.timeout_ms) {
            (None, None) => Duration::from_secs(2),
            (Some(Timeout(timeout)), None) => timeout,
            (None, Some(ms)) => Duration::from_millis(ms),
            (Some(_), Some(_)) => return Err("timeout and timeout_ms are the same: name one"),
        };
        Ok(Self {
            peer: fields.peer,
            timeout,
        })
    }
}

fn one() -> usize {
    1
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

/// Reads a line as a command.
///
/// # Errors
/// The line isn't a command. The error is the answer to it: [`Line::Error`], with the
/// line's tag if one can be read.
///
/// ```
/// use zre::json::{Command, parse_command};
///
/// let tagged = parse_command(r#"{"cmd":"join","group":"chat","tag":"t1"}"#).unwrap();
/// assert!(matches!(tagged.content, Command::Join { group } if group == "chat"));
/// assert_eq!(tagged.tag.as_deref(), Some("t1"));
/// let answer = parse_command(r#"{"cmd":"dance","tag":"t2"}"#).unwrap_err();
/// assert_eq!(answer.tag.as_deref(), Some("t2"));
/// ```
pub fn parse_command(line: &str) -> Result<Tagged<Command>, Box<Tagged<Line>>> {
    // Some editors begin a file with this mark.
    let line = line.trim_start_matches('\u{feff}');
    #[derive(Deserialize)]
    struct TagAlone {
        tag: Option<String>,
    }

    // The derived reader would also take an array for an object.
    let parsed = if line.trim_start().starts_with('{') {
        serde_json::from_str(line).map_err(|error| error.to_string())
    } else {
        Err("an object like {\"cmd\":\"peers\"} is expected".into())
    };
    parsed.map_err(|error| {
        let content = Line::Error {
            message: format!("not a command: {error}"),
            code: "command".into(),
        };
        let tag = serde_json::from_str(line).map_or(None, |line: TagAlone| line.tag);
        Box::new(Tagged { content, tag })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        match parse_command(line).expect_err(line).content {
            Line::Error { message, .. } => message,
            other => panic!("{other:?}"),
        }
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
        assert_eq!(frames.frame(0), Some("ä\n".as_bytes()));
        assert_eq!(frames.frame(1), Some(&[0xff, 0, 0xfe][..]));
        // Text may come as base64 as well.
        let frames: Message = serde_json::from_str(r#"[{"base64":"YQ=="}]"#).unwrap();
        assert_eq!(serde_json::to_string(&frames).unwrap(), r#"["a"]"#);
    }

    #[test]
    fn a_bad_line_gets_an_answer_that_says_what_is_wrong() {
        assert!(error("{").contains("EOF"));
        assert!(error(r#"["peers"]"#).contains("an object"));
        assert!(error("nonsense").contains("an object"));
        assert!(error("{}").contains("missing field `cmd`"));
        assert!(error(r#"{"cmd":"dance"}"#).contains("unknown variant `dance`"));
        assert!(error(r#"{"cmd":"join"}"#).contains("missing field `group`"));
        assert!(error(r#"{"cmd":"join","group":"G","x":1}"#).contains("unknown field `x`"));
        assert!(error(r#"{"cmd":"stop","x":1}"#).contains("unknown field `x`"));
        assert!(error(r#"{"cmd":"stop","cmd":"peers"}"#).contains("duplicate field `cmd`"));
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

    #[test]
    fn durations_are_text_and_a_ping_may_count_milliseconds() {
        let ping = |fields: &str| {
            let line = format!(r#"{{"cmd":"ping","peer":"bob"{fields}}}"#);
            match parse_command(&line) {
                Ok(Tagged {
                    content: Command::Ping(ping),
                    ..
                }) => Ok(ping.timeout.as_millis()),
                Ok(other) => panic!("{other:?}"),
                Err(_) => Err(error(&line)),
            }
        };
        assert_eq!(ping(""), Ok(2000));
        assert_eq!(ping(r#","timeout":"1m 500ms""#), Ok(60_500));
        assert_eq!(ping(r#","timeout_ms":250"#), Ok(250));
        for (fields, wrong) in [
            (r#","timeout":250"#, "invalid type"),
            (r#","timeout":"250""#, "\"2s\""),
            (r#","timeout":"1s","timeout_ms":1"#, "name one"),
            (r#","x":1"#, "unknown field `x`"),
        ] {
            assert!(ping(fields).unwrap_err().contains(wrong), "{fields}");
        }
    }

    #[test]
    fn a_tag_goes_with_every_command_and_with_the_answer_to_a_bad_one() {
        let tagged = parse_command(r#"{"tag":"t","cmd":"stop"}"#).unwrap();
        assert_eq!(
            (tagged.content, tagged.tag),
            (Command::Stop {}, Some("t".into()))
        );
        for line in [
            r#"{"cmd":"dance","tag":"t"}"#,
            r#"{"tag":"t","cmd":"join"}"#,
        ] {
            assert_eq!(parse_command(line).unwrap_err().tag.as_deref(), Some("t"));
        }
        assert!(error(r#"{"cmd":"stop","tag":7}"#).contains("invalid type"));
        let marked = parse_command("\u{feff}{\"cmd\":\"stop\"}").unwrap();
        assert_eq!(marked.content, Command::Stop {});
    }
}

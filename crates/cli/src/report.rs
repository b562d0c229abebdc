//! The JSON lines that `zre node --json` says.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zre::{Event, Node, Peer, Uuid};

use crate::json::{self, Frame, frames};

/// A line of output.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Report {
    Started(Own),
    Enter(Known),
    Exit {
        peer: String,
        name: String,
        reason: String,
        unconfirmed: u64,
    },
    Join {
        peer: String,
        name: String,
        group: String,
    },
    Leave {
        peer: String,
        name: String,
        group: String,
    },
    Whisper {
        peer: String,
        name: String,
        frames: Vec<Frame>,
    },
    Shout {
        peer: String,
        name: String,
        group: String,
        frames: Vec<Frame>,
    },
    State {
        peer: String,
        name: String,
        from: String,
        to: String,
    },
    Evasive {
        peer: String,
        name: String,
    },
    Silent {
        peer: String,
        name: String,
    },
    Responsive {
        peer: String,
        name: String,
    },
    Backpressure {
        peer: String,
        name: String,
        on: bool,
    },
    /// Somebody leads a group: a peer, or the node itself.
    Leader {
        group: String,
        uuid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// An election waits for these.
    Undecided {
        group: String,
        missing: Vec<Member>,
    },
    Conflict {
        uuid: String,
    },
    Discovery {
        up: bool,
        interface: String,
        address: String,
        reason: String,
    },
    Peers {
        peers: Vec<Known>,
    },
    Groups {
        groups: Vec<Group>,
    },
    Node(Own),
    /// The round trip to a peer.
    Pong {
        peer: String,
        name: String,
        ms: f64,
    },
    /// A command was carried out: whose queues took the message, and whose had
    /// no room.
    Done {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<Member>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        full: Vec<Member>,
    },
    Error {
        message: String,
    },
    Stopped {},
}

/// The node itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Own {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) groups: Vec<String>,
}

/// A peer, with all that is known of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Known {
    pub(crate) peer: String,
    pub(crate) name: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) endpoint: String,
    pub(crate) link: String,
    pub(crate) state: String,
    pub(crate) groups: Vec<String>,
    pub(crate) via: Vec<String>,
    /// Seconds since it was heard last, where somebody asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) silence: Option<f64>,
}

/// A peer where its UUID and name say enough.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Member {
    pub(crate) peer: String,
    pub(crate) name: String,
}

/// A group and who is in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Group {
    pub(crate) group: String,
    pub(crate) peers: Vec<Member>,
}

impl Own {
    pub(crate) fn new(node: &Node) -> Self {
        Self {
            uuid: hex(node.uuid()),
            name: node.name().to_owned(),
            endpoint: node.endpoint().to_string(),
            groups: node.own_groups().iter().map(ToString::to_string).collect(),
        }
    }
}

impl Known {
    pub(crate) fn new(peer: &Peer) -> Self {
        Self {
            peer: hex(peer.uuid()),
            name: peer.name().to_owned(),
            headers: peer.headers().clone(),
            endpoint: peer.endpoint().to_string(),
            link: peer.link().to_string(),
            state: peer.state().to_string(),
            groups: peer.groups().iter().map(ToString::to_string).collect(),
            via: peer.via().iter().map(ToString::to_string).collect(),
            silence: None,
        }
    }
}

impl Member {
    pub(crate) fn new(peer: &Peer) -> Self {
        Self {
            peer: hex(peer.uuid()),
            name: peer.name().to_owned(),
        }
    }
}

/// The groups that these peers are in, in order.
pub(crate) fn groups(peers: &[Known]) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<Member>> = BTreeMap::new();
    for peer in peers {
        for group in &peer.groups {
            groups.entry(group).or_default().push(Member {
                peer: peer.peer.clone(),
                name: peer.name.clone(),
            });
        }
    }
    let group = |(group, peers): (&str, _)| Group {
        group: group.to_owned(),
        peers,
    };
    groups.into_iter().map(group).collect()
}

/// As everything writes UUIDs here: 32 lower-case hex digits.
pub(crate) fn hex(uuid: Uuid) -> String {
    uuid.simple().to_string()
}

impl Report {
    pub(crate) fn error(message: impl fmt::Display) -> Self {
        Self::Error {
            message: message.to_string(),
        }
    }

    /// A command was carried out, and there is nothing more to say.
    pub(crate) fn done() -> Self {
        Self::Done {
            peers: None,
            full: Vec::new(),
        }
    }

    /// `None` for a kind of event that came into the library later.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let who = |peer: &Peer| (hex(peer.uuid()), peer.name().to_owned());
        Some(match event {
            Event::Enter { peer } => Self::Enter(Known::new(peer)),
            Event::Exit {
                peer,
                reason,
                unconfirmed,
            } => {
                let (peer, name) = who(peer);
                Self::Exit {
                    peer,
                    name,
                    reason: reason.to_string(),
                    unconfirmed: *unconfirmed,
                }
            }
            Event::Join { peer, group } => {
                let (peer, name) = who(peer);
                let group = group.to_string();
                Self::Join { peer, name, group }
            }
            Event::Leave { peer, group } => {
                let (peer, name) = who(peer);
                let group = group.to_string();
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
                    group: group.to_string(),
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
            Event::Backpressure { peer, on } => {
                let (peer, name) = who(peer);
                Self::Backpressure {
                    peer,
                    name,
                    on: *on,
                }
            }
            Event::Leader { group, uuid, peer } => Self::Leader {
                group: group.to_string(),
                uuid: hex(*uuid),
                name: peer.as_ref().map(|peer| peer.name().to_owned()),
            },
            Event::Undecided { group, missing } => Self::Undecided {
                group: group.to_string(),
                missing: missing.iter().map(Member::new).collect(),
            },
            Event::Conflict { uuid } => Self::Conflict { uuid: hex(*uuid) },
            Event::Discovery {
                up,
                interface,
                reason,
            } => Self::Discovery {
                up: *up,
                interface: interface.name.to_string(),
                address: interface.addr.to_string(),
                reason: reason.to_string(),
            },
            _ => return None,
        })
    }

    /// Appends the line.
    pub(crate) fn write(&self, lines: &mut Vec<u8>) {
        json::line(self, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let lines = [
            r#"{"event":"enter","peer":"0a","name":"bob","headers":{"a":"b"},"endpoint":"tcp://127.0.0.1:1","link":"tcp","state":"ready","groups":["G"],"via":["static"]}"#,
            r#"{"event":"whisper","peer":"0a","name":"bob","frames":["a",{"base64":"/w=="}]}"#,
            r#"{"event":"done"}"#,
            r#"{"event":"done","peers":[{"peer":"0a","name":"bob"}]}"#,
            r#"{"event":"stopped"}"#,
        ];
        for line in lines {
            let report: Report = serde_json::from_str(line).unwrap();
            let mut again = Vec::new();
            report.write(&mut again);
            assert_eq!(String::from_utf8(again).unwrap().trim_end(), line);
        }
    }
}

//! The JSON lines that `zre node --json` says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zre::{Event, Node, Peer, Uuid};

use crate::json::{self, Frame, frames};

/// A line of output. What is made here borrows; what is read owns.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Report<'a> {
    Started(Own<'a>),
    Enter(Known<'a>),
    Exit {
        peer: String,
        name: Cow<'a, str>,
        reason: String,
        unconfirmed: u64,
    },
    Join {
        peer: String,
        name: Cow<'a, str>,
        group: Cow<'a, str>,
    },
    Leave {
        peer: String,
        name: Cow<'a, str>,
        group: Cow<'a, str>,
    },
    Whisper {
        peer: String,
        name: Cow<'a, str>,
        frames: Vec<Frame>,
    },
    Shout {
        peer: String,
        name: Cow<'a, str>,
        group: Cow<'a, str>,
        frames: Vec<Frame>,
    },
    State {
        peer: String,
        name: Cow<'a, str>,
        from: String,
        to: String,
    },
    Evasive {
        peer: String,
        name: Cow<'a, str>,
    },
    Silent {
        peer: String,
        name: Cow<'a, str>,
    },
    Responsive {
        peer: String,
        name: Cow<'a, str>,
    },
    Backpressure {
        peer: String,
        name: Cow<'a, str>,
        on: bool,
    },
    Conflict {
        uuid: String,
    },
    Discovery {
        up: bool,
        interface: Cow<'a, str>,
        address: String,
        reason: Cow<'a, str>,
    },
    Peers {
        peers: Vec<Known<'a>>,
    },
    Groups {
        groups: Vec<Group<'a>>,
    },
    Node(Own<'a>),
    /// A command was carried out: whose queues took the message, and whose had
    /// no room.
    Done {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<Member<'a>>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        full: Vec<Member<'a>>,
    },
    Error {
        message: String,
    },
    Stopped {},
}

/// The node itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Own<'a> {
    pub(crate) uuid: String,
    pub(crate) name: Cow<'a, str>,
    pub(crate) endpoint: String,
    pub(crate) groups: Vec<String>,
}

/// A peer, with all that is known of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Known<'a> {
    pub(crate) peer: String,
    pub(crate) name: Cow<'a, str>,
    pub(crate) headers: Cow<'a, BTreeMap<String, String>>,
    pub(crate) endpoint: String,
    pub(crate) link: String,
    pub(crate) state: String,
    pub(crate) groups: Vec<String>,
    pub(crate) via: Vec<String>,
}

/// A peer where its UUID and name say enough.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Member<'a> {
    pub(crate) peer: String,
    pub(crate) name: Cow<'a, str>,
}

/// A group and who is in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Group<'a> {
    pub(crate) group: String,
    pub(crate) peers: Vec<Member<'a>>,
}

impl<'a> Own<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self {
            uuid: hex(node.uuid()),
            name: node.name().into(),
            endpoint: node.endpoint().to_string(),
            groups: node.own_groups().iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn into_owned(self) -> Own<'static> {
        Own {
            uuid: self.uuid,
            name: Cow::Owned(self.name.into_owned()),
            endpoint: self.endpoint,
            groups: self.groups,
        }
    }
}

impl Group<'_> {
    pub(crate) fn into_owned(self) -> Group<'static> {
        let owned = |member: Member<'_>| Member {
            peer: member.peer,
            name: Cow::Owned(member.name.into_owned()),
        };
        Group {
            group: self.group,
            peers: self.peers.into_iter().map(owned).collect(),
        }
    }
}

impl<'a> Known<'a> {
    pub(crate) fn new(peer: &'a Peer) -> Self {
        Self {
            peer: hex(peer.uuid()),
            name: peer.name().into(),
            headers: Cow::Borrowed(peer.headers()),
            endpoint: peer.endpoint().to_string(),
            link: peer.link().to_string(),
            state: peer.state().to_string(),
            groups: peer.groups().iter().map(ToString::to_string).collect(),
            via: peer.via().iter().map(ToString::to_string).collect(),
        }
    }

    /// The same, independent of what it was made from.
    pub(crate) fn of(peer: &Peer) -> Known<'static> {
        let known = Known::new(peer);
        Known {
            name: Cow::Owned(known.name.into_owned()),
            headers: Cow::Owned(known.headers.into_owned()),
            peer: known.peer,
            endpoint: known.endpoint,
            link: known.link,
            state: known.state,
            groups: known.groups,
            via: known.via,
        }
    }
}

impl<'a> Member<'a> {
    pub(crate) fn new(peer: &'a Peer) -> Self {
        Self {
            peer: hex(peer.uuid()),
            name: peer.name().into(),
        }
    }

    /// The same, independent of what it was made from.
    pub(crate) fn of(peer: &Peer) -> Member<'static> {
        Member {
            peer: hex(peer.uuid()),
            name: Cow::Owned(peer.name().to_owned()),
        }
    }
}

/// The groups that these peers are in, in order.
pub(crate) fn groups<'a>(peers: &'a [Known<'_>]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<&str, Vec<Member<'a>>> = BTreeMap::new();
    for peer in peers {
        for group in &peer.groups {
            groups.entry(group).or_default().push(Member {
                peer: peer.peer.clone(),
                name: Cow::Borrowed(&peer.name),
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

impl<'a> Report<'a> {
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
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        let who = |peer: &'a Peer| (hex(peer.uuid()), Cow::Borrowed(peer.name()));
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
                let group = Cow::Borrowed(&**group);
                Self::Join { peer, name, group }
            }
            Event::Leave { peer, group } => {
                let (peer, name) = who(peer);
                let group = Cow::Borrowed(&**group);
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
                    group: Cow::Borrowed(group),
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
            Event::Conflict { uuid } => Self::Conflict { uuid: hex(*uuid) },
            Event::Discovery {
                up,
                interface,
                reason,
            } => Self::Discovery {
                up: *up,
                interface: (&*interface.name).into(),
                address: interface.addr.to_string(),
                reason: Cow::Borrowed(reason),
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

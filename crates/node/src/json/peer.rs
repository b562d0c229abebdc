use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zre_proto::State;

/// A peer with everything that is known of it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Peer {
    /// Its UUID.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
    )]
    #[serde(rename = "peer", with = "uuid::serde::simple")]
    pub uuid: Uuid,
    /// Its name, which needn't be unique.
    pub name: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// The address at which it was dialled.
    pub endpoint: String,
    /// The link that carries our messages to it: `tcp`, `ipc` or `inproc`.
    pub link: String,
    /// The public key that it has proved to hold, in Z85; null without keys.
    #[serde(default)]
    pub key: Option<String>,
    /// Its state.
    pub state: State,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// The sources that made it known: `multicast`, `broadcast`, `dns`, `gossip`,
    /// `static` or `hello`.
    pub via: Vec<String>,
    /// Seconds since it was last heard. Only in the answer to the command `peers`,
    /// and not for a peer in the same process, whose silence means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<f64>,
}

impl From<&crate::Peer> for Peer {
    fn from(peer: &crate::Peer) -> Self {
        Self {
            uuid: peer.uuid(),
            name: peer.name().to_owned(),
            headers: peer.headers().clone(),
            endpoint: peer.endpoint().to_string(),
            link: peer.link().to_string(),
            #[cfg(feature = "curve")]
            key: peer.key().map(|key| key.to_string()),
            #[cfg(not(feature = "curve"))]
            key: None,
            state: peer.state(),
            groups: peer.groups().into_iter().map(String::from).collect(),
            via: peer.via().iter().map(ToString::to_string).collect(),
            silence: None,
        }
    }
}

/// The JSON form of the peer: [`json::Peer`](Peer), as it is now.
impl Serialize for crate::Peer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Peer::from(self).serialize(serializer)
    }
}

/// A peer's UUID and name.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Member {
    /// Its UUID.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
    )]
    #[serde(rename = "peer", with = "uuid::serde::simple")]
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
}

impl From<&crate::Peer> for Member {
    fn from(peer: &crate::Peer) -> Self {
        Self {
            uuid: peer.uuid(),
            name: peer.name().to_owned(),
        }
    }
}

impl From<&Peer> for Member {
    fn from(peer: &Peer) -> Self {
        Self {
            uuid: peer.uuid,
            name: peer.name.clone(),
        }
    }
}

/// A group and the peers in it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// The group.
    pub group: String,
    /// The peers in it.
    pub peers: Vec<Member>,
}

impl Group {
    /// The groups that these peers are in, by name.
    #[must_use]
    pub fn of(peers: &[Peer]) -> Vec<Self> {
        let mut groups: BTreeMap<&str, Vec<Member>> = BTreeMap::new();
        for peer in peers {
            for group in &peer.groups {
                groups.entry(group).or_default().push(peer.into());
            }
        }
        let group = |(group, peers): (&str, _)| Self {
            group: group.to_owned(),
            peers,
        };
        groups.into_iter().map(group).collect()
    }
}

/// The node itself.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// Its UUID.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
    )]
    #[serde(with = "uuid::serde::simple")]
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// An address at which it can be dialled.
    pub endpoint: String,
    /// The groups that it is in.
    pub groups: Vec<String>,
}

impl From<&crate::Node> for Node {
    fn from(node: &crate::Node) -> Self {
        Self {
            uuid: node.uuid(),
            name: node.name(),
            headers: node.headers(),
            endpoint: node.endpoint().to_string(),
            groups: node.own_groups().into_iter().map(String::from).collect(),
        }
    }
}

impl Serialize for crate::GroupName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for crate::GroupName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

//! The settings that there are, with the words that a command line shows.

use super::Settings;
use super::error::Wrong;
use super::parts::{self, LIMITS, LINK_LIMITS};
use super::setting::{Access, Form, Setting};
use super::text;

const WHO: &str = "Who";
const FINDING: &str = "Finding peers";
const LOSING: &str = "Losing peers";
const LINKS: &str = "Links";
const ROOM: &str = "Queues and limits";

/// A field that always has a value.
macro_rules! one {
    ($field:ident, $read:expr, $write:expr) => {
        Access {
            set: |to, text| {
                to.$field = $read(text)?;
                Ok(())
            },
            get: |of| vec![$write(&of.$field)],
            reset: |to, default| to.$field = default.$field,
        }
    };
}

/// A field that may have none.
macro_rules! maybe {
    ($field:ident, $read:expr, $write:expr) => {
        Access {
            set: |to, text| {
                to.$field = Some($read(text)?);
                Ok(())
            },
            get: |of| of.$field.iter().map($write).collect(),
            reset: |to, default| to.$field = default.$field,
        }
    };
}

/// A field to which each value is added.
macro_rules! list {
    ($field:ident, $read:expr, $write:expr) => {
        Access {
            set: |to, text| {
                to.$field.push($read(text)?);
                Ok(())
            },
            get: |of| of.$field.iter().map($write).collect(),
            reset: |to, default| to.$field = default.$field,
        }
    };
}

/// Endpoints, each of which may have a key behind it.
macro_rules! keyed {
    ($field:ident) => {
        Access {
            set: |to, text| {
                let endpoint = text::keyed_endpoint(to, text)?;
                to.$field.push(endpoint);
                Ok(())
            },
            get: |of| {
                let text = |endpoint| text::keyed_endpoint_text(of, endpoint);
                of.$field.iter().map(text).collect()
            },
            reset: |to, default| {
                to.$field = default.$field;
                text::drop_keys(to);
            },
        }
    };
}

pub(super) const ALL: &[Setting] = &[
    Setting {
        key: "name",
        topic: WHO,
        value: "NAME",
        help: "The public name",
        unset: "the first six hex digits of the UUID",
        access: maybe!(name, text::any, String::clone),
        ..Setting::ONE
    },
    Setting {
        key: "uuid",
        topic: WHO,
        value: "UUID",
        help: "Who the node is, as 32 hex digits",
        details: "Peers recognise a node that keeps its UUID over a restart. Two live nodes must \
                  never share one.",
        unset: "a new random UUID",
        access: maybe!(uuid, text::uuid, text::uuid_text),
        ..Setting::ONE
    },
    #[cfg(feature = "curve")]
    Setting {
        key: "keys",
        topic: WHO,
        value: "FILE",
        help: "The node's keys, as `zre keygen FILE` writes them: it then talks only to nodes \
               with keys, and everything is encrypted",
        unset: "none: nothing is encrypted, and everybody is let in",
        access: Access {
            set: |to, text| {
                to.keys = Some(text.into());
                Ok(())
            },
            get: |of| match &of.keys {
                Some(crate::KeySource::File(path)) => vec![path.display().to_string()],
                _ => Vec::new(),
            },
            reset: |to, default| to.keys = default.keys,
        },
        ..Setting::ONE
    },
    #[cfg(feature = "curve")]
    Setting {
        key: "trust",
        topic: WHO,
        value: "anyone|first-use|DIR|KEY,..",
        help: "Which peers a node with keys talks to: whoever has a key, who had it at the first \
               meeting, or the holders of these public keys",
        details: "first-use notes names and keys in zre/known_peers in $XDG_CONFIG_HOME or \
                  ~/.config, first-use:FILE in another file; a name with another key is refused. \
                  A directory (with a / in its name: ./friends) has public keys, a file for each, \
                  and is watched: add a file to let a peer in, remove it to close its sessions.",
        access: one!(trust, text::parsed, ToString::to_string),
        ..Setting::ONE
    },
    #[cfg(feature = "curve")]
    Setting {
        key: "plain_too",
        topic: WHO,
        value: "on|off",
        help: "Talk to nodes without keys as well: nothing is encrypted between them and a node \
               with keys",
        details: "Such peers have no key in what is shown of peers, and are in those groups alone \
                  that plain_group names. A peer that has shown a key is never met without it.",
        form: Form::Switch,
        access: one!(plain_too, text::switch, text::switch_text),
        ..Setting::ONE
    },
    #[cfg(feature = "curve")]
    Setting {
        key: "plain_group",
        topic: WHO,
        value: "GROUP",
        help: "A group that peers without keys can be in, where they hear the shouts of a node \
               with plain_too; may be repeated",
        details: "This alone doesn't join the group.",
        access: list!(plain_group, text::any, String::clone),
        ..Setting::LIST
    },
    Setting {
        key: "group",
        topic: WHO,
        value: "GROUP",
        help: "A group to be in from the start; may be repeated",
        access: list!(group, text::any, String::clone),
        ..Setting::LIST
    },
    Setting {
        key: "contest",
        topic: WHO,
        value: "GROUP",
        help: "A group to lead, unless a node with a lower UUID wants to; may be repeated",
        details: "This alone doesn't join the group. C Zyre takes part in elections, pyre and \
                  zyre.js don't: with such a member a group has no leader.",
        access: list!(contest, text::any, String::clone),
        ..Setting::LIST
    },
    Setting {
        key: "header",
        topic: WHO,
        value: "KEY=VALUE",
        help: "Something that every peer learns when it meets the node; may be repeated",
        form: Form::Pairs,
        access: Access {
            set: |to, text| {
                let (key, value) = text::pair(text)?;
                to.header.insert(key.to_owned(), value.to_owned());
                Ok(())
            },
            get: |of| {
                let pair = |(key, value)| format!("{key}={value}");
                of.header.iter().map(pair).collect()
            },
            reset: |to, default| to.header = default.header,
        },
        ..Setting::LIST
    },
    Setting {
        key: "state",
        topic: WHO,
        value: "STATE",
        help: "The state to show: init, ready, busy, draining, asleep, or a number from 128 to \
               255 with a meaning of your own",
        form: Form::Word,
        access: one!(state, text::state, ToString::to_string),
        ..Setting::ONE
    },
    Setting {
        key: "interface",
        topic: FINDING,
        value: "INTERFACE",
        help: "A network interface to use: a name (eth0), one of its addresses, lo for this host \
               only, or * for all; may be repeated",
        unset: "all that are up",
        access: Access {
            set: |to, text| {
                if text.is_empty() {
                    return Err(Wrong::new("write an interface's name or address, lo, or *"));
                }
                to.add_interface(text);
                Ok(())
            },
            get: |of| text::interface_names(of.interface.as_ref()),
            reset: |to, default| to.interface = default.interface,
        },
        ..Setting::COMMAS
    },
    Setting {
        key: "realm",
        topic: FINDING,
        value: "NAME",
        help: "Meet only nodes of this realm, whose beacons have a port that follows from its name",
        details: "Keeps applications on one network apart. It replaces beacon-port. Nodes of \
                  other implementations join by the port that `zre doctor` shows. A realm is \
                  no protection: anybody may choose the same.",
        access: maybe!(realm, text::any, String::clone),
        ..Setting::ONE
    },
    Setting {
        key: "beacon_port",
        topic: FINDING,
        value: "PORT",
        help: "The UDP port of the beacons",
        form: Form::Number,
        access: one!(
            beacon_port,
            |text| text::number(text, 1, u16::MAX),
            u16::to_string
        ),
        ..Setting::ONE
    },
    Setting {
        key: "multicast",
        topic: FINDING,
        value: "ADDR[:PORT]|off|auto",
        help: "A multicast group to send beacons to, off, or auto for an IPv4 and an IPv6 group \
               of this program's own; may be repeated",
        details: "A group that is named here gets the beacons that other ZRE implementations \
                  understand as well. Without a port, it has that of the beacons.",
        access: Access {
            set: set_multicast,
            get: |of| match &of.multicast {
                None => vec!["auto".into()],
                Some(groups) if groups.is_empty() => vec!["off".into()],
                Some(groups) => groups.iter().map(text::brief).collect(),
            },
            reset: |to, default| to.multicast = default.multicast,
        },
        ..Setting::COMMAS
    },
    Setting {
        key: "ttl",
        topic: FINDING,
        value: "HOPS",
        help: "How many routers a multicast beacon may pass, plus one",
        form: Form::Number,
        access: one!(ttl, |text| text::number(text, 0, 255), u32::to_string),
        ..Setting::ONE
    },
    Setting {
        key: "broadcast",
        topic: FINDING,
        value: "ADDR[:PORT]|off|auto",
        help: "Where to broadcast the beacons that C Zyre, pyre and zyre.js understand: an IPv4 \
               address, off, or auto for that of each interface",
        access: one!(broadcast, text::broadcast, text::broadcast_text),
        ..Setting::ONE
    },
    Setting {
        key: "interval",
        topic: FINDING,
        value: "TIME",
        help: "The shortest time between two beacons; many nodes share a rate, and beacon less often",
        access: one!(interval, text::time, text::time_text),
        ..Setting::ONE
    },
    Setting {
        key: "no_beacon",
        topic: FINDING,
        value: "on|off",
        help: "Send and hear no beacons: a node then meets the peers that it dials or that dial it",
        form: Form::Switch,
        access: one!(no_beacon, text::switch, text::switch_text),
        ..Setting::ONE
    },
    Setting {
        key: "peer",
        topic: FINDING,
        value: "ENDPOINT",
        help: "An address at which a node should be, as tcp://192.168.1.2:5670; may be repeated",
        details: "For a node with keys, the public key of the one there stands behind it, as \
                  tcp://192.168.1.2:5670#KEY.",
        access: keyed!(peer),
        ..Setting::COMMAS
    },
    Setting {
        key: "dns",
        topic: FINDING,
        value: "DOMAIN",
        help: "Find nodes by the SRV records of _zre._tcp.DOMAIN too",
        details: "Instances by PTR, SRV and TXT records (RFC 6763) are found as well.",
        access: maybe!(dns, text::dns, String::clone),
        ..Setting::ONE
    },
    Setting {
        key: "dns_service",
        topic: FINDING,
        value: "LABELS",
        help: "The service labels of the SRV records",
        access: one!(dns_service, text::dns, String::clone),
        ..Setting::ONE
    },
    Setting {
        key: "dns_server",
        topic: FINDING,
        value: "ADDR[:PORT]",
        help: "The name server to ask, as 192.168.1.1:53",
        unset: "those of the system",
        access: maybe!(dns_server, text::name_server, ToString::to_string),
        ..Setting::ONE
    },
    Setting {
        key: "gossip_bind",
        topic: FINDING,
        value: "tcp://ADDR:PORT",
        help: "Where to listen for nodes that gossip, as C Zyre does: tcp://*:5680 for all \
               addresses, or at one; may be repeated",
        access: Access {
            set: |to, text| {
                to.gossip_bind.extend(text::gossip_bind(text)?);
                Ok(())
            },
            get: |of| of.gossip_bind.iter().map(text::tcp).collect(),
            reset: |to, default| to.gossip_bind = default.gossip_bind,
        },
        ..Setting::COMMAS
    },
    Setting {
        key: "gossip_connect",
        topic: FINDING,
        value: "ENDPOINT",
        help: "A node to gossip with, as tcp://192.168.1.2:5680; may be repeated",
        details: "For a node with keys, its public key stands behind it, as \
                  tcp://192.168.1.2:5680#KEY.",
        access: keyed!(gossip_connect),
        ..Setting::COMMAS
    },
    Setting {
        key: "evasive",
        topic: LOSING,
        value: "TIME",
        help: "Silence of a peer until it is pinged",
        access: one!(evasive, text::time, text::time_text),
        ..Setting::ONE
    },
    Setting {
        key: "expired",
        topic: LOSING,
        value: "TIME",
        help: "Silence of a peer until it is given up; longer than evasive",
        access: one!(expired, text::time, text::time_text),
        ..Setting::ONE
    },
    Setting {
        key: "listen",
        topic: LINKS,
        value: "[tcp://ADDR:]PORT[-PORT]",
        help: "Where to listen: a port, a range of ports for a firewall (the first free one is \
               taken), or these at one address or at all, as tcp://*:49152-49200; * for any free \
               port",
        form: Form::Word,
        access: one!(listen, text::parsed, ToString::to_string),
        ..Setting::ONE
    },
    Setting {
        key: "advertise",
        topic: LINKS,
        value: "ENDPOINT",
        help: "The endpoint that peers are to dial, if they can't use the one that they see: \
               behind NAT, or in a container whose port is published",
        access: maybe!(advertise, text::endpoint, ToString::to_string),
        ..Setting::ONE
    },
    Setting {
        key: "ipc",
        topic: LINKS,
        value: "auto|off|DIR",
        help: "Where the unix sockets for peers on this host are: a directory, off, or auto for \
               the user's own",
        access: one!(ipc, text::ipc, text::ipc_text),
        ..Setting::ONE
    },
    Setting {
        key: "inproc",
        topic: LINKS,
        value: "on|off",
        help: "Whether peers in the same process are reached in memory",
        form: Form::Switch,
        access: one!(inproc, text::switch, text::switch_text),
        ..Setting::ONE
    },
    Setting {
        key: "engine",
        topic: LINKS,
        value: "native|zeromq",
        help: "What carries messages between processes: the project's own engine, or the zeromq \
               crate",
        access: one!(engine, text::engine, text::engine_text),
        ..Setting::ONE
    },
    Setting {
        key: "send_policy",
        topic: ROOM,
        value: "wait[:TIME]|reject|disconnect",
        help: "What happens to a message when the queue to a peer is full: it waits for room, \
               fails at once, or the peer is given up",
        access: one!(send_policy, text::send_policy, text::send_policy_text),
        ..Setting::ONE
    },
    Setting {
        key: "event_queue_bytes",
        topic: ROOM,
        value: "BYTES",
        help: "How many bytes of events may wait to be read before peers are held back",
        form: Form::Bytes,
        access: one!(event_queue_bytes, text::room, text::bytes_text),
        ..Setting::ONE
    },
    Setting {
        key: "auto_busy",
        topic: ROOM,
        value: "on|off",
        help: "Show the state busy while so many bytes of events wait",
        form: Form::Switch,
        access: one!(auto_busy, text::switch, text::switch_text),
        ..Setting::ONE
    },
    Setting {
        key: "limits",
        topic: ROOM,
        value: "LIMIT=VALUE",
        help: "What peers may cost; may be repeated",
        form: Form::Parts,
        access: Access {
            set: |to, text| parts::set(LIMITS, &mut to.limits, text),
            get: |of| parts::get(LIMITS, &of.limits),
            reset: |to, default| to.limits = default.limits,
        },
        ..Setting::COMMAS
    },
    Setting {
        key: "link_limits",
        topic: ROOM,
        value: "LIMIT=VALUE",
        help: "What connections and queues may cost; may be repeated",
        form: Form::Parts,
        access: Access {
            set: |to, text| parts::set(LINK_LIMITS, &mut to.link_limits, text),
            get: |of| parts::get(LINK_LIMITS, &of.link_limits),
            reset: |to, default| to.link_limits = default.link_limits,
        },
        ..Setting::COMMAS
    },
];

fn set_multicast(to: &mut Settings, text: &str) -> Result<(), Wrong> {
    let one_of = || Wrong::new("write off, auto, or groups: only one of these");
    match (text, &mut to.multicast) {
        ("auto", None) => {}
        ("off", none @ None) => *none = Some(Vec::new()),
        ("off", Some(groups)) if groups.is_empty() => {}
        ("off" | "auto", Some(_)) => return Err(one_of()),
        (_, Some(groups)) if groups.is_empty() => return Err(one_of()),
        (_, groups) => {
            let group = text::multicast_group(text)?;
            groups.get_or_insert_default().push(group);
        }
    }
    Ok(())
}

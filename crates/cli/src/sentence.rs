//! Events and other lines of a node as sentences for people.

use zre::Message;
use zre::json::{Event, Line, Node};

use crate::text::{self, shown};

/// The sentence, without anything that would steer a terminal. `None` for the answer
/// to a command.
pub(crate) fn sentence(line: &Line) -> Option<String> {
    match line {
        Line::Event(event) => Some(happened(event)),
        Line::Started(node) => Some(started(node)),
        Line::Error { message, .. } => Some(shown(message).into_owned()),
        Line::Stopped
        | Line::Done
        | Line::Whispered(_)
        | Line::Shouted(_)
        | Line::Peers { .. }
        | Line::Groups { .. }
        | Line::Node(_)
        | Line::Stats(_)
        | Line::Pong { .. }
        | Line::Reply { .. } => None,
    }
}

fn started(node: &Node) -> String {
    let (name, endpoint, uuid) = (shown(&node.name), &node.endpoint, node.uuid.simple());
    format!("{name} is up at {endpoint} ({uuid}); Ctrl-C leaves")
}

/// What happened.
pub(crate) fn happened(event: &Event) -> String {
    let said = |frames: &Message| text::message(frames);
    match event {
        Event::Enter(peer) => {
            let mut line = format!(
                "{} is here, at {} by {} ({})",
                shown(&peer.name),
                shown(&peer.endpoint),
                shown(&peer.link),
                peer.uuid.simple()
            );
            for (key, value) in &peer.headers {
                line += &format!("\n    {}: {}", shown(key), shown(value));
            }
            line
        }
        Event::Exit {
            peer,
            reason,
            unconfirmed,
        } => {
            let lost = match unconfirmed {
                0 => String::new(),
                count => format!("; {count} messages to it may be lost"),
            };
            format!("{} has gone: {}{lost}", shown(&peer.name), shown(reason))
        }
        Event::Join { peer, group } => format!("{} joined {}", shown(&peer.name), shown(group)),
        Event::Leave { peer, group } => format!("{} left {}", shown(&peer.name), shown(group)),
        Event::Whisper { peer, frames } => {
            format!("{} whispers: {}", shown(&peer.name), said(frames))
        }
        Event::Shout {
            peer,
            group,
            frames,
        } => {
            let (group, name) = (shown(group), shown(&peer.name));
            format!("[{group}] {name}: {}", said(frames))
        }
        Event::Request { peer, frames, .. } => {
            format!("{} asks: {}", shown(&peer.name), said(frames))
        }
        Event::State { peer, from, to } => {
            format!("{} is {to}, was {from}", shown(&peer.name))
        }
        Event::Update { peer, old_name, .. } if peer.name != *old_name => {
            format!("{} is called {} now", shown(old_name), shown(&peer.name))
        }
        Event::Update { peer, .. } => format!("{} has other headers", shown(&peer.name)),
        Event::Evasive(peer) => format!("{} doesn't answer", shown(&peer.name)),
        Event::Silent(peer) => format!("{} still doesn't answer", shown(&peer.name)),
        Event::Responsive(peer) => format!("{} answers again", shown(&peer.name)),
        Event::Backpressure { peer, on: true } => {
            format!("the queue to {} is full", shown(&peer.name))
        }
        Event::Backpressure { peer, on: false } => {
            format!("the queue to {} has room again", shown(&peer.name))
        }
        Event::Leader {
            group,
            name: Some(name),
            ..
        } => format!("{} leads {}", shown(name), shown(group)),
        Event::Leader { group, .. } => format!("this node leads {}", shown(group)),
        Event::Undecided { group, missing } => {
            let names: Vec<_> = missing.iter().map(|member| shown(&member.name)).collect();
            let (group, names) = (shown(group), names.join(", "));
            format!("no leader of {group} yet: {names} took no part in the election")
        }
        Event::Conflict { uuid } => {
            let uuid = uuid.simple();
            format!("two nodes use the UUID {uuid}: give each its own")
        }
        Event::Unreachable {
            uuid,
            endpoint,
            reason,
        } => {
            let (uuid, endpoint, reason) = (uuid.simple(), shown(endpoint), shown(reason));
            format!("the node {uuid} is heard, but can't be dialled at {endpoint}: {reason}")
        }
        Event::OneWay {
            uuid,
            endpoint,
            reason,
        } => {
            let (uuid, endpoint, reason) = (uuid.simple(), shown(endpoint), shown(reason));
            format!("the node {uuid} at {endpoint} can't be met: {reason}")
        }
        Event::Discovery {
            up,
            interface,
            address,
            reason,
        } => {
            let (interface, address) = (shown(interface), shown(address));
            let state = if *up { "in use" } else { "out of use" };
            format!("{interface} ({address}) is {state}: {}", shown(reason))
        }
        Event::Failed { reason } => format!("this node ends: {}", shown(reason)),
        Event::Unknown => "something happened that this version doesn't know".to_owned(),
    }
}

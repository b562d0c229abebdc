//! What happens, in a line for people.

use std::borrow::Cow;

use crate::json::message;
use crate::report::Report;
use crate::text::{self, shown};

/// The line, without anything that would steer a terminal; `None` for what is
/// no event.
pub(crate) fn sentence(report: &Report) -> Option<String> {
    let said = |frames: &[_]| text::message(&message(frames.to_vec()));
    Some(match report {
        Report::Started(own) => format!(
            "{} is up at {} ({}); Ctrl-C leaves",
            shown(&own.name),
            own.endpoint,
            own.uuid
        ),
        Report::Enter(peer) => {
            let mut line = format!(
                "{} is here, at {} by {} ({})",
                shown(&peer.name),
                shown(&peer.endpoint),
                peer.link,
                peer.peer
            );
            for (key, value) in &peer.headers {
                line += &format!("\n    {}: {}", shown(key), shown(value));
            }
            line
        }
        Report::Exit {
            name,
            reason,
            unconfirmed,
            ..
        } => {
            let lost: Cow<'_, str> = match unconfirmed {
                0 => "".into(),
                count => format!("; {count} messages to it may be lost").into(),
            };
            format!("{} has gone: {reason}{lost}", shown(name))
        }
        Report::Join { name, group, .. } => format!("{} joined {}", shown(name), shown(group)),
        Report::Leave { name, group, .. } => format!("{} left {}", shown(name), shown(group)),
        Report::Whisper { name, frames, .. } => {
            format!("{} whispers: {}", shown(name), said(frames))
        }
        Report::Shout {
            name,
            group,
            frames,
            ..
        } => format!("[{}] {}: {}", shown(group), shown(name), said(frames)),
        Report::State { name, from, to, .. } => format!("{} is {to}, was {from}", shown(name)),
        Report::Evasive { name, .. } => format!("{} doesn't answer", shown(name)),
        Report::Silent { name, .. } => format!("{} still doesn't answer", shown(name)),
        Report::Responsive { name, .. } => format!("{} answers again", shown(name)),
        Report::Backpressure { name, on, .. } => match on {
            true => format!("the queue to {} is full", shown(name)),
            false => format!("the queue to {} has room again", shown(name)),
        },
        Report::Leader { group, name, .. } => match name {
            Some(name) => format!("{} leads {}", shown(name), shown(group)),
            None => format!("this node leads {}", shown(group)),
        },
        Report::Undecided { group, missing } => {
            let names: Vec<_> = missing.iter().map(|member| shown(&member.name)).collect();
            let (group, names) = (shown(group), names.join(", "));
            format!("no leader of {group} yet: {names} took no part in the election")
        }
        Report::Conflict { uuid } => {
            format!("two nodes use the UUID {uuid}: give each its own")
        }
        Report::Discovery {
            up,
            interface,
            address,
            reason,
        } => {
            let state = if *up { "in use" } else { "out of use" };
            format!("{interface} ({address}) is {state}: {reason}")
        }
        _ => return None,
    })
}

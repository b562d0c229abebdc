//! Settings that consist of named values: `limits` and `link_limits`.

use std::time::Duration;

use super::error::Wrong;
use super::text::{bytes_text, number, pair, room, time, time_text};
use crate::{LinkLimits, MessageLimits};

/// One value of `T`, by its name.
pub(super) struct Part<T> {
    name: &'static str,
    place: Place<T>,
}

/// Where it is, and what it counts.
enum Place<T> {
    Count(fn(&mut T) -> &mut usize),
    Bytes(fn(&mut T) -> &mut usize),
    Time(fn(&mut T) -> &mut Duration),
}

macro_rules! parts {
    ($limits:ty: $($place:ident $name:ident,)*) => {
        &[$(Part {
            name: stringify!($name),
            place: Place::$place(|limits: &mut $limits| &mut limits.$name),
        }),*]
    };
}

pub(super) const LIMITS: &[Part<MessageLimits>] = parts! { MessageLimits:
    Count max_frames,
    Bytes header_frame_bytes,
    Bytes hello_bytes,
    Count groups_per_peer,
    Count group_bytes,
    Count name_bytes,
    Count headers,
    Count header_key_bytes,
    Bytes header_value_bytes,
    Bytes headers_bytes,
    Bytes held_bytes_per_peer,
    Bytes held_bytes,
    Bytes description_bytes_per_peer,
    Bytes description_bytes,
    Count peers,
    Count bootstraps,
    Count dials,
};

pub(super) const LINK_LIMITS: &[Part<LinkLimits>] = parts! { LinkLimits:
    Bytes frame_bytes,
    Bytes message_bytes,
    Count parts,
    Time handshake_time,
    Count half_open,
    Count connections,
    Count connections_per_addr,
    Bytes queue_bytes_per_peer,
    Bytes queue_bytes_total,
    Bytes control_reserve_bytes,
    Bytes inbox_bytes_per_connection,
    Bytes inbox_bytes_total,
    Time connect_time,
    Time linger,
};

/// Sets the value that `NAME=VALUE` names.
pub(super) fn set<T>(all: &[Part<T>], to: &mut T, text: &str) -> Result<(), Wrong> {
    let (name, value) = pair(text)?;
    let name = name.replace('-', "_");
    let Some(part) = all.iter().find(|part| part.name == name) else {
        let names = all.iter().map(|part| part.name);
        let list = names.clone().collect::<Vec<_>>().join(", ");
        return Err(Wrong::word(&name, names, format!("write one of {list}")));
    };
    match part.place {
        Place::Count(place) => *place(to) = number(value, 0, usize::MAX)?,
        Place::Bytes(place) => *place(to) = room(value)?,
        Place::Time(place) => *place(to) = time(value)?,
    }
    Ok(())
}

/// All of them, as `NAME=VALUE`.
pub(super) fn get<T: Clone>(all: &[Part<T>], of: &T) -> Vec<String> {
    // The places are for writing; this is done seldom.
    let mut of = of.clone();
    let text = |part: &Part<T>| {
        let value = match part.place {
            Place::Count(place) => place(&mut of).to_string(),
            Place::Bytes(place) => bytes_text(place(&mut of)),
            Place::Time(place) => time_text(place(&mut of)),
        };
        format!("{}={value}", part.name)
    };
    all.iter().map(text).collect()
}

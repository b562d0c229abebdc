//! The state that a node announces: one octet.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The state that a node announces, in the state form of its beacon and in sessions
/// with peers that understand it.
///
/// | octet | state | meaning |
/// | --- | --- | --- |
/// | 0 | [`Init`](State::Init) | starting; don't rely on it yet |
/// | 1 | [`Ready`](State::Ready) | the normal state, and the one assumed for a peer that announces none |
/// | 2 | [`Exit`](State::Exit) | leaving now, for good |
/// | 3 | [`Busy`](State::Busy) | overloaded; this is advice, and messages still flow |
/// | 4 | [`Draining`](State::Draining) | finishes its work and takes no new work |
/// | 5 | [`Asleep`](State::Asleep) | doesn't answer for a while |
/// | 6-127 | [`Other`](State::Other) | reserved |
/// | 128-255 | [`Other`](State::Other) | for applications |
///
/// ```
/// use zre_proto::State;
///
/// assert_eq!("busy".parse(), Ok(State::Busy));
/// assert_eq!(State::Busy.to_string(), "busy");
/// // From 128 on, the application defines the meaning.
/// const AT_LUNCH: State = State::Other(State::APPLICATION);
/// assert!(AT_LUNCH.is_settable() && !State::Exit.is_settable());
/// ```
///
/// Two states are equal when their octets are: `State::Other(1) == State::Ready`.
/// [`State::from`] returns the named variant if there is one.
#[derive(Debug, Clone, Copy, Default)]
pub enum State {
    /// Starting.
    Init,
    /// At work.
    #[default]
    Ready,
    /// Leaving now. The node itself sends it when it shuts down.
    Exit,
    /// Overloaded.
    Busy,
    /// Finishing its work.
    Draining,
    /// Away for a while.
    Asleep,
    /// Any other octet: 6-127 are reserved, 128-255 belong to applications.
    Other(u8),
}

impl State {
    /// The first octet that belongs to applications; they end at 255.
    pub const APPLICATION: u8 = 128;

    /// Whether an application may set this state. It may set all but `Exit`, which
    /// belongs to the shutdown, and the reserved octets 6-127.
    pub fn is_settable(self) -> bool {
        match u8::from(self) {
            2 => false,
            octet => octet <= 5 || octet >= Self::APPLICATION,
        }
    }
}

impl From<u8> for State {
    fn from(octet: u8) -> Self {
        match octet {
            0 => Self::Init,
            1 => Self::Ready,
            2 => Self::Exit,
            3 => Self::Busy,
            4 => Self::Draining,
            5 => Self::Asleep,
            other => Self::Other(other),
        }
    }
}

impl From<State> for u8 {
    fn from(state: State) -> Self {
        match state {
            State::Init => 0,
            State::Ready => 1,
            State::Exit => 2,
            State::Busy => 3,
            State::Draining => 4,
            State::Asleep => 5,
            State::Other(octet) => octet,
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        u8::from(*self) == u8::from(*other)
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        u8::from(*self).hash(hasher);
    }
}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for State {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        u8::from(*self).cmp(&u8::from(*other))
    }
}

/// The lower-case name (`ready`), or the number (`128`) of a state without a name.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::from(u8::from(*self)) {
            Self::Init => f.pad("init"),
            Self::Ready => f.pad("ready"),
            Self::Exit => f.pad("exit"),
            Self::Busy => f.pad("busy"),
            Self::Draining => f.pad("draining"),
            Self::Asleep => f.pad("asleep"),
            Self::Other(octet) => fmt::Display::fmt(&octet, f),
        }
    }
}

/// Text that doesn't name a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} isn't a state: use init, ready, exit, busy, draining, asleep, or a number from 0 to 255 (128 and up are for applications)"
)]
pub struct StateError {
    text: String,
}

/// Reads the output of [`Display`](fmt::Display), in upper or lower case, and any
/// number.
impl FromStr for State {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        match text.to_ascii_lowercase().as_str() {
            "init" => Ok(Self::Init),
            "ready" => Ok(Self::Ready),
            "exit" => Ok(Self::Exit),
            "busy" => Ok(Self::Busy),
            "draining" => Ok(Self::Draining),
            "asleep" => Ok(Self::Asleep),
            number => number
                .parse::<u8>()
                .map(Self::from)
                .map_err(|_| StateError {
                    text: text.chars().take(40).collect(),
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_as_octet_and_as_text() {
        for octet in 0..=255 {
            let state = State::from(octet);
            assert_eq!(u8::from(state), octet);
            assert_eq!(state.to_string().parse(), Ok(state));
            assert_eq!(octet.to_string().parse(), Ok(state));
            assert_eq!(State::Other(octet), state);
        }
        assert!("".parse::<State>().is_err());
        assert!("256".parse::<State>().is_err());
        assert!("-1".parse::<State>().is_err());
    }

    #[test]
    fn an_application_may_set_all_but_exit_and_the_reserved_states() {
        let settable: Vec<u8> = (0..=127)
            .filter(|octet| State::from(*octet).is_settable())
            .collect();
        assert_eq!(settable, [0, 1, 3, 4, 5]);
        assert!((128..=255).all(|octet| State::from(octet).is_settable()));
    }
}

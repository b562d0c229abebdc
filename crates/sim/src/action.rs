//! What can be done to a simulated network, as values and as text.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use zre_proto::State;

/// Who a process that starts says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Under its old UUID, at its old port.
    Same,
    /// Under its old UUID, at another port.
    Moved,
    /// As somebody new.
    Anew,
}

/// One thing that is done to the network. Hosts are numbered from 0; what makes
/// no sense (whispering to nobody, waking who is awake) does nothing, so that any
/// part of a script is a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Joins a group.
    Join(usize, u8),
    /// Leaves a group.
    Leave(usize, u8),
    /// Sends so many WHISPERs from one to another.
    Whisper(usize, usize, u16),
    /// Sends so many SHOUTs into a group.
    Shout(usize, u8, u16),
    /// Sends so many REQUESTs from one to another, whose application answers each.
    Request(usize, usize, u16),
    /// Measures the round trip from one to another.
    Ping(usize, usize),
    /// Makes a node a candidate for the lead of a group.
    Contest(usize, u8),
    /// Shows a state.
    State(usize, State),
    /// Gives a node the name of that number, while it runs.
    Rename(usize, u16),
    /// Cuts these hosts off from all others.
    Partition(Vec<usize>),
    /// Nothing from the first reaches the second; links between them stall.
    Block(usize, usize),
    /// Undoes all partitions and blocks.
    Heal,
    /// Breaks every link between the two, at both ends.
    Reset(usize, usize),
    /// Stops the process, as SIGSTOP does.
    Stop(usize),
    /// Lets it go on.
    Continue(usize),
    /// The host sleeps: its clock stands, its links stall.
    Sleep(usize),
    /// The host wakes.
    Wake(usize),
    /// The application stops reading.
    Hold(usize),
    /// The application reads again.
    Read(usize),
    /// Ends the process, as SIGKILL does: the kernel closes its links.
    Kill(usize),
    /// Ends the host: nobody closes anything.
    Cut(usize),
    /// Starts the process, after a kill if it runs.
    Start(usize, Start),
    /// Leaves in an orderly way, with so much patience.
    Shutdown(usize, Duration),
    /// So many datagrams of a hundred are lost from now on.
    Loss(u8),
    /// Tells the first the address of the second, without its UUID.
    Found(usize, usize),
    /// The first greets the third under the UUID of the second, and names its endpoint.
    Claim(usize, usize, usize),
    /// Makes everything work again, and starts whoever doesn't run.
    Mend,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(node, group) => write!(f, "join {node} {group}"),
            Self::Leave(node, group) => write!(f, "leave {node} {group}"),
            Self::Whisper(from, to, count) => write!(f, "whisper {from} {to} {count}"),
            Self::Shout(from, group, count) => write!(f, "shout {from} {group} {count}"),
            Self::Request(from, to, count) => write!(f, "request {from} {to} {count}"),
            Self::Ping(from, to) => write!(f, "ping {from} {to}"),
            Self::Contest(node, group) => write!(f, "contest {node} {group}"),
            Self::State(node, state) => write!(f, "state {node} {state}"),
            Self::Rename(node, name) => write!(f, "rename {node} {name}"),
            Self::Partition(hosts) => {
                f.write_str("partition")?;
                hosts.iter().try_for_each(|host| write!(f, " {host}"))
            }
            Self::Block(from, to) => write!(f, "block {from} {to}"),
            Self::Heal => f.write_str("heal"),
            Self::Reset(a, b) => write!(f, "reset {a} {b}"),
            Self::Stop(node) => write!(f, "stop {node}"),
            Self::Continue(node) => write!(f, "continue {node}"),
            Self::Sleep(node) => write!(f, "sleep {node}"),
            Self::Wake(node) => write!(f, "wake {node}"),
            Self::Hold(node) => write!(f, "hold {node}"),
            Self::Read(node) => write!(f, "read {node}"),
            Self::Kill(node) => write!(f, "kill {node}"),
            Self::Cut(node) => write!(f, "cut {node}"),
            Self::Start(node, Start::Same) => write!(f, "start {node} same"),
            Self::Start(node, Start::Moved) => write!(f, "start {node} moved"),
            Self::Start(node, Start::Anew) => write!(f, "start {node} anew"),
            Self::Shutdown(node, patience) => {
                write!(f, "shutdown {node} {}", patience.as_millis())
            }
            Self::Loss(percent) => write!(f, "loss {percent}"),
            Self::Found(node, at) => write!(f, "found {node} {at}"),
            Self::Claim(from, whose, at) => write!(f, "claim {from} {whose} {at}"),
            Self::Mend => f.write_str("mend"),
        }
    }
}

/// Text that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no action; a script has lines like `12.5 whisper 0 3 10`")]
pub struct ActionError(pub(crate) String);

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        parse(text).ok_or_else(|| ActionError(text.to_owned()))
    }
}

fn next<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

fn parse(text: &str) -> Option<Action> {
    let mut words = text.split_whitespace();
    let verb = words.next()?;
    let words = &mut words;
    let action = match verb {
        "heal" => Action::Heal,
        "mend" => Action::Mend,
        "partition" => {
            let hosts: Option<Vec<usize>> = words.map(|word| word.parse().ok()).collect();
            Action::Partition(hosts?)
        }
        "block" => Action::Block(next(words)?, next(words)?),
        "reset" => Action::Reset(next(words)?, next(words)?),
        "found" => Action::Found(next(words)?, next(words)?),
        "claim" => Action::Claim(next(words)?, next(words)?, next(words)?),
        "stop" => Action::Stop(next(words)?),
        "continue" => Action::Continue(next(words)?),
        "sleep" => Action::Sleep(next(words)?),
        "wake" => Action::Wake(next(words)?),
        "hold" => Action::Hold(next(words)?),
        "read" => Action::Read(next(words)?),
        "kill" => Action::Kill(next(words)?),
        "cut" => Action::Cut(next(words)?),
        "join" => Action::Join(next(words)?, next(words)?),
        "leave" => Action::Leave(next(words)?, next(words)?),
        "whisper" => Action::Whisper(next(words)?, next(words)?, next(words)?),
        "shout" => Action::Shout(next(words)?, next(words)?, next(words)?),
        "request" => Action::Request(next(words)?, next(words)?, next(words)?),
        "ping" => Action::Ping(next(words)?, next(words)?),
        "contest" => Action::Contest(next(words)?, next(words)?),
        "state" => Action::State(next(words)?, next(words)?),
        "rename" => Action::Rename(next(words)?, next(words)?),
        "shutdown" => Action::Shutdown(next(words)?, Duration::from_millis(next(words)?)),
        "loss" => Action::Loss(next(words)?),
        "start" => Action::Start(
            next(words)?,
            match words.next()? {
                "same" => Start::Same,
                "moved" => Start::Moved,
                "anew" => Start::Anew,
                _ => return None,
            },
        ),
        _ => return None,
    };
    words.next().is_none().then_some(action)
}

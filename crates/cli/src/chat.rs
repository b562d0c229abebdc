//! `zre chat`: a conversation in a group.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use zre::{Event, Node, Peer, SendError, State};

use crate::commands::Awaited;
use crate::editor::Complete;
use crate::failure::Failure;
use crate::node::Json;
use crate::options::Options;
use crate::paint::Paint;
use crate::program::{Face, Reads, run};
use crate::text::{self, shown};

/// How long the first line of a script waits for a peer in the group.
const COMPANY: Duration = Duration::from_secs(2);

/// Talk with the people in a group.
///
/// Each line goes to all peers in the first --group ("chat" if none is given).
/// Lines that begin with a slash are commands.
///
/// On a terminal, lines are edited as in a shell, with a history (the arrow
/// keys, Ctrl-R; kept in zre/history in $XDG_STATE_HOME or ~/.local/state,
/// %LOCALAPPDATA% on Windows, without the lines that begin with a space). Tab
/// completes names and commands; messages appear above the edited line. If input
/// isn't a terminal, each line of it is sent unchanged.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct ChatCommand {
    /// Read and write JSON lines, as `zre node --json` does, in the group
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = "\
Commands:
  /w NAME TEXT   send a message to one peer, by name or UUID
  /who           list the peers in the group
  /peers         list all peers on the network
  /busy, /ready  set the state that other peers see
  /name NAME     take another name
  /quit          leave (also Ctrl-C or the end of input)
  /help          show this list
  //TEXT         send a line that begins with a slash

Example, in two terminals:
  zre chat --name alice
  zre chat --name bob

Example, from a script (waits up to 2 s for a peer in the group):
  echo 'the build is done' | zre chat --name ci --group builds";

const COMMANDS: &str = "\
/w NAME TEXT   send a message to one peer
/who           list the peers in the group
/peers         list all peers on the network
/busy, /ready  set the state that other peers see
/name NAME     take another name
/quit          leave
//TEXT         send a line that begins with a slash
";

pub(crate) async fn chat(mut command: ChatCommand) -> Result<ExitCode, Failure> {
    command.options.default_group("chat");
    let builder = command.options.builder();
    if command.json {
        // The same as `zre node --json`.
        return run(builder, Arc::new(Json::new(None)), Reads::Lines, None).await;
    }
    let face = Chat {
        groups: command.options.settings.group,
    };
    run(builder, Arc::new(face), Reads::Edited("> "), None).await
}

#[derive(Debug)]
struct Chat {
    /// The groups that we are in; lines go to the first one.
    groups: Vec<String>,
}

impl Chat {
    fn group(&self) -> &str {
        self.groups.first().map_or("", String::as_str)
    }

    /// Whether the peer is in one of our groups.
    fn concerns(&self, peer: &Peer) -> bool {
        self.groups.iter().any(|group| peer.is_in(group))
    }

    async fn say(&self, node: &Node, text: &str, lines: &mut Vec<u8>) -> Result<(), SendError> {
        let shouted = node.shout(self.group(), text).await?;
        for peer in &shouted.full {
            let name = shown(peer.name());
            let _ = writeln!(lines, "! {name} doesn't keep up, and didn't get it");
        }
        if shouted.accepted + shouted.full.len() == 0 {
            let _ = writeln!(lines, "! nobody else is in {}", shown(self.group()));
        }
        Ok(())
    }

    fn who(&self, node: &Node, lines: &mut Vec<u8>) {
        for group in &self.groups {
            let peers = node.peers_in(group);
            let _ = writeln!(lines, "* in {}: {}", shown(group), count(peers.len()));
            list(&peers, lines);
        }
    }

    fn peers(&self, node: &Node, lines: &mut Vec<u8>) {
        let peers = node.peers();
        let _ = writeln!(lines, "* on the network: {}", count(peers.len()));
        list(&peers, lines);
    }
}

fn list(peers: &[Peer], lines: &mut Vec<u8>) {
    for peer in peers {
        let name = shown(peer.name());
        let uuid = peer.uuid().simple();
        let (state, link) = (peer.state(), peer.link());
        let _ = writeln!(lines, "*   {name}, {state}, {link} ({uuid})");
    }
}

/// The error as a sentence for the user of the chat.
fn explain(error: SendError) -> String {
    match error {
        SendError::Unknown(name) => {
            format!("nobody called {name} is here; /peers lists who is")
        }
        SendError::Ambiguous { name, count } => {
            format!("{count} peers are called {name}: say /w and the UUID that /peers shows")
        }
        SendError::Full => "it doesn't keep up, and didn't get that".into(),
        SendError::Gone => "it has just gone, and didn't get that".into(),
        other => other.to_string(),
    }
}

/// A line about an event, in colours if they are wanted: the name of a sender is
/// emphasised, and a line that isn't a message is dimmed.
fn painted(line: &str) -> String {
    match line.split_once(": ") {
        _ if line.starts_with("* ") => Paint::Weak.on(line),
        _ if line.starts_with("! ") => Paint::Worry.on(line),
        Some((who, text)) => format!("{}: {text}", Paint::Strong.on(who)),
        None => line.to_owned(),
    }
}

/// The commands that Tab completes.
const COMPLETIONS: [&str; 8] = [
    "/busy", "/help", "/name ", "/peers", "/quit", "/ready", "/w ", "/who",
];

/// Completes a command, or the name after `/w`.
fn complete(line: &str, names: impl Iterator<Item = String>) -> (usize, Vec<String>) {
    let mut words: Vec<String> = match line.strip_prefix("/w ") {
        Some(part) => names
            .filter(|name| name.starts_with(part))
            .map(|name| format!("/w {name} "))
            .collect(),
        None if line.starts_with('/') => COMPLETIONS
            .iter()
            .filter(|word| word.starts_with(line))
            .map(|&word| word.to_owned())
            .collect(),
        None => Vec::new(),
    };
    words.sort();
    words.dedup();
    (0, words)
}

fn count(others: usize) -> String {
    match others {
        0 => "nobody else".into(),
        1 => "one other".into(),
        more => format!("{more} others"),
    }
}

/// Splits `NAME TEXT`. Names may contain spaces: the longest matching name of a
/// present peer counts, or the first word if no name matches.
fn addressed<'a>(node: &Node, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let known = node
        .peers()
        .iter()
        .filter(|peer| {
            rest.strip_prefix(peer.name())
                .is_some_and(|text| text.starts_with(' '))
        })
        .map(|peer| peer.name().len())
        .max();
    let (name, text) = match known {
        Some(length) => rest.split_at_checked(length)?,
        None => rest.split_once(' ')?,
    };
    let text = text.trim_start();
    (!text.is_empty()).then_some((name, text))
}

impl Face for Chat {
    fn started(&self, node: &Node, lines: &mut Vec<u8>) {
        let name = node.name();
        let name = shown(&name);
        let group = shown(self.group());
        let line = format!("* you are {name}, in {group}; /help tells more");
        let _ = writeln!(lines, "{}", painted(&line));
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        let line = match event {
            Event::Shout {
                peer,
                group,
                message,
            } => format!(
                "[{}] {}: {}",
                shown(group),
                shown(peer.name()),
                text::message(message)
            ),
            Event::Whisper { peer, message } => {
                format!(
                    "{} whispers: {}",
                    shown(peer.name()),
                    text::message(message)
                )
            }
            Event::Join { peer, group } if self.groups.iter().any(|ours| group == ours) => {
                format!("* {} joined {}", shown(peer.name()), shown(group))
            }
            Event::Leave { peer, group } if self.groups.iter().any(|ours| group == ours) => {
                format!("* {} left {}", shown(peer.name()), shown(group))
            }
            Event::Exit { peer, reason, .. } if self.concerns(peer) => {
                format!("* {} has gone: {reason}", shown(peer.name()))
            }
            // Draining comes just before the exit.
            Event::State { peer, to, .. } if self.concerns(peer) && *to != State::Draining => {
                format!("* {} is {to}", shown(peer.name()))
            }
            Event::Update { peer, old_name } if self.concerns(peer) && peer.name() != old_name => {
                format!("* {} is called {} now", shown(old_name), shown(peer.name()))
            }
            Event::Evasive { peer } if self.concerns(peer) => {
                format!("* {} doesn't answer", shown(peer.name()))
            }
            Event::Responsive { peer } if self.concerns(peer) => {
                format!("* {} answers again", shown(peer.name()))
            }
            Event::Conflict { uuid } => {
                format!(
                    "! two nodes use the UUID {}: give each its own",
                    uuid.simple()
                )
            }
            Event::Unreachable {
                endpoint, reason, ..
            } => format!("! somebody at {endpoint} is heard, but can't be reached: {reason}"),
            Event::OneWay {
                endpoint, reason, ..
            } => format!("! somebody at {endpoint} can't be met: {reason}"),
            Event::Failed { reason } => format!("! this node ends: {reason}"),
            _ => return,
        };
        let _ = writeln!(lines, "{}", painted(&line));
    }

    fn unreadable(&self, why: &str, lines: &mut Vec<u8>) {
        let _ = writeln!(lines, "! {why}");
    }

    fn completer(&self, node: &Node) -> Complete {
        let node = node.clone();
        Box::new(move |line| {
            let peers = node.peers();
            // A name with control characters isn't completed: it could control the terminal.
            let names = peers.iter().map(|peer| peer.name().to_owned());
            complete(line, names.filter(|name| shown(name) == name.as_str()))
        })
    }

    async fn prepare(&self, node: &Node) {
        // A script sends its lines and ends; a person sees which peers are present.
        if !std::io::stdin().is_terminal() {
            let _ = node.wait_for_peers_in(self.group(), 1, COMPANY).await;
        }
    }

    async fn line(
        &self,
        node: &Node,
        line: &str,
        _awaited: &mut Awaited,
        lines: &mut Vec<u8>,
    ) -> ControlFlow<()> {
        let line = line.trim_end();
        let (command, rest) = match line.split_once(' ') {
            Some((command, rest)) => (command, rest.trim_start()),
            None => (line, ""),
        };
        let result = match command {
            "" if rest.is_empty() => Ok(()),
            "/quit" => return ControlFlow::Break(()),
            "/help" => {
                lines.extend_from_slice(COMMANDS.as_bytes());
                Ok(())
            }
            "/who" => {
                self.who(node, lines);
                Ok(())
            }
            "/peers" => {
                self.peers(node, lines);
                Ok(())
            }
            "/busy" => set_state(node, State::Busy).await,
            "/ready" => set_state(node, State::Ready).await,
            "/name" => set_name(node, rest).await,
            "/w" => match addressed(node, rest) {
                Some((name, text)) => node.whisper(name, text).await.map_err(explain),
                None => Err("say /w NAME TEXT".into()),
            },
            _ => match line.strip_prefix('/') {
                None => self.say(node, line, lines).await.map_err(explain),
                Some(rest) if rest.starts_with('/') => {
                    self.say(node, rest, lines).await.map_err(explain)
                }
                Some(_) => Err(format!("no command {}; /help lists them", shown(command))),
            },
        };
        if let Err(error) = result {
            let _ = writeln!(lines, "! {}", shown(&error));
        }
        ControlFlow::Continue(())
    }

    fn stopped(&self, _lines: &mut Vec<u8>) {}
}

async fn set_name(node: &Node, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("say /name NAME".into());
    }
    let set = node.set_name(name).await;
    set.map(drop).map_err(|error| error.to_string())
}

async fn set_state(node: &Node, state: State) -> Result<(), String> {
    node.set_state(state)
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn tab_completes_commands_and_names() {
        let names = || ["bob b", "bea", "al"].map(str::to_owned).into_iter();
        assert_eq!(complete("/w b", names()).1, ["/w bea ", "/w bob b "]);
        assert_eq!(complete("/w", names()).1, ["/w ", "/who"]);
        assert_eq!(complete("/r", names()).1, ["/ready"]);
        assert!(complete("b", names()).1.is_empty());
    }
}

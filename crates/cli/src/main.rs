//! The `zre` command: see who is on the network, and talk to them.

mod arguments;
mod bars;
mod bench;
mod carry;
mod census;
mod chat;
mod config;
mod control;
mod doctor;
mod editor;
mod files;
mod input;
mod json;
mod listen;
mod node;
mod options;
mod output;
mod paint;
mod paper;
mod ping;
mod program;
mod remote;
mod send;
mod sentence;
mod signals;
mod station;
mod text;
mod values;
mod variables;
mod visit;
mod watch;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::bench::BenchCommand;
use crate::census::{GroupsCommand, PeersCommand};
use crate::chat::ChatCommand;
use crate::doctor::DoctorCommand;
use crate::files::{ReceiveCommand, SendFileCommand};
use crate::listen::ListenCommand;
use crate::node::NodeCommand;
use crate::paper::{CompletionsCommand, ManCommand};
use crate::ping::PingCommand;
use crate::remote::{JoinCommand, LeaveCommand, StateCommand, StopCommand};
use crate::send::{ShoutCommand, WhisperCommand};
use crate::watch::WatchCommand;

/// Programs on a network find each other and talk: no server, no configuration.
///
/// zre speaks ZRE (RFC 36), so it meets programs with C Zyre, pyre and zyre.js
/// as well.
#[derive(Debug, Parser)]
#[command(name = "zre", version, after_help = HELP, after_long_help = LONG_HELP)]
struct Arguments {
    /// The unix socket of a running node: `node` listens at it, other commands
    /// speak through it instead of being a peer of their own [env: ZRE_CONTROL]
    #[arg(
        long,
        value_name = "PATH",
        global = true,
        help_heading = "Through a running node"
    )]
    control: Option<PathBuf>,

    /// A file of settings, by the names of the options [default:
    /// ~/.config/zre/config.toml, if that exists] [env: ZRE_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Settings")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Subcommands,
}

macro_rules! example {
    () => {
        "\
Example, in two terminals:
  zre chat --name alice
  zre chat --name bob

They find each other, and each line goes to the other. With --interface lo
nothing leaves this host. Where they don't, `zre doctor` finds out why.
`zre help chat`, `zre help peers` and so on tell more."
    };
}

const HELP: &str = example!();

const LONG_HELP: &str = concat!(
    example!(),
    "

Settings: each option is taken from the first of these that says something.
  1. the command line          --interface eth0
  2. its variable              ZRE_INTERFACE=eth0 (each option's help names it)
  3. the file                  interface = \"eth0\"
  4. its default

The file is the one that --config or ZRE_CONFIG names, else zre/config.toml in
$XDG_CONFIG_HOME or ~/.config (%APPDATA% on Windows). Its keys are the long
names of the options; under [chat], [peers] and so on they are for that
subcommand alone:

  name = \"camera\"
  interface = [\"eth0\", \"wlan0\"]
  beacon-port = 5670
  no-beacon = false

  [header]
  role = \"lens\"

  [peers]
  wait = \"1s\"

A key that isn't known, or a value of the wrong kind, is an error."
);

#[derive(Debug, Subcommand)]
enum Subcommands {
    Chat(ChatCommand),
    Node(NodeCommand),
    Watch(WatchCommand),
    Peers(PeersCommand),
    Groups(GroupsCommand),
    Ping(PingCommand),
    Whisper(WhisperCommand),
    Shout(ShoutCommand),
    SendFile(SendFileCommand),
    Receive(ReceiveCommand),
    Join(JoinCommand),
    Leave(LeaveCommand),
    State(StateCommand),
    Stop(StopCommand),
    Listen(ListenCommand),
    Doctor(DoctorCommand),
    Bench(BenchCommand),
    Completions(CompletionsCommand),
    Man(ManCommand),
}

fn main() -> ExitCode {
    if let Some(task) = bench::task() {
        log(false);
        return bench::perform(task);
    }
    let arguments = arguments::read();
    log(arguments.command.warns());
    // A peer takes about two descriptors, and the usual limit is 1024. If it can't be
    // raised, the node itself warns as soon as it is reached.
    let _ = zre::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(error),
    };
    let result = runtime.block_on(arguments.command.run(arguments.control));
    // A name that is being looked up can't be interrupted.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result.unwrap_or_else(complain)
}

impl Subcommands {
    /// Whether to log warnings: not beside findings that say the same, and not into what is drawn
    /// on a terminal.
    fn warns(&self) -> bool {
        match self {
            Self::Doctor(_) => false,
            Self::Chat(ChatCommand { json: false, .. }) | Self::Watch(_) => {
                !std::io::stderr().is_terminal()
            }
            _ => true,
        }
    }

    async fn run(self, control: Option<PathBuf>) -> Result<ExitCode, program::Failure> {
        let path = control.as_deref();
        match self {
            Self::Chat(mut command) => {
                command.options.default_group("chat");
                let builder = command.options.builder();
                if command.json {
                    // The same people, for a script: there is nothing to add.
                    return node::node(true, builder, None).await;
                }
                chat::chat(&command.options.settings.group, builder).await
            }
            Self::Node(command) => node::node(command.json, command.options.builder(), path).await,
            Self::Watch(command) => {
                let builder = command.options.builder();
                watch::watch(command, builder, path).await
            }
            Self::Peers(PeersCommand { census }) => {
                let builder = census.options.builder();
                census::peers(census, builder, path).await
            }
            Self::Groups(GroupsCommand { census }) => {
                let builder = census.options.builder();
                census::groups(census, builder, path).await
            }
            Self::Ping(command) => {
                let builder = command.options.builder();
                ping::ping(command, builder, path).await
            }
            Self::Whisper(command) => {
                let builder = command.options.builder();
                send::whisper(command, builder, path).await
            }
            Self::Shout(command) => {
                let builder = command.options.builder();
                send::shout(command, builder, path).await
            }
            Self::SendFile(command) => {
                let builder = command.options.builder();
                files::send(command, builder).await
            }
            Self::Receive(command) => {
                let builder = command.options.builder();
                files::receive(command, builder).await
            }
            Self::Join(command) => remote::say(control, command).await,
            Self::Leave(command) => remote::say(control, command).await,
            Self::State(command) => remote::say(control, command).await,
            Self::Stop(command) => remote::say(control, command).await,
            Self::Listen(command) => listen::listen(command).await,
            Self::Doctor(command) => {
                let options = command.options.clone();
                doctor::doctor(command, || options.builder()).await
            }
            Self::Bench(command) => bench::bench(command).await,
            Self::Completions(command) => paper::completions(command, Arguments::command()).await,
            Self::Man(command) => paper::man(command, Arguments::command()).await,
        }
    }
}

/// Logs to standard error what `ZRE_LOG` or else `RUST_LOG` selects. If neither is set, it
/// logs warnings, or nothing.
fn log(warnings: bool) {
    let filter = ["ZRE_LOG", "RUST_LOG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
    let filter = match filter {
        None if warnings => "zre=warn".to_owned(),
        None => return,
        Some(filter) => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Its message about a log that can't be written would panic.
        .log_internal_errors(false)
        .init();
}

fn complain(error: impl Display) -> ExitCode {
    // Where nobody hears it, the exit code says it.
    let _ = writeln!(std::io::stderr(), "zre: {error}");
    ExitCode::FAILURE
}

//! The `zre` command: see who is on the network, and talk to them.

mod arguments;
mod backlog;
mod bars;
mod bench;
mod chat;
mod commands;
mod completions;
mod config;
mod control;
mod doctor;
mod editor;
mod failure;
mod files;
mod gathering;
mod groups;
mod input;
mod json;
mod keygen;
mod listen;
mod man;
mod node;
mod options;
mod output;
mod paint;
mod peers;
mod ping;
mod program;
mod running;
mod sent;
mod sentence;
mod shout;
mod signals;
mod text;
mod texts;
mod values;
mod variables;
mod visit;
mod watch;
mod whisper;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::bench::BenchCommand;
use crate::chat::ChatCommand;
use crate::completions::CompletionsCommand;
use crate::doctor::DoctorCommand;
use crate::failure::Failure;
use crate::files::{ReceiveCommand, SendFileCommand};
use crate::groups::GroupsCommand;
use crate::keygen::KeygenCommand;
use crate::listen::ListenCommand;
use crate::man::ManCommand;
use crate::node::NodeCommand;
use crate::peers::PeersCommand;
use crate::ping::PingCommand;
use crate::running::join::JoinCommand;
use crate::running::leave::LeaveCommand;
use crate::running::state::StateCommand;
use crate::running::stop::StopCommand;
use crate::shout::ShoutCommand;
use crate::watch::WatchCommand;
use crate::whisper::WhisperCommand;

/// Programs on a network find each other and talk: no server, no configuration.
///
/// zre speaks ZRE (RFC 36), so it meets programs with C Zyre, pyre and zyre.js
/// as well.
#[derive(Debug, Parser)]
#[command(name = "zre", bin_name = "zre", version, after_help = HELP, after_long_help = LONG_HELP)]
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

    /// Whether the subcommand was asked for JSON.
    #[arg(skip)]
    json: bool,
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
    Keygen(KeygenCommand),
    Completions(CompletionsCommand),
    Man(ManCommand),
}

fn main() -> ExitCode {
    if let Some(task) = bench::task() {
        log(false);
        return bench::perform(task);
    }
    let arguments = arguments::read();
    log(arguments.warns());
    // A peer takes about two descriptors, and the usual limit is 1024. If it can't be
    // raised, the node itself warns as soon as it is reached.
    let _ = zre::raise_descriptor_limit();
    // With several threads, each beacon and PING would wake two of them in turn.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // An idle program needs none of the threads for what blocks.
        .thread_keep_alive(Duration::from_secs(1))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::System(error), arguments.json),
    };
    let control = arguments.control.as_deref();
    let result = runtime.block_on(arguments.command.run(control));
    // A name that is being looked up can't be interrupted.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result.unwrap_or_else(|failure| complain(&failure, arguments.json))
}

impl Arguments {
    /// Whether to log warnings: not beside findings that say the same, and not into what is
    /// drawn on a terminal.
    fn warns(&self) -> bool {
        match self.command {
            Subcommands::Doctor(_) => false,
            Subcommands::Chat(_) if self.json => true,
            Subcommands::Chat(_) | Subcommands::Watch(_) => !std::io::stderr().is_terminal(),
            _ => true,
        }
    }
}

impl Subcommands {
    async fn run(self, control: Option<&Path>) -> Result<ExitCode, Failure> {
        match self {
            Self::Chat(command) => chat::chat(command).await,
            Self::Node(command) => node::node(command, control).await,
            Self::Watch(command) => watch::watch(command, control).await,
            Self::Peers(command) => peers::peers(command, control).await,
            Self::Groups(command) => groups::groups(command, control).await,
            Self::Ping(command) => ping::ping(command, control).await,
            Self::Whisper(command) => whisper::whisper(command, control).await,
            Self::Shout(command) => shout::shout(command, control).await,
            Self::SendFile(command) => files::send(command).await,
            Self::Receive(command) => files::receive(command).await,
            Self::Join(command) => running::join::join(command, control).await,
            Self::Leave(command) => running::leave::leave(command, control).await,
            Self::State(command) => running::state::state(command, control).await,
            Self::Stop(command) => running::stop::stop(command, control).await,
            Self::Listen(command) => listen::listen(command).await,
            Self::Doctor(command) => doctor::doctor(command).await,
            Self::Bench(command) => bench::bench(command).await,
            Self::Keygen(command) => keygen::keygen(command).await,
            Self::Completions(command) => {
                completions::completions(command, arguments::program()).await
            }
            Self::Man(command) => man::man(command, arguments::program()).await,
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

/// Says on standard error why it failed, as JSON if the command speaks it.
pub(crate) fn complain(failure: &Failure, as_json: bool) -> ExitCode {
    let mut line = Vec::new();
    if as_json {
        json::line(&failure.line(), &mut line);
    } else {
        line.extend_from_slice(format!("zre: {failure}\n").as_bytes());
    }
    // Where nobody hears it, the exit code says it.
    let _ = std::io::stderr().write_all(&line);
    ExitCode::FAILURE
}

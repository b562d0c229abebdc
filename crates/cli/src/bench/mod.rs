//! `zre bench`: measures nodes on this machine.

mod measure;
mod run;
mod table;

#[cfg(test)]
pub(crate) use table::Line;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use zre::Link;

use crate::bars::Bars;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::values::Size as Bytes;

use self::measure::plan::{Amount, LINKS};
use self::measure::task::Task;
use self::run::{End, Run};

use self::measure::process::MeasureError;

/// The maximum size of a message.
const LARGEST: u64 = 16 << 20;

/// Measure the performance of nodes on this machine.
///
/// Starts child processes whose nodes whisper and shout to each other over tcp,
/// unix sockets and memory. Prints how many messages arrive per second, how long
/// a round trip takes, and how long nodes take to meet, to notice that a peer
/// left and to notice that a peer crashed. Each figure is the median of several
/// rounds, in which the links take turns.
///
/// Nothing leaves this host: the nodes use the loopback interface and a port of
/// their own, and therefore neither meet nor disturb other nodes. A full run takes
/// some minutes, one with --quick about a minute.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct BenchCommand {
    /// What to measure: whisper, senders, fan-in, trip, shout, meet, leave [default: all]
    #[arg(
        long,
        value_name = "WHAT,..",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    what: Vec<What>,

    /// What carries the messages: tcp, ipc, inproc [default: all that are available]
    #[arg(
        long,
        value_name = "LINK,..",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    links: Vec<Carrier>,

    /// Sizes of messages in bytes, as 16,1k,1M [default: some for each kind]
    #[arg(long, value_name = "SIZE,..", value_delimiter = ',', value_parser = message_size)]
    sizes: Vec<Size>,

    /// The number of rounds [default: 5; 1 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// The number of messages of a measurement [default: depends on their size]
    ///
    /// A figure from fewer than some thousands of messages isn't reliable.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    messages: Option<u32>,

    /// The number of nodes that come and go in meet and leave [default: 20; 5
    /// with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    visits: Option<u32>,

    /// Give the nodes keys: everything is encrypted, and there is no inproc, which never
    /// is
    #[arg(long)]
    encrypted: bool,

    /// Measure one round with a fifth of the messages, for rough figures
    #[arg(long)]
    quick: bool,

    /// Write JSON lines
    #[arg(long)]
    json: bool,
}

const HELP: &str = r#"What the figures are:
  whisper  messages a second from one node to another, from the first that
           arrives to the last; with two frames, the first has 8 bytes
  senders  the same from 1, 2, 4 and 8 tasks of one node to one peer
  fan-in   the same from 1, 4, 16 and 64 nodes, which share a process, to one
           node: all messages together
  trip     a whisper there and back: half of them took less than p50, one in a
           hundred more than p99, one in a thousand more than p99.9
  shout    messages a second at all receivers together, which share a process
  meet     from just before a node starts until both it and the other know
  leave    from just before a node stops, or its process is killed, until the
           other knows

tcp and ipc (unix sockets) are between two processes, inproc (memory) is within
one. Sender and receiver share the machine, and whatever else runs there slows
them: what counts is the same figure before and after a change. Processes are
ended with the command, however it ends.

With --json, a line a figure:
  {"event":"bench","version":..,"cores":..,"debug":false,"rounds":5,"quick":false,
   "encrypted":false}
  {"event":"whisper","link":"tcp","size":16,"frames":1,"per_second":..}
  {"event":"senders","link":"tcp","size":16,"senders":4,"per_second":..}
  {"event":"fan-in","link":"tcp","size":16,"nodes":4,"per_second":..}
  {"event":"trip","link":"tcp","size":16,"p50_us":..,"p99_us":..,"p999_us":..}
  {"event":"shout","link":"tcp","size":16,"receivers":4,"per_second":..}
  {"event":"meet","link":"tcp","median_ms":..,"best_ms":..,"worst_ms":..}
  {"event":"leave","link":"tcp","how":"stop|kill","median_ms":..,"best_ms":..,
   "worst_ms":..}

Exit code: 0 where everything was measured, 1 where something wasn't.

Examples:
  zre bench --quick
  zre bench --what whisper,trip --links tcp --sizes 100,2k
  zre bench --quick --encrypted
  zre bench --what trip --json | jq 'select(.event == "trip") | .p50_us'"#;

/// Why the benchmark can't run.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("can't make a directory for temporary files: {0}")]
    Directory(std::io::Error),
    #[error("the directory for temporary files, {0:?}, isn't text: name another in TMPDIR")]
    Nameless(std::path::PathBuf),
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::other("directory", error)
    }
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        Self::other("bench", error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Whisper,
    Senders,
    FanIn,
    Trip,
    Shout,
    Meet,
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Carrier {
    Tcp,
    Ipc,
    Inproc,
}

impl From<Carrier> for Link {
    fn from(carrier: Carrier) -> Self {
        match carrier {
            Carrier::Tcp => Self::Tcp,
            Carrier::Ipc => Self::Ipc,
            Carrier::Inproc => Self::Inproc,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Size(usize);

fn message_size(text: &str) -> Result<Size, String> {
    match text.parse::<Bytes>()?.0 {
        bytes @ 1..=LARGEST => usize::try_from(bytes)
            .map(Size)
            .map_err(|error| error.to_string()),
        _ => Err("it must be from 1 to 16M".into()),
    }
}

impl BenchCommand {
    fn wants(&self, what: What) -> bool {
        self.what.is_empty() || self.what.contains(&what)
    }

    /// In our order, each once.
    fn links(&self) -> Vec<Link> {
        let wanted: Vec<Link> = self.links.iter().copied().map(Link::from).collect();
        let is_wanted = |link: &Link| match wanted.is_empty() {
            // Unix sockets exist only on unix.
            true if *link == Link::Inproc => !self.encrypted,
            true => cfg!(unix) || *link != Link::Ipc,
            false => wanted.contains(link),
        };
        LINKS.into_iter().filter(is_wanted).collect()
    }

    fn sizes(&self, usual: &[usize]) -> Vec<usize> {
        match self.sizes.as_slice() {
            [] => usual.to_vec(),
            sizes => sizes.iter().map(|size| size.0).collect(),
        }
    }

    fn amount(&self) -> Amount {
        Amount { quick: self.quick }
    }

    fn rounds(&self) -> usize {
        number(self.rounds).unwrap_or(self.amount().rounds())
    }

    fn messages(&self) -> Option<usize> {
        number(self.messages)
    }

    fn visits(&self) -> usize {
        number(self.visits).unwrap_or(self.amount().visits())
    }
}

fn number(option: Option<u32>) -> Option<usize> {
    option.and_then(|number| usize::try_from(number).ok())
}

/// The task of this process, if it is a child of `zre bench`.
pub(crate) fn task() -> Option<Task> {
    Task::of_this_process()
}

/// Runs the task.
pub(crate) fn perform(task: Task) -> ExitCode {
    measure::perform(task)
}

pub(crate) async fn bench(command: BenchCommand) -> Result<ExitCode, Failure> {
    if !cfg!(unix) && command.links().contains(&Link::Ipc) {
        return Err(Failure::Usage(
            "there are no unix sockets here: leave ipc out".into(),
        ));
    }
    if command.encrypted && command.links().contains(&Link::Inproc) {
        return Err(Failure::Usage(
            "nodes of one process don't encrypt: leave inproc out".into(),
        ));
    }
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let directory = tempfile::Builder::new().prefix("zre-bench-").tempdir();
    let directory = directory.map_err(BenchError::Directory)?;
    let Some(path) = directory.path().to_str() else {
        return Err(BenchError::Nameless(std::env::temp_dir()).into());
    };
    // Bars are shown on a terminal only.
    let bars = Bars::new(true);
    let (output, written) = bars.output();
    let run = Run::new(&command, path, &bars, output);
    let end = tokio::select! {
        biased;
        // Dropping the measurement ends its children.
        () = signals.recv() => Err(Failure::Interrupted),
        end = run.measure() => match end {
            Ok(()) | Err(End::Unread) => Ok(()),
            Err(End::Failed(error)) => Err(error.into()),
        },
    };
    let written = tokio::select! {
        written = written => written,
        () = signals.recv() => return Err(Failure::Hurried),
    };
    if let Ok(Err(error)) = written {
        return Err(Failure::Output(error));
    }
    end.map(|()| ExitCode::SUCCESS)
}

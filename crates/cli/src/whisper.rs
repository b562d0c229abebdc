//! `zre whisper`: tell one peer something, and leave.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::{Line, Member};

use crate::failure::Failure;
use crate::running;
use crate::sent::Sent;
use crate::texts::Texts;
use crate::visit::{PATIENCE, VisitOptions, visit};

/// Tell one peer something.
///
/// The command joins the network as a peer of its own: the others see it enter, and
/// leave once the peer has confirmed the message. With --control, a running node
/// sends it, and nobody enters.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct WhisperCommand {
    /// The peer's name or UUID
    peer: String,

    /// Words that make one message [default: each line of standard input is one]
    message: Vec<String>,

    #[command(flatten)]
    pub(crate) visit: VisitOptions,
}

const HELP: &str = r#"A name that several peers have is refused: name the one you mean by its UUID. To
know that, the command waits a second for others of that name; with a UUID it
doesn't. Put words that start with - after --.

With --json:
  {"event":"whispered","messages":1,"accepted":1,
   "peers":[{"peer":..,"name":..}],"unconfirmed":0}

Exit code: 0 once the peer has confirmed everything, 1 if it hasn't, or isn't
here, or there was nothing to say.

Examples:
  zre whisper bob the build is done
  tail -f log | zre whisper 5f0c6c6ff1a94c8c8e1c7b0f2b1d9a9b"#;

pub(crate) async fn whisper(
    command: WhisperCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let options = &command.visit;
    let mut texts = Texts::of(&command.message)?;
    let sent = match control {
        Some(path) => running::whisper(path, &command.peer, texts).await?,
        None => {
            let (mut sent, departure) = visit(options.node.builder(), async |visit| {
                let peer = visit.find(&command.peer, options.wait).await?;
                let mut sent = Sent::default();
                while let Some(text) = texts.next().await? {
                    visit.node().whisper(&peer, text).await?;
                    sent.count([Member::from(&peer)]);
                }
                sent.confirm(visit.node(), PATIENCE).await;
                Ok(sent)
            })
            .await?;
            sent.depart(&departure);
            sent
        }
    };
    sent.finish(Line::Whispered, options.json).await
}

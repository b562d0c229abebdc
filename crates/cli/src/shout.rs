//! `zre shout`: tell all peers in a group something, and leave.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use tokio::task::JoinSet;
use zre::json::{Line, Member};
use zre::{Message, Node, SendError};

use crate::failure::Failure;
use crate::gathering::Purpose;
use crate::running;
use crate::sent::Sent;
use crate::texts::Texts;
use crate::visit::{PATIENCE, VisitOptions, visit};

/// Tell all peers in a group something.
///
/// The command joins the network as a peer of its own, but not the group: the others
/// see it enter, and leave once they have confirmed the message. With --control, a
/// running node sends it, and nobody enters.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct ShoutCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    to: String,

    /// Words that make one message [default: each line of standard input is one]
    message: Vec<String>,

    /// Look no longer once so many peers are in the group; fewer in time are a
    /// failure, and nothing is sent
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    #[command(flatten)]
    pub(crate) visit: VisitOptions,
}

const HELP: &str = r#"It looks for peers until nobody new has come for a moment, unless --count says
when all are there. Put words that start with - after --.

With --json:
  {"event":"shouted","messages":1,"accepted":1,
   "peers":[{"peer":..,"name":..}],"unconfirmed":0}

Exit code: 0 once all that were in the group have confirmed everything, 1 if one
hasn't, or nobody is in it, or there was nothing to say.

Examples:
  zre shout chat dinner is ready
  zre shout builds --count 3 -- --all done
  make 2>&1 | zre shout builds"#;

pub(crate) async fn shout(
    command: ShoutCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let options = &command.visit;
    let group = command.to.as_str();
    let mut texts = Texts::of(&command.message)?;
    let sent = match control {
        Some(path) => running::shout(path, group, texts).await?,
        None => {
            let (mut sent, departure) = visit(options.node.builder(), async |visit| {
                let node = visit.node();
                let wanted = command.count.unwrap_or(1);
                let enough = |node: &Node| (node.peers_in(group).len() >= wanted).then_some(());
                visit.until(options.wait, enough).await;
                if command.count.is_none() {
                    visit.gather(options.wait, Purpose::Act).await;
                }
                let found = node.peers_in(group).len();
                match command.count {
                    None if found == 0 => return Err(Failure::Empty(group.to_owned())),
                    Some(wanted) if found < wanted => return Err(Failure::Few { found, wanted }),
                    _ => {}
                }
                let mut sent = Sent::default();
                while let Some(text) = texts.next().await? {
                    tell(node, group, text.into(), &mut sent).await?;
                }
                sent.confirm(node, PATIENCE).await;
                Ok(sent)
            })
            .await?;
            sent.depart(&departure);
            sent
        }
    };
    sent.finish(Line::Shouted, options.json).await
}

/// Sends one message to all members. One whose queue stays full gets this and all later
/// messages no more: the others aren't to wait for it each time.
async fn tell(node: &Node, group: &str, message: Message, sent: &mut Sent) -> Result<(), Failure> {
    let mut members = node.peers_in(group);
    members.retain(|peer| !sent.is_silent(peer.uuid()));
    if members.is_empty() {
        // Whether it could be sent at all.
        let _ = node.try_shout(group, message.clone())?;
    }
    let mut deliveries = JoinSet::new();
    for peer in members {
        let (node, group, message) = (node.clone(), group.to_owned(), message.clone());
        deliveries.spawn(async move {
            let delivered = node.shout_to(&peer, group, message).await;
            (peer, delivered)
        });
    }
    let mut takers = Vec::new();
    while let Some(Ok((peer, delivered))) = deliveries.join_next().await {
        match delivered {
            Ok(()) => takers.push(Member::from(&peer)),
            Err(SendError::Full) => sent.note_silent(peer.uuid()),
            Err(SendError::Gone | SendError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    sent.count(takers);
    Ok(())
}

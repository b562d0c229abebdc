//! `zre peers`: who is here.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::Peer;

use crate::failure::Failure;
use crate::gathering::Purpose;
use crate::json;
use crate::running;
use crate::text::{columns, fingerprint, shown};
use crate::visit::{VisitOptions, print, visit};

/// List the peers that are here.
///
/// To see them, the command joins the network as a peer of its own: the others see
/// it enter, and a moment later leave. With --control, it asks a running node
/// instead, and waits for nothing.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct PeersCommand {
    #[command(flatten)]
    pub(crate) look: Look,
}

/// How to look for the peers that are here.
#[derive(Args, Debug)]
pub(crate) struct Look {
    /// Look until so many peers are here; fewer in time are a failure
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    #[command(flatten)]
    pub(crate) visit: VisitOptions,
}

const HELP: &str = r#"It looks until nobody new has come for half a second, but no longer than --wait;
with --count, until so many are here.

A line has the name, the UUID, the state, the link, the address, and the groups.
Behind the link of a peer with a key stands a + and the beginning of its key.

With --json, a line a peer:
  {"peer":..,"name":..,"headers":{..},"endpoint":..,"link":..,"key":..,"state":..,
   "groups":[..],"via":[..]}

Exit code: 0 if peers are here (with --count, as many), 1 if not.

Examples:
  zre peers
  zre peers --wait 500ms --json | jq -r .name
  zre peers --count 3 --wait 1m && echo 'all three are up'"#;

pub(crate) async fn peers(
    command: PeersCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let look = &command.look;
    let peers = look.peers(control).await?;
    let mut lines = Vec::new();
    if look.visit.json {
        for peer in &peers {
            json::line(peer, &mut lines);
        }
    } else {
        let row = |peer: &Peer| {
            let groups: Vec<_> = peer.groups.iter().map(|g| shown(g).into()).collect();
            vec![
                shown(&peer.name).into(),
                peer.uuid.simple().to_string(),
                peer.state.to_string(),
                link(peer),
                shown(&peer.endpoint).into(),
                <[String]>::join(&groups, ", "),
            ]
        };
        columns(&peers.iter().map(row).collect::<Vec<_>>(), &mut lines);
    }
    print(lines).await?;
    look.judge(peers.len(), control)
}

/// The link, and the beginning of the key if the peer has one.
fn link(peer: &Peer) -> String {
    let link = shown(&peer.link);
    match &peer.key {
        Some(key) => format!("{link}+{}", shown(fingerprint(key))),
        None => link.into(),
    }
}

impl Look {
    /// The peers that are here, or those of a running node if there is one, by
    /// their names.
    pub(crate) async fn peers(&self, control: Option<&Path>) -> Result<Vec<Peer>, Failure> {
        let mut peers = match control {
            Some(path) => running::peers(path).await?,
            None => self.look().await?,
        };
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(peers)
    }

    async fn look(&self) -> Result<Vec<Peer>, Failure> {
        let wait = self.visit.wait;
        let (peers, _) = visit(self.visit.node.builder(), async |visit| {
            match self.count {
                None => visit.gather(wait, Purpose::See).await,
                Some(count) => {
                    let enough = |node: &zre::Node| (node.peers().len() >= count).then_some(());
                    visit.until(wait, enough).await;
                }
            }
            Ok(visit.node().peers().iter().map(Peer::from).collect())
        })
        .await?;
        Ok(peers)
    }

    /// Whether so many peers are enough.
    pub(crate) fn judge(&self, found: usize, control: Option<&Path>) -> Result<ExitCode, Failure> {
        let wanted = self.count.unwrap_or(1);
        if found >= wanted {
            Ok(ExitCode::SUCCESS)
        } else if found == 0 && control.is_some() {
            Err(Failure::Alone)
        } else if found == 0 {
            Err(Failure::Nobody(self.visit.wait))
        } else {
            Err(Failure::Few { found, wanted })
        }
    }
}

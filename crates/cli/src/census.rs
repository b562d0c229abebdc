//! `zre peers` and `zre groups`: who is here.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use zre::Builder;
use zre::json::{Group, Peer};

use crate::json;
use crate::options::Options;
use crate::program::Failure;
use crate::remote;
use crate::text::{columns, shown};
use crate::values::time;
use crate::visit::{print, visit};

/// List the peers that are here.
///
/// To see them, the command joins the network as a peer of its own: the others
/// are told that it enters, and a moment later that it leaves. With --control,
/// it asks a running node instead, and waits for nothing.
#[derive(Args, Debug)]
#[command(after_long_help = PEERS_HELP)]
pub(crate) struct PeersCommand {
    #[command(flatten)]
    pub(crate) census: Census,
}

/// List the groups that peers are in, and who is in each.
///
/// To see them, the command joins the network as a peer of its own: the others
/// are told that it enters, and a moment later that it leaves. With --control,
/// it asks a running node instead, and waits for nothing.
#[derive(Args, Debug)]
#[command(after_long_help = GROUPS_HELP)]
pub(crate) struct GroupsCommand {
    #[command(flatten)]
    pub(crate) census: Census,
}

#[derive(Args, Debug)]
pub(crate) struct Census {
    /// How long to look for peers
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    wait: Duration,

    /// Look no longer once so many peers are here; fewer in time are a failure
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    /// Write JSON lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

const PEERS_HELP: &str = r#"A line has the name, the UUID, the state, the link, the address, and the groups.

With --json, a line a peer:
  {"peer":..,"name":..,"headers":{..},"endpoint":..,"link":..,"state":..,
   "groups":[..],"via":[..]}

Exit code: 0 where peers are here (with --count, as many), 1 where not.

Examples:
  zre peers
  zre peers --wait 500ms --json | jq -r .name
  zre peers --count 3 --wait 1m && echo 'all three are up'"#;

const GROUPS_HELP: &str = r#"A line has the group, the number of its members, and their names.

With --json, a line a group:
  {"group":..,"peers":[{"peer":..,"name":..}]}

Exit code: 0 where peers are here (with --count, as many), in groups or not;
1 where nobody is.

Examples:
  zre groups
  zre groups --json | jq -r 'select(.group == "chat").peers[].name'"#;

pub(crate) async fn peers(
    census: Census,
    builder: Builder,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let peers = census.take(builder, control).await?;
    let mut lines = Vec::new();
    if census.json {
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
                shown(&peer.link).into(),
                shown(&peer.endpoint).into(),
                <[String]>::join(&groups, ", "),
            ]
        };
        columns(&peers.iter().map(row).collect::<Vec<_>>(), &mut lines);
    }
    print(lines).await?;
    census.judge(peers.len())
}

pub(crate) async fn groups(
    census: Census,
    builder: Builder,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let peers = census.take(builder, control).await?;
    let groups = Group::of(&peers);
    let mut lines = Vec::new();
    if census.json {
        for group in &groups {
            json::line(group, &mut lines);
        }
    } else {
        let row = |group: &Group| {
            let names: Vec<_> = group.peers.iter().map(|p| shown(&p.name).into()).collect();
            vec![
                shown(&group.group).into(),
                group.peers.len().to_string(),
                <[String]>::join(&names, ", "),
            ]
        };
        columns(&groups.iter().map(row).collect::<Vec<_>>(), &mut lines);
    }
    print(lines).await?;
    census.judge(peers.len())
}

impl Census {
    /// Those that were here when enough were, or when the time was over; those
    /// whom a running node knows, where there is one.
    async fn take(&self, builder: Builder, control: Option<&Path>) -> Result<Vec<Peer>, Failure> {
        let mut peers = match control {
            Some(path) => remote::peers(path).await?,
            None => self.look(builder).await?,
        };
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(peers)
    }

    async fn look(&self, builder: Builder) -> Result<Vec<Peer>, Failure> {
        let (peers, _) = visit(builder, async |visit| {
            let wanted = self.count.unwrap_or(usize::MAX);
            let enough = |node: &zre::Node| (node.peers().len() >= wanted).then_some(());
            visit.until(self.wait, enough).await;
            Ok(visit.node().peers().iter().map(Peer::from).collect())
        })
        .await?;
        Ok(peers)
    }

    fn judge(&self, found: usize) -> Result<ExitCode, Failure> {
        let wanted = self.count.unwrap_or(1);
        if found >= wanted {
            Ok(ExitCode::SUCCESS)
        } else if found == 0 {
            Err(Failure::Nobody(self.wait))
        } else {
            Err(Failure::Few { found, wanted })
        }
    }
}

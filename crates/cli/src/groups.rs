//! `zre groups`: which groups there are.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::Group;

use crate::failure::Failure;
use crate::json;
use crate::peers::Look;
use crate::text::{columns, shown};
use crate::visit::print;

/// List the groups that peers are in, and who is in each.
///
/// To see them, the command joins the network as a peer of its own: the others see
/// it enter, and a moment later leave. With --control, it asks a running node
/// instead, and waits for nothing.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct GroupsCommand {
    #[command(flatten)]
    pub(crate) look: Look,
}

const HELP: &str = r#"It looks for peers as `zre peers` does.

A line has the group, the number of its members, and their names.

With --json, a line a group:
  {"group":..,"peers":[{"peer":..,"name":..}]}

Exit code: 0 if peers are here (with --count, as many), in groups or not; 1 if
nobody is.

Examples:
  zre groups
  zre groups --json | jq -r 'select(.group == "chat").peers[].name'"#;

pub(crate) async fn groups(
    command: GroupsCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let look = &command.look;
    let peers = look.peers(control).await?;
    let groups = Group::of(&peers);
    let mut lines = Vec::new();
    if look.visit.json {
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
    look.judge(peers.len(), control)
}

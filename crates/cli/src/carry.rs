//! What the node does about a command, from standard input or a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use zre::{Node, StateError};

use crate::json::{Command, message};
use crate::report::{Known, Member, Own, Report, groups, hex};

/// No ping waits longer: the peer has expired by then.
const LONGEST: Duration = Duration::from_secs(60);

/// Carries out a command; the answer says that it was, or what was asked for.
///
/// `Stop` and `Watch` are whoever's who reads the commands; they are only
/// confirmed here.
///
/// # Errors
/// Why it can't be carried out, in words.
pub(crate) async fn carry_out(node: &Node, command: Command) -> Result<Report, String> {
    fn plain(error: impl std::error::Error) -> String {
        error.to_string()
    }
    match command {
        Command::Join { group } => {
            node.join(group).await.map_err(plain)?;
            Ok(Report::done())
        }
        Command::Leave { group } => {
            node.leave(group).await.map_err(plain)?;
            Ok(Report::done())
        }
        Command::Contest { group } => {
            node.contest(group).await.map_err(plain)?;
            Ok(Report::done())
        }
        Command::Whisper { peer, frames } => {
            let peer = node.peer(&peer).map_err(plain)?;
            node.whisper(&peer, message(frames)).await.map_err(plain)?;
            Ok(Report::Done {
                peers: Some(vec![Member::new(&peer)]),
                full: Vec::new(),
            })
        }
        Command::Shout { group, frames } => {
            let mut peers = node.peers_in(&group);
            let shouted = node.shout(group, message(frames)).await.map_err(plain)?;
            peers.retain(|peer| !shouted.full.contains(peer) && !shouted.gone.contains(peer));
            Ok(Report::Done {
                peers: Some(peers.iter().map(Member::new).collect()),
                full: shouted.full.iter().map(Member::new).collect(),
            })
        }
        Command::State { state } => {
            let state = state.parse().map_err(|error: StateError| plain(error))?;
            node.set_state(state).await.map_err(plain)?;
            Ok(Report::done())
        }
        Command::Peers {} => {
            let mut peers = known(node);
            let silences = node.silences().await.map_err(plain)?;
            let silences = silences.into_iter().map(|(uuid, time)| (hex(uuid), time));
            let silences: BTreeMap<String, Duration> = silences.collect();
            for peer in &mut peers {
                let silence = silences.get(&peer.peer);
                peer.silence = silence.map(Duration::as_secs_f64);
            }
            Ok(Report::Peers { peers })
        }
        Command::Groups {} => {
            let groups = groups(&known(node));
            Ok(Report::Groups { groups })
        }
        Command::Ping { peer, timeout_ms } => {
            let peer = node.peer(&peer).map_err(plain)?;
            let timeout = Duration::from_millis(timeout_ms).min(LONGEST);
            let time = node.ping(&peer, timeout).await.map_err(plain)?;
            let Member { peer, name } = Member::new(&peer);
            let ms = time.as_secs_f64() * 1e3;
            Ok(Report::Pong { peer, name, ms })
        }
        Command::Node {} => Ok(Report::Node(Own::new(node))),
        Command::Watch {} | Command::Stop {} => Ok(Report::done()),
    }
}

fn known(node: &Node) -> Vec<Known> {
    node.peers().iter().map(Known::new).collect()
}

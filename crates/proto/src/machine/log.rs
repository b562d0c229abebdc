//! The life of a peer, as a log shows it.
//!
//! Each line has the field `uuid`, and `session` if it is about one mailbox. Rare
//! events are at debug level, and what happens for each message at trace level.

use tracing::{debug, trace};

use super::Event;

impl Event {
    pub(super) fn log(&self) {
        match self {
            Self::Enter {
                peer: uuid,
                session,
                info,
            } => debug!(
                %uuid,
                ?session,
                name = %info.name,
                endpoint = %info.endpoint,
                state = %info.state,
                via = ?info.via,
                "enter"
            ),
            Self::Exit {
                peer: uuid,
                reason,
                unconfirmed,
            } => debug!(%uuid, %reason, unconfirmed, "exit"),
            Self::Join { peer: uuid, group } => debug!(%uuid, %group, "join"),
            Self::Leave { peer: uuid, group } => debug!(%uuid, %group, "leave"),
            Self::State {
                peer: uuid,
                from,
                to,
            } => debug!(%uuid, %from, %to, "state"),
            Self::Update {
                peer: uuid,
                profile,
            } => debug!(%uuid, name = %profile.name, "update"),
            Self::Evasive { peer: uuid } => debug!(%uuid, "evasive"),
            Self::Silent { peer: uuid } => debug!(%uuid, "silent"),
            Self::Responsive { peer: uuid } => debug!(%uuid, "responsive"),
            Self::Leader {
                group,
                leader: uuid,
            } => debug!(%uuid, %group, "leader"),
            Self::Undecided { group, missing } => debug!(%group, ?missing, "undecided"),
            Self::Unanswered {
                peer: uuid,
                endpoint,
            } => debug!(%uuid, %endpoint, "our greeting is unanswered"),
            Self::Conflict { peer: uuid } => debug!(%uuid, "conflict"),
            Self::Pong {
                peer: uuid,
                round_trip,
            } => trace!(%uuid, ?round_trip, "pong"),
            Self::Whisper {
                peer: uuid,
                content,
            } => trace!(%uuid, bytes = content.len(), "whisper"),
            Self::Shout {
                peer: uuid,
                group,
                content,
            } => trace!(%uuid, %group, bytes = content.len(), "shout"),
            Self::Request {
                peer: uuid,
                id,
                content,
            } => trace!(%uuid, id, bytes = content.len(), "request"),
            Self::Reply {
                peer: uuid,
                id,
                content,
            } => trace!(%uuid, id, answered = content.is_some(), "reply"),
        }
    }
}

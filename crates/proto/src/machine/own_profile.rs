//! Our name and our headers, and how peers hear of changes.

use std::time::Duration;

use uuid::Uuid;

use super::Machine;
use super::peer::Phase;
use super::timers::Timer;
use crate::{Command, LimitError, Profile, Time};

/// Changes within that time after an UPDATE go out together when it is over, so that
/// a program that changes a header all the time fills nobody's queue.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// Which of our names and headers peers know.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// Another number after each change.
    pub(super) revision: u32,
    /// When the last UPDATE went out.
    sent: Option<Time>,
}

impl Machine {
    /// Our name and headers, without the headers that ZRE nodes set for each other.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile {
            name: self.config.name.clone(),
            headers: self.config.headers.clone(),
        }
    }

    /// Changes our name. Returns false if it was that already.
    ///
    /// Peers that showed `X-ZRE-UPDATE` hear of it by an UPDATE, at once or within
    /// 100 ms of the last one; others by our HELLO in their next session.
    ///
    /// # Errors
    /// The name is empty, too long or holds a NUL.
    pub fn set_name(&mut self, now: Time, name: &str) -> Result<bool, LimitError> {
        self.config.limits.validate_name(name)?;
        if self.config.name == name {
            return Ok(false);
        }
        self.config.name = name.into();
        self.profile_changed(now);
        Ok(true)
    }

    /// Sets a header. Returns false if it had that value already. Peers hear of it as
    /// they do of a new [name](Self::set_name).
    ///
    /// # Errors
    /// The header can't be sent, or there would be too many or too long ones. Nothing
    /// has changed then.
    pub fn set_header(&mut self, now: Time, key: &str, value: &str) -> Result<bool, LimitError> {
        if self.config.headers.get(key).is_some_and(|is| is == value) {
            return Ok(false);
        }
        let others = self
            .config
            .headers
            .iter()
            .filter(|(other, _)| *other != key);
        let others = others.map(|(key, value)| (key.as_str(), value.as_str()));
        self.config
            .limits
            .validate_headers(others.chain([(key, value)]))?;
        self.config.headers.insert(key.into(), value.into());
        self.profile_changed(now);
        Ok(true)
    }

    /// Removes a header. Returns false if there was none. Peers hear of it as they do of
    /// a new [name](Self::set_name).
    pub fn remove_header(&mut self, now: Time, key: &str) -> bool {
        let removed = self.config.headers.remove(key).is_some();
        if removed {
            self.profile_changed(now);
        }
        removed
    }

    fn profile_changed(&mut self, now: Time) {
        self.updates.revision = self.updates.revision.wrapping_add(1);
        match self.updates.sent.map(|sent| sent + UPDATE_INTERVAL) {
            Some(due) if now < due => self.timers.set_if_none(Timer::Update, due),
            _ => self.send_updates(now),
        }
    }

    /// Tells every peer that can take it and doesn't know our name and headers as they
    /// are now.
    pub(super) fn send_updates(&mut self, now: Time) {
        self.updates.sent = Some(now);
        let peers: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in peers {
            self.send_update(uuid);
        }
    }

    /// Tells an established peer our name and headers, unless it knows them or can't
    /// take them.
    pub(super) fn send_update(&mut self, uuid: Uuid) {
        if self.departure.is_some() {
            return;
        }
        if let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
            && established.hello.takes_updates
            && established.mailbox.sent_revision != self.updates.revision
        {
            established.mailbox.sent_revision = self.updates.revision;
            let session = established.mailbox.session;
            self.send(session, Command::Update(self.profile()));
        }
    }
}

//! Whether a peer is still there, as far as its silence tells.

use std::time::Duration;

use super::config::Config;
use super::event::ExitReason;
use super::mailbox::Mailbox;
use crate::Time;

/// What is known of a peer's silence.
#[derive(Debug)]
pub(super) struct Liveness {
    /// When the last message came, on the silence clock.
    pub(super) last_heard: Time,
    /// When a beacon last showed that its process runs, on the silence clock.
    shown: Time,
    pub(super) presence: Presence,
    /// When it exits, on the silence clock, unless it answers the first PING or a later one.
    expires: Time,
    /// When the last PING was sent.
    pinged: Time,
    /// PINGs without an answer.
    pub(super) open_pings: u32,
    /// When the outgoing message count was last sampled, and the count.
    sampled_at: Time,
    sampled: u64,
    /// Whether another UUID claims its address. It exits when a PING fails.
    pub(super) suspect: bool,
}

/// What a peer's silence means so far. Times are on the silence clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Healthy,
    /// A PING is unanswered since then.
    Pinged(Time),
    Evasive(Time),
    Silent,
}

/// What a peer's silence calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Whether to send a PING.
    pub(super) ping: bool,
    /// A transition that the application has to hear of.
    pub(super) transition: Option<Presence>,
    /// When to judge again.
    pub(super) next: Time,
}

/// A moment of one peer's silence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Time,
    /// The silence clock.
    pub(super) clock: Time,
    /// Nobody reads the inbox.
    pub(super) paused: bool,
    /// The silence after which the peer gets a PING.
    pub(super) ping_after: Duration,
    /// How long its answer may take.
    pub(super) patience: Duration,
    /// How long after a message beacons may show that its process runs.
    pub(super) shown_for: Duration,
    /// While the peer is healthy, it is judged at multiples of this, so that a host with many
    /// processes doesn't wake each of them for each of the others.
    pub(super) grid: Duration,
}

impl Liveness {
    pub(super) fn new(now: Time, clock: Time) -> Self {
        Self {
            last_heard: clock,
            shown: clock,
            presence: Presence::Healthy,
            expires: clock,
            pinged: now,
            open_pings: 0,
            sampled_at: now,
            sampled: 0,
            suspect: false,
        }
    }

    /// Whether PINGs have been unanswered for long.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.presence, Presence::Evasive(_) | Presence::Silent)
    }

    /// A beacon has shown that the peer's process runs.
    pub(super) fn show(&mut self, clock: Time) {
        self.shown = clock;
    }

    /// For how long nothing has shown that the peer's process runs. If messages of ours wait
    /// to be confirmed, only its own messages count.
    fn idle(&self, moment: Moment, mailbox: &Mailbox) -> Duration {
        let shown = self.shown.min(self.last_heard + moment.shown_for);
        if shown > self.last_heard && mailbox.numbering(|outgoing| outgoing.unconfirmed()) == 0 {
            return moment.clock - shown;
        }
        moment.clock - self.last_heard
    }

    /// A PING goes out to a healthy peer that has to answer it.
    pub(super) fn doubt(&mut self, clock: Time, config: &Config) {
        // If the PING comes late, the peer still has the usual time for its answer.
        let left = config.expired.saturating_sub(config.ping_after);
        self.expires = (self.last_heard + config.expired).max(clock + left);
        self.presence = Presence::Pinged(clock);
    }

    /// A PING goes out.
    pub(super) fn note_ping(&mut self, now: Time) {
        self.open_pings = self.open_pings.saturating_add(1);
        self.pinged = now;
    }

    /// Decides what a peer's silence means, and takes the peer one step further
    /// when its time has come.
    ///
    /// # Errors
    /// The reason why the peer is gone.
    pub(super) fn judge(
        &mut self,
        moment: Moment,
        mailbox: &Mailbox,
        config: &Config,
    ) -> Result<Judgement, ExitReason> {
        let idle = self.idle(moment, mailbox);
        let interval = config.ping_interval;
        let presence = self.presence;
        if presence != Presence::Healthy && moment.clock >= self.expires {
            return Err(ExitReason::Expired);
        }
        // How long the peer stays as it is, and how long after the last PING the
        // next one is wanted.
        let (stays, ping_after) = match presence {
            Presence::Healthy if idle < moment.ping_after => {
                self.judge_healthy(moment, idle, mailbox)
            }
            Presence::Healthy => {
                self.doubt(moment.clock, config);
                (moment.patience, Some(Duration::ZERO))
            }
            Presence::Pinged(since) if moment.clock - since < moment.patience => {
                let left = moment.patience.saturating_sub(moment.clock - since);
                (left, moment.paused.then_some(moment.ping_after))
            }
            Presence::Pinged(_) => {
                self.presence = Presence::Evasive(moment.clock);
                (config.silent, Some(interval))
            }
            Presence::Evasive(since) if moment.clock - since < config.silent => {
                let left = config.silent.saturating_sub(moment.clock - since);
                (left, Some(interval))
            }
            // Another node has its address, and it had time to object.
            Presence::Evasive(_) | Presence::Silent if self.suspect => {
                return Err(ExitReason::Replaced);
            }
            Presence::Evasive(_) | Presence::Silent => {
                self.presence = Presence::Silent;
                (config.expired, Some(interval))
            }
        };
        let ping = ping_after.is_some_and(|after| moment.now >= self.pinged + after);
        let pinged = if ping { moment.now } else { self.pinged };
        let stays = match self.presence {
            Presence::Healthy => {
                stays.saturating_add(until_multiple(moment.now + stays, moment.grid))
            }
            _ => stays.min(self.expires - moment.clock),
        };
        let mut next = moment.now + stays;
        if let Some(after) = ping_after {
            next = next.min(pinged + after.max(interval));
        }
        if moment.paused {
            // The silence clock may never reach what it has to reach.
            next = next.max(moment.now + interval);
        }
        let reported = self.is_silent();
        let changed = std::mem::discriminant(&self.presence) != std::mem::discriminant(&presence);
        Ok(Judgement {
            ping,
            transition: (reported && changed).then_some(self.presence),
            next,
        })
    }

    /// A healthy peer that has just been heard gets a PING now and then, too.
    fn judge_healthy(
        &mut self,
        moment: Moment,
        idle: Duration,
        mailbox: &Mailbox,
    ) -> (Duration, Option<Duration>) {
        let ping_after = moment.ping_after;
        let stays = ping_after.saturating_sub(idle);
        if moment.paused {
            // It may have filled its queue to us, and then hears nothing.
            return (stays, Some(ping_after));
        }
        let silence = moment.clock - self.last_heard;
        let owes = self.owes_keepalive(moment.now, mailbox, silence, ping_after);
        let sample = self.sampled_at + keepalive(ping_after);
        (
            stays.min(sample - moment.now),
            owes.then_some(Duration::ZERO),
        )
    }

    /// Whether a peer that keeps us busy should hear from us: because we have sent
    /// nothing for long, and our answer to its next PING may wait behind all that
    /// it sends; or because nothing confirms what we have sent.
    ///
    /// Nobody waits for the answer to such a PING.
    fn owes_keepalive(
        &mut self,
        now: Time,
        mailbox: &Mailbox,
        silence: Duration,
        ping_after: Duration,
    ) -> bool {
        if now < self.sampled_at + keepalive(ping_after) {
            return false;
        }
        let (total, unconfirmed) =
            mailbox.numbering(|outgoing| (outgoing.total(), outgoing.unconfirmed()));
        let speaks = silence.saturating_mul(2) < ping_after;
        let owes = speaks && (total == self.sampled || unconfirmed > 0);
        self.sampled_at = now;
        // The PING itself takes a number.
        self.sampled = total.saturating_add(u64::from(owes));
        owes
    }

    /// A message came. Returns whether the application thought the peer silent.
    pub(super) fn recover(&mut self) -> bool {
        let silent = self.is_silent();
        self.presence = Presence::Healthy;
        silent
    }

    /// We stood still. The peer gets its patience again from now on.
    pub(super) fn spare(&mut self, clock: Time) {
        // It may have been heard before we knew that we had stood still.
        self.last_heard = self.last_heard.min(clock);
        self.shown = self.shown.min(clock);
        if let Presence::Pinged(since) | Presence::Evasive(since) = &mut self.presence {
            *since = clock;
        }
    }
}

/// How long we may be silent towards a peer that speaks to us.
fn keepalive(ping_after: Duration) -> Duration {
    ping_after.saturating_sub(ping_after.checked_div(10).unwrap_or_default())
}

/// The time from a moment to the next multiple of that duration.
fn until_multiple(moment: Time, of: Duration) -> Duration {
    let over = moment.since_origin().as_nanos().checked_rem(of.as_nanos());
    let over = over.and_then(|over| u64::try_from(over).ok()).unwrap_or(0);
    match over {
        0 => Duration::ZERO,
        over => of.saturating_sub(Duration::from_nanos(over)),
    }
}

//! Trust that the application decides, key by key.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use zre_curve::PublicKey;

use super::warden::Changes;
use crate::discovery::UpdateSender;

/// How long a no counts. Then the next handshake asks again.
const REFUSED: Duration = Duration::from_secs(60);

/// How many questions are open at once. Whoever has keys enough could ask for ever.
const OPEN: usize = 256;

/// How many nos are remembered. If there are more, the application is asked again.
const NOS: usize = 8192;

/// How many keys may be forgotten before a node that is busy notices.
const FORGOTTEN: usize = 1024;

type Reply = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A question that a node puts to its application: whether to trust the holder of a key
/// ([`Trust::Ask`](crate::Trust::Ask)).
///
/// The node asks once for each key, when a peer has proved in a handshake that it has it.
/// Meanwhile it refuses that peer, and talks to others; after a yes both meet within about
/// a second. A yes counts until the node ends or the key is [forgotten](Self::forget), a no
/// for a minute. At most 256 questions are open at once; peers that come while as many are
/// wait for a later handshake. When the node ends, open questions are dropped. A question
/// that panics counts as a no.
///
/// Clones are the same question. Nodes that share one ask it each for themselves.
///
/// ```
/// use zre::{Ask, Trust};
///
/// let ask = Ask::new(|key| async move {
///     // Look it up: in a database, in a directory service, on a screen.
///     key.to_string().starts_with("rq:")
/// });
/// let trust = Trust::Ask(ask.clone());
/// # drop(trust);
/// ```
#[derive(Clone)]
pub struct Ask {
    question: Arc<dyn Fn(PublicKey) -> Reply + Send + Sync>,
    forgotten: broadcast::Sender<PublicKey>,
}

impl Ask {
    /// A question. It is asked on the node's runtime, and may take as long as it likes.
    pub fn new<F, R>(question: F) -> Self
    where
        F: Fn(PublicKey) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        Self {
            question: Arc::new(move |key| Box::pin(question(key))),
            forgotten: broadcast::Sender::new(FORGOTTEN),
        }
    }

    /// Forgets the answer for a key: sessions with its holder are closed, and the next
    /// handshake asks again. A question that is open goes on, and its answer counts.
    ///
    /// Never waits. Nodes act on it within a second.
    pub fn forget(&self, key: &PublicKey) {
        // Without a running node there is nothing to forget.
        let _ = self.forgotten.send(*key);
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").finish_non_exhaustive()
    }
}

impl PartialEq for Ask {
    fn eq(&self, other: &Self) -> bool {
        self.forgotten.same_channel(&other.forgotten)
    }
}

impl Eq for Ask {}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Open,
    Yes,
    No { since: Instant },
}

/// One node's questions and their answers.
#[derive(Debug)]
pub(super) struct Questions {
    ask: Ask,
    answers: Mutex<BTreeMap<PublicKey, Answer>>,
    queue: mpsc::Sender<PublicKey>,
    /// Until they are answered.
    waiting: Mutex<Option<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    queue: mpsc::Receiver<PublicKey>,
    forgotten: broadcast::Receiver<PublicKey>,
}

impl Questions {
    pub(super) fn new(ask: &Ask) -> Self {
        let (sender, queue) = mpsc::channel(OPEN);
        let forgotten = ask.forgotten.subscribe();
        Self {
            ask: ask.clone(),
            answers: Mutex::default(),
            queue: sender,
            waiting: Mutex::new(Some(Waiting { queue, forgotten })),
        }
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no answer against the holder of a key. Asks nothing: the key isn't
    /// proved.
    pub(super) fn may_be_dialled(&self, key: &PublicKey) -> bool {
        !matches!(self.answers().get(key), Some(Answer::No { since }) if since.elapsed() < REFUSED)
    }

    /// Whether the answer for a key is yes. Asks if there is none.
    pub(super) fn admits(&self, key: &PublicKey) -> bool {
        let mut answers = self.answers();
        match answers.get(key) {
            Some(Answer::Yes) => return true,
            Some(Answer::Open) => return false,
            Some(Answer::No { since }) if since.elapsed() < REFUSED => return false,
            Some(Answer::No { .. }) | None => {}
        }
        let open = answers.values().filter(|it| matches!(it, Answer::Open));
        if open.count() < OPEN && self.queue.try_send(*key).is_ok() {
            answers.insert(*key, Answer::Open);
        }
        false
    }

    /// What to say of a key that isn't admitted.
    pub(super) fn refusal(&self, key: &PublicKey) -> String {
        match self.answers().get(key) {
            Some(Answer::No { .. }) => format!("the application doesn't trust the key {key}"),
            _ => format!("the application hasn't answered yet whether to trust the key {key}"),
        }
    }

    fn note(&self, key: PublicKey, trusted: bool) {
        let mut answers = self.answers();
        let nos = answers
            .values()
            .filter(|it| matches!(it, Answer::No { .. }));
        if nos.count() >= NOS {
            answers.retain(|_, answer| !matches!(answer, Answer::No { .. }));
        }
        let answer = match trusted {
            true => Answer::Yes,
            false => Answer::No {
                since: Instant::now(),
            },
        };
        answers.insert(key, answer);
    }

    /// Forgets an answer. Returns whether it was a yes.
    fn forget(&self, key: &PublicKey) -> bool {
        let mut answers = self.answers();
        let answer = answers.get(key).copied();
        if !matches!(answer, Some(Answer::Open)) {
            answers.remove(key);
        }
        matches!(answer, Some(Answer::Yes))
    }

    /// Forgets every yes, and returns their keys.
    fn forget_all(&self) -> Vec<PublicKey> {
        let mut answers = self.answers();
        let yes = answers.extract_if(.., |_, answer| matches!(answer, Answer::Yes));
        yes.map(|(key, _)| key).collect()
    }

    /// Asks until the node has ended.
    pub(super) async fn run(&self, updates: UpdateSender) {
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut waiting) = waiting else {
            return;
        };
        let mut replies = JoinSet::new();
        let mut asked = BTreeMap::new();
        loop {
            let changes = tokio::select! {
                () = updates.closed() => return,
                Some(key) = waiting.queue.recv() => {
                    tracing::debug!(%key, "the application is asked whether to trust a key");
                    let question = Arc::clone(&self.ask.question);
                    let task = replies.spawn(async move { question(key).await });
                    asked.insert(task.id(), key);
                    Changes::default()
                }
                Some(reply) = replies.join_next_with_id() => {
                    let (id, trusted) = match reply {
                        Ok(reply) => reply,
                        Err(error) => {
                            tracing::warn!(%error, "the question whether to trust a key panicked");
                            (error.id(), false)
                        }
                    };
                    let Some(key) = asked.remove(&id) else { continue };
                    tracing::debug!(%key, trusted, "the application has answered");
                    self.note(key, trusted);
                    Changes { added: trusted, removed: Vec::new() }
                }
                key = waiting.forgotten.recv() => match key {
                    Ok(key) => Changes {
                        added: false,
                        removed: if self.forget(&key) { vec![key] } else { Vec::new() },
                    },
                    // More were forgotten than can wait: it isn't known which.
                    Err(_) => Changes { added: false, removed: self.forget_all() },
                }
            };
            if changes.report(&updates).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zre_curve::Keys;

    use super::*;

    fn public(number: u16) -> PublicKey {
        let mut secret = [7; 32];
        secret[1..3].copy_from_slice(&number.to_be_bytes());
        Keys::from_secret(secret).public()
    }

    #[test]
    fn each_key_is_asked_for_once_and_not_too_many_at_once() {
        let questions = Questions::new(&Ask::new(|_| async { true }));
        for _ in 0..3 {
            assert!(!questions.admits(&public(0)));
        }
        for number in 0..300 {
            assert!(!questions.admits(&public(number)));
        }
        let mut waiting = questions.waiting.lock().unwrap().take().unwrap();
        let asked: Vec<PublicKey> = std::iter::from_fn(|| waiting.queue.try_recv().ok()).collect();
        assert_eq!(asked.len(), OPEN);
        assert_eq!(asked[..2], [public(0), public(1)]);
        // Until one is answered.
        assert!(!questions.admits(&public(299)));
        assert!(waiting.queue.try_recv().is_err());
        questions.note(public(0), true);
        assert!(questions.admits(&public(0)));
        assert!(!questions.admits(&public(299)));
        assert_eq!(waiting.queue.try_recv(), Ok(public(299)));
    }

    #[test]
    fn a_no_is_remembered_and_a_yes_can_be_forgotten() {
        let questions = Questions::new(&Ask::new(|_| async { true }));
        let (yes, no, open) = (public(1), public(2), public(3));
        questions.note(yes, true);
        questions.note(no, false);
        assert!(!questions.admits(&open));
        assert_eq!(
            [yes, no, open].map(|key| questions.may_be_dialled(&key)),
            [true, false, true]
        );
        assert!(questions.refusal(&no).contains("doesn't trust"));
        assert!(questions.refusal(&open).contains("hasn't answered"));
        assert_eq!(
            [yes, no, open].map(|key| questions.forget(&key)),
            [true, false, false]
        );
        assert!(questions.may_be_dialled(&no));
        assert!(!questions.admits(&yes), "it is asked for again");
        questions.note(yes, true);
        assert_eq!(questions.forget_all(), [yes]);
    }
}

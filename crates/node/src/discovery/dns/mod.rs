//! DNS: nodes listed as SRV records.
//!
//! `settings` holds the question and the name server, `answer` asks and checks the
//! answer, and this file decides when to ask again and reports what has changed.
//!
//! A name server is trusted as little as any stranger: its answers are bounded, a target
//! that can't be dialled is ignored, and a missing or malformed answer removes no
//! address.

mod answer;
mod settings;

use std::collections::BTreeSet;
use std::time::Duration;
use tracing::Instrument;

use zre_proto::Endpoint;
use zre_proto::machine::{Found, Source};

use answer::{Answer, ask};

use super::{ChangeNotifier, DiscoveryUpdate, UpdateSender};

pub(crate) use settings::{Dns, Resolver};

/// The shortest time between two questions. Otherwise the next one follows when the
/// shortest TTL expires, which some servers set to 0.
const REFRESH_MIN: Duration = Duration::from_secs(5);

/// The longest time between two questions, whatever the TTLs are, so that new nodes are
/// found.
const REFRESH_MAX: Duration = Duration::from_secs(300);

/// The first and the longest wait after no answer, or one without records: a service
/// that is being started is found within seconds, and one that doesn't exist costs two
/// questions a minute.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Asks for as long as the driver listens.
pub(crate) fn watch(
    dns: Dns,
    resolver: Resolver,
    updates: UpdateSender,
    network_changes: ChangeNotifier,
) {
    let supervisor = updates.supervisor.clone();
    let asking = async move {
        tokio::select! {
            () = run(&dns, &resolver, &updates, &network_changes) => {}
            () = updates.closed() => {}
        }
    };
    tokio::spawn(supervisor.watch("asking DNS", asking).in_current_span());
}

async fn run(
    dns: &Dns,
    resolver: &Resolver,
    updates: &UpdateSender,
    network_changes: &ChangeNotifier,
) {
    let mut listed = BTreeSet::new();
    let mut waits = 0;
    loop {
        let answer = ask(dns, resolver).await;
        let wait = when_next(&answer, &mut waits);
        tracing::debug!(
            domain = %dns.domain,
            records = answer.found.len(),
            refused = answer.refused,
            complete = answer.complete,
            ?wait,
            "asked for the service's records"
        );
        if tell(answer, &mut listed, updates).await.is_none() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // Another network may have another name server.
            () = network_changes.notified() => waits = 0,
        }
    }
}

/// Reports to the driver what is new and what is gone; `None` if the driver has stopped.
async fn tell(
    mut answer: Answer,
    listed: &mut BTreeSet<Endpoint>,
    updates: &UpdateSender,
) -> Option<()> {
    let now: BTreeSet<Endpoint> = answer.found.iter().map(|(e, _)| e.clone()).collect();
    if answer.complete {
        let gone: Vec<Endpoint> = listed.difference(&now).cloned().collect();
        for endpoint in gone {
            listed.remove(&endpoint);
            let source = Source::Dns;
            updates
                .send(DiscoveryUpdate::Lost { endpoint, source })
                .await
                .ok()?;
        }
    }
    for (endpoint, peer) in answer.found {
        listed.insert(endpoint.clone());
        if let Some(key) = answer.keys.remove(&endpoint) {
            let endpoint = endpoint.clone();
            let named = DiscoveryUpdate::Key { endpoint, key };
            updates.send(named).await.ok()?;
        }
        // Known ones, too: a table that was full may have room now.
        let found = Found::new(endpoint, peer, Source::Dns);
        updates.send(DiscoveryUpdate::Found(found)).await.ok()?;
    }
    Some(())
}

fn when_next(answer: &Answer, waits: &mut u32) -> Duration {
    let base = match answer.ttl {
        Some(ttl) if answer.complete => {
            *waits = 0;
            ttl.clamp(REFRESH_MIN, REFRESH_MAX)
        }
        _ => {
            let wait = RETRY.0.saturating_mul(1 << (*waits).min(5)).min(RETRY.1);
            *waits = waits.saturating_add(1);
            wait
        }
    };
    // A tenth of jitter, so that nodes that started together don't ask together.
    base.mul_f64(1.0 + 0.1 * fastrand::f64())
}

/// Checks what holds whatever a name server says.
#[cfg(fuzzing)]
pub(crate) fn fuzz(messages: &[&[u8]]) {
    let answer = answer::fuzz(messages);
    let mut waits = 0;
    for _ in 0..40 {
        let wait = when_next(&answer, &mut waits);
        assert!(wait >= RETRY.0 && wait <= REFRESH_MAX.mul_f64(1.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ttl: Option<u64>, complete: bool) -> Answer {
        Answer {
            found: Vec::new(),
            keys: std::collections::BTreeMap::new(),
            ttl: ttl.map(Duration::from_secs),
            complete,
            refused: 0,
        }
    }

    fn about(wait: Duration, seconds: u64) -> bool {
        let wanted = Duration::from_secs(seconds);
        wait >= wanted && wait <= wanted.mul_f64(1.1)
    }

    #[test]
    fn a_good_answer_is_refreshed_when_it_runs_out_within_bounds() {
        let mut waits = 3;
        assert!(about(when_next(&answer(Some(0), true), &mut waits), 5));
        assert!(about(when_next(&answer(Some(60), true), &mut waits), 60));
        assert!(about(
            when_next(&answer(Some(86_400), true), &mut waits),
            300
        ));
        assert_eq!(waits, 0);
    }

    #[test]
    fn no_answer_is_asked_for_again_ever_more_slowly() {
        let mut waits = 0;
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert!(about(when_next(&answer(None, true), &mut waits), seconds));
        }
        // What is incomplete isn't good for as long as its records say.
        waits = 0;
        assert!(about(when_next(&answer(Some(60), false), &mut waits), 1));
    }

    #[tokio::test]
    async fn only_a_complete_answer_takes_addresses_away() {
        let (updates, mut heard) = crate::discovery::test_channel();
        let endpoint = |port: u16| {
            format!("tcp://a.example:{port}")
                .parse::<Endpoint>()
                .unwrap()
        };
        let mut listed = BTreeSet::new();
        let mut first = answer(Some(60), true);
        first.found = vec![(endpoint(1), None), (endpoint(2), None)];
        tell(first, &mut listed, &updates).await.unwrap();
        tell(answer(None, false), &mut listed, &updates)
            .await
            .unwrap();
        assert_eq!(listed.len(), 2);
        let mut second = answer(Some(60), true);
        second.found = vec![(endpoint(2), None)];
        tell(second, &mut listed, &updates).await.unwrap();
        assert_eq!(listed.len(), 1);
        drop(updates);
        let mut lost = Vec::new();
        while let Some(updates) = heard.recv().await {
            if let DiscoveryUpdate::Lost { endpoint, .. } = updates {
                lost.push(endpoint);
            }
        }
        assert_eq!(lost, [endpoint(1)]);
    }
}

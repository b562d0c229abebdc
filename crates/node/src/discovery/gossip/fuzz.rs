use std::time::Duration;

use tokio::time::Instant;

use super::hub::endpoint_of;
use super::message::{GossipMessage, VALUE};
use super::table::{Effect, TUPLES, TupleTable};

/// The time to live that our own tuples have.
const OWN_TTL: Duration = Duration::from_secs(60);

/// Hears frames, each so many milliseconds after the one before, and checks what
/// holds whatever neighbours say.
pub(crate) fn fuzz(frames: &[(u16, &[u8])]) {
    let mut now = Instant::now();
    let mut table = TupleTable::default();
    let own = "tcp://10.0.0.1:5".to_owned();
    assert_eq!(table.publish(now, "own".to_owned(), own, None), Some(None));
    for (pause, frame) in frames {
        now += Duration::from_millis((*pause).into());
        for (key, _) in table.expire(now) {
            assert_ne!(key, "own");
            assert_eq!(table.message(now, OWN_TTL, &key), None);
        }
        let Ok(message) = GossipMessage::decode(frame) else {
            continue;
        };
        assert_eq!(message.encode(), *frame);
        let GossipMessage::Publish { key, value, ttl } = message else {
            continue;
        };
        assert!(!key.is_empty() && value.len() <= VALUE);
        if let Some(endpoint) = endpoint_of(&value) {
            assert_eq!(endpoint_of(&endpoint.to_wire()), Some(endpoint));
        }
        let heard = table.hear(now, &key, &value, ttl);
        if key == "own" {
            assert_eq!(heard, Effect::Nothing);
        }
        // What goes round comes back, and then changes nothing.
        if let Some(GossipMessage::Publish { key, value, ttl }) = table.message(now, OWN_TTL, &key)
        {
            assert_eq!(table.hear(now, &key, &value, ttl), Effect::Nothing);
        }
        assert!(table.keys().len() <= TUPLES);
    }
    assert_eq!(table.renewed(), ["own"]);
}

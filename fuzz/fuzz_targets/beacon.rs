//! Beacons: no panic, and what is accepted is written and read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zre_proto::{BEACON_MAX, Beacon};

fuzz_target!(|data: &[u8]| {
    if let Ok(beacon) = Beacon::decode(data) {
        let written = beacon.encode();
        assert!(written.len() <= BEACON_MAX);
        assert_eq!(Beacon::decode(&written), Ok(beacon));
    }
});

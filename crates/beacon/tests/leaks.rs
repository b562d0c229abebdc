//! What stays when the last beacon has gone: nothing. One test, for it counts what the
//! whole process has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{config, free_port, group, stranger, until, with};
use zre_beacon::{Beacon, Broadcast, Cast, OpenError};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The beacon threads there are.
fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.trim() == "zre-beacon")
        .count()
}

#[test]
fn neither_threads_nor_descriptors_stay() {
    let port = free_port();
    let stranger = stranger();
    let before = descriptors();
    assert_eq!(threads(), 0);
    let nothing_stays = || {
        until("all is closed", || {
            threads() == 0 && descriptors() == before
        });
    };

    for round in 0..200 {
        let (beacon, datagrams) = Beacon::open(config(port)).unwrap();
        assert_eq!(beacon.send(Cast::Groups, b"x"), 1);
        // Either end first, and with or without something on its way.
        if round % 2 == 0 {
            stranger.send_to(b"x", group(port)).unwrap();
            drop(datagrams);
            drop(beacon);
        } else {
            drop(beacon);
            drop(datagrams);
        }
    }
    nothing_stays();

    // However many there are, one thread and one set of sockets serve them.
    let (first, _to_first) = Beacon::open(config(port)).unwrap();
    let of_one = descriptors();
    let many: Vec<_> = (0..100)
        .map(|_| Beacon::open(config(port)).unwrap())
        .collect();
    assert_eq!((threads(), descriptors()), (1, of_one));
    // A port of its own needs sockets of its own, and gives them back.
    let another = Beacon::open(config(free_port())).unwrap();
    assert!(descriptors() > of_one + 1);
    drop(another);
    // The port that was reserved for it stays.
    until("the other sockets are closed", || {
        descriptors() == of_one + 1
    });
    drop(many);
    drop(first);
    let before = before + 1;
    let nothing_stays = || {
        until("all is closed", || {
            threads() == 0 && descriptors() == before
        });
    };
    nothing_stays();

    // A failed open leaves nothing either.
    let exclusive = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let taken = exclusive.local_addr().unwrap().port();
    for _ in 0..20 {
        let error = Beacon::open(with(config(port), |config| {
            config.groups = vec![group(port), group(taken)];
            config.broadcast = Broadcast::Off;
        }))
        .unwrap_err();
        assert!(matches!(error, OpenError::PortInUse { .. }), "{error:?}");
    }
    drop(exclusive);
    nothing_stays();

    // Threads that open, send, refresh and close at the same time.
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let opened = Beacon::open(config(port));
                    let Ok((beacon, _datagrams)) = opened else {
                        failed.store(true, Ordering::Relaxed);
                        return;
                    };
                    beacon.send(Cast::Groups, b"x");
                    beacon.send(Cast::Broadcast, b"x");
                    beacon.refresh().unwrap();
                }
            });
        }
    });
    assert!(!failed.into_inner());
    nothing_stays();
}

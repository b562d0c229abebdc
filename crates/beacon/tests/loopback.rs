//! What a beacon does on one host, over loopback.

mod common;

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{config, free_port, group, loopback, next, open, stranger, until, with};
use zre_beacon::{Beacon, Broadcast, Cast, CastKind, Interfaces, MAX_DATAGRAM, OpenError, QUEUE};

#[tokio::test]
async fn a_stranger_is_heard_by_multicast_and_by_broadcast() {
    let port = free_port();
    let (_beacon, mut datagrams) = open(port);
    let stranger = stranger();

    stranger.send_to(b"to the group", group(port)).unwrap();
    let heard = next(&mut datagrams).await;
    assert_eq!(&heard.payload[..], b"to the group");
    assert_eq!(heard.cast, CastKind::Multicast);
    assert_eq!(heard.from, stranger.local_addr().unwrap());
    assert_eq!(&*heard.interface_name, loopback());
    assert!(heard.loopback && !heard.same_process);

    stranger
        .send_to(b"to all", ("127.255.255.255", port))
        .unwrap();
    let heard = poll_fn(|context| datagrams.poll_recv(context));
    let heard = tokio::time::timeout(common::DEADLINE, heard).await;
    let heard = heard.unwrap().unwrap();
    assert_eq!(&heard.payload[..], b"to all");
    assert_eq!(heard.cast, CastKind::Broadcast);
    assert_eq!(heard.from, stranger.local_addr().unwrap());
}

/// Unicast never reaches a beacon: the sockets are bound to the group's and the broadcast
/// address.
#[tokio::test]
async fn unicast_isnt_heard() {
    let port = free_port();
    let (_beacon, mut datagrams) = open(port);
    let stranger = stranger();
    // Refused or swallowed, both will do.
    let _ = stranger.send_to(b"unicast", ("127.0.0.1", port));
    // Both go through the same socket queue of the same host, in order.
    stranger.send_to(b"group", group(port)).unwrap();
    assert_eq!(&next(&mut datagrams).await.payload[..], b"group");
    assert!(datagrams.try_recv().is_none());
}

#[tokio::test]
async fn a_socket_that_shares_the_port_hears_what_is_sent() {
    let port = free_port();
    let [at_group, at_broadcast] = [group(port).ip(), [127, 255, 255, 255].into()].map(|ip| {
        let other =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        // As a program does that knows nothing of SO_REUSEPORT.
        other.set_reuse_address(true).unwrap();
        other.set_read_timeout(Some(common::DEADLINE)).unwrap();
        // Windows lets nobody bind to a group's or a broadcast address.
        let at = match cfg!(windows) {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => ip,
        };
        other.bind(&SocketAddr::from((at, port)).into()).unwrap();
        if ip.is_multicast() {
            other
                .join_multicast_v4(&common::GROUP, &Ipv4Addr::LOCALHOST)
                .unwrap();
        }
        std::net::UdpSocket::from(other)
    });

    let (beacon, _datagrams) = open(port);
    let mut buffer = [0; 64];
    assert_eq!(beacon.send(Cast::Groups, b"one"), 1);
    let (length, from) = at_group.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"one");
    assert_eq!(from.ip(), Ipv4Addr::LOCALHOST);
    assert_eq!(beacon.send(Cast::Broadcast, b"two"), 1);
    let (mut length, mut again) = at_broadcast.recv_from(&mut buffer).unwrap();
    if cfg!(windows) && &buffer[..length] == b"one" {
        // Bound to the wildcard address, it may hear what the other socket has joined.
        (length, again) = at_broadcast.recv_from(&mut buffer).unwrap();
    }
    assert_eq!(&buffer[..length], b"two");
    assert_eq!(from, again, "one socket sends both");
    assert_eq!(beacon.stats().sent, 2);
}

#[tokio::test]
async fn beacons_of_a_process_hear_each_other_in_memory_and_once() {
    let port = free_port();
    let (alice, mut to_alice) = open(port);
    let (_bob, mut to_bob) = open(port);
    let (_carol, mut to_carol) = open(port);

    for cast in [Cast::Groups, Cast::Broadcast, Cast::Group(group(port))] {
        assert_eq!(alice.send(cast, b"hello"), 1);
        for heard in [next(&mut to_bob).await, next(&mut to_carol).await] {
            assert_eq!(&heard.payload[..], b"hello");
            assert!(heard.same_process && heard.loopback);
            assert_eq!(heard.from.ip(), Ipv4Addr::LOCALHOST);
            let broadcast = heard.cast == CastKind::Broadcast;
            assert_eq!(broadcast, cast == Cast::Broadcast);
        }
    }
    // The echoes have come back and were recognised; nobody heard a thing twice, and the
    // speaker nothing.
    until("the echoes are back", || alice.stats().echoes == 3);
    let stranger = stranger();
    stranger.send_to(b"end", group(port)).unwrap();
    for datagrams in [&mut to_alice, &mut to_bob, &mut to_carol] {
        let heard = next(datagrams).await;
        assert_eq!(&heard.payload[..], b"end");
        assert_eq!(heard.from, stranger.local_addr().unwrap());
    }
}

#[tokio::test]
async fn a_beacon_that_doesnt_want_its_process_is_spared() {
    let port = free_port();
    let (alice, _to_alice) = open(port);
    let (bob, mut to_bob) = open(port);
    to_bob.set_same_process(false);
    alice.send(Cast::Groups, b"unwanted");
    to_bob.set_same_process(true);
    alice.send(Cast::Groups, b"wanted");
    assert_eq!(&next(&mut to_bob).await.payload[..], b"wanted");
    assert_eq!(bob.stats().same_process, 1);
}

#[tokio::test]
async fn groups_and_ports_are_kept_apart() {
    let (port, another) = (free_port(), free_port());
    let second: SocketAddr = ([239, 192, 77, 2], port).into();
    let (both, mut to_both) = Beacon::open(with(config(port), |config| {
        config.groups = vec![group(port), second];
        config.broadcast = Broadcast::Off;
    }))
    .unwrap();
    let (_first, mut to_first) = Beacon::open(with(config(port), |config| {
        config.broadcast = Broadcast::Off
    }))
    .unwrap();
    let (_elsewhere, mut to_elsewhere) = open(another);

    assert_eq!(both.send(Cast::Groups, b"1"), 2);
    assert_eq!(both.send(Cast::Group(second), b"2"), 1);
    assert_eq!(both.send(Cast::Group(group(another)), b"3"), 0);
    assert_eq!(both.send(Cast::Broadcast, b"4"), 0);
    assert_eq!(both.send(Cast::Group(group(port)), b"5"), 1);
    assert_eq!(&next(&mut to_first).await.payload[..], b"1");
    assert_eq!(&next(&mut to_first).await.payload[..], b"5");

    // From outside, too, each hears its own groups and each datagram once.
    let stranger = stranger();
    stranger.send_to(b"second", second).unwrap();
    stranger.send_to(b"first", group(port)).unwrap();
    stranger.send_to(b"elsewhere", group(another)).unwrap();
    let mut heard = [
        next(&mut to_both).await.payload,
        next(&mut to_both).await.payload,
    ];
    heard.sort();
    assert_eq!(heard, [&b"first"[..], &b"second"[..]]);
    assert_eq!(&next(&mut to_first).await.payload[..], b"first");
    assert_eq!(&next(&mut to_elsewhere).await.payload[..], b"elsewhere");
    assert!(to_first.try_recv().is_none() && to_elsewhere.try_recv().is_none());
}

#[tokio::test]
async fn a_datagram_that_is_too_long_is_counted_and_dropped() {
    let port = free_port();
    let (beacon, mut datagrams) = open(port);
    let stranger = stranger();
    stranger
        .send_to(&[1; MAX_DATAGRAM + 1], group(port))
        .unwrap();
    stranger.send_to(&[2; 9000], group(port)).unwrap();
    stranger.send_to(&[3; MAX_DATAGRAM], group(port)).unwrap();
    stranger.send_to(&[], group(port)).unwrap();
    assert_eq!(&next(&mut datagrams).await.payload[..], &[3; MAX_DATAGRAM]);
    assert!(next(&mut datagrams).await.payload.is_empty());
    assert_eq!(beacon.stats().oversized, 2);
    assert_eq!(beacon.stats().received, 2);

    assert_eq!(beacon.send(Cast::Groups, &[0; MAX_DATAGRAM + 1]), 0);
    assert_eq!(beacon.send(Cast::Groups, &[0; MAX_DATAGRAM]), 1);
    assert_eq!((beacon.stats().too_long, beacon.stats().sent), (1, 1));
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_holds_nobody_up() {
    let port = free_port();
    let (alice, _to_alice) = open(port);
    let (bob, mut to_bob) = open(port);
    for number in 0..u16::try_from(QUEUE).unwrap() + 10 {
        alice.send(Cast::Groups, &number.to_be_bytes());
    }
    assert_eq!(bob.stats().dropped, 10);
    for number in 0..u16::try_from(QUEUE).unwrap() {
        assert_eq!(next(&mut to_bob).await.payload[..], number.to_be_bytes());
    }
    assert!(to_bob.try_recv().is_none());
    alice.send(Cast::Groups, b"again");
    assert_eq!(&next(&mut to_bob).await.payload[..], b"again");
}

#[tokio::test]
async fn the_last_handle_ends_the_queue_and_a_clone_keeps_it() {
    let port = free_port();
    let (beacon, mut datagrams) = open(port);
    let clone = beacon.clone();
    drop(beacon);
    let stranger = stranger();
    stranger.send_to(b"still here", group(port)).unwrap();
    assert_eq!(&next(&mut datagrams).await.payload[..], b"still here");
    drop(clone);
    let end = tokio::time::timeout(common::DEADLINE, datagrams.recv()).await;
    assert_eq!(end, Ok(None));
}

#[tokio::test]
async fn a_cancelled_recv_loses_nothing() {
    let port = free_port();
    let (_beacon, mut datagrams) = open(port);
    let stranger = stranger();
    for number in 0..100u8 {
        let cancelled = tokio::time::timeout(Duration::ZERO, datagrams.recv()).await;
        assert!(cancelled.is_err(), "nothing was sent yet");
        stranger.send_to(&[number], group(port)).unwrap();
        assert_eq!(next(&mut datagrams).await.payload[..], [number]);
    }
}

#[test]
fn any_thread_sends_and_every_runtime_receives() {
    let port = free_port();
    // Opened outside any runtime, read in two, one after the other's end.
    let (alice, mut to_alice) = open(port);
    let (bob, to_bob) = open(port);
    drop(to_bob);
    for round in 0..2u8 {
        let runtime = if round == 0 {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
        } else {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_time()
                .build()
        }
        .unwrap();
        let sender = bob.clone();
        let thread = std::thread::spawn(move || sender.send(Cast::Groups, &[round]));
        let heard = runtime.block_on(next(&mut to_alice));
        assert_eq!(heard.payload[..], [round]);
        assert_eq!(thread.join().unwrap(), 1);
        drop(runtime);
    }

    struct Farewell(Beacon);
    impl Drop for Farewell {
        fn drop(&mut self) {
            assert_eq!(self.0.send(Cast::Groups, b"bye"), 1);
        }
    }
    drop(Farewell(bob));
    let heard = to_alice.try_recv().expect("in memory, at once");
    assert_eq!(&heard.payload[..], b"bye");
    drop(alice);
}

#[test]
fn a_port_held_by_another_program_is_an_error_that_names_it() {
    let exclusive = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = exclusive.local_addr().unwrap().port();
    let error = Beacon::open(config(port)).unwrap_err();
    let OpenError::PortInUse { addr, holder } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(addr.port(), port);
    if cfg!(target_os = "linux") {
        let holder = holder.as_deref().expect("our own sockets can be seen");
        let own = format!("process {}", std::process::id());
        assert!(holder.contains(&own), "{holder}");
    }
    assert!(error.to_string().contains("choose another port"), "{error}");

    drop(exclusive);
    Beacon::open(config(port)).expect("nothing of the failure stays");
}

#[test]
fn an_unknown_interface_is_an_error_that_lists_the_known_ones() {
    let named = |names: &[&str]| {
        let names = names.iter().map(|&name| name.into()).collect();
        with(config(free_port()), |config| {
            config.interfaces = Interfaces::Named(names)
        })
    };
    let (beacon, _datagrams) = Beacon::open(named(&[&loopback(), "nosuch0"])).unwrap();
    assert_eq!(
        beacon.problems(),
        ["nosuch0: there is no such interface or address"]
    );
    let error = Beacon::open(named(&["nosuch0"])).unwrap_err();
    let OpenError::UnknownInterface { name, known } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(name, "nosuch0");
    assert!(known.iter().any(|line| line.contains(" (127.0.0.1")));
    assert!(error.to_string().contains("nosuch0"), "{error}");
}

#[test]
fn addresses_that_can_never_be_used_are_an_error() {
    // An IPv6 group on an IPv4 address.
    let error = Beacon::open(with(config(free_port()), |config| {
        config.interfaces = Interfaces::Named(vec!["127.0.0.1".into()]);
        config.groups = vec!["[ff02::7a]:0".parse().unwrap()];
        config.broadcast = Broadcast::Off;
    }))
    .unwrap_err();
    let OpenError::NoInterface { reasons } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(reasons.len(), 1);
    let expected = format!("{} (127.0.0.1): ", loopback());
    assert!(reasons[0].starts_with(&expected), "{reasons:?}");
}

#[test]
fn a_broadcast_address_of_no_interface_is_refused() {
    let broadcast = |addr: &str| {
        Beacon::open(with(config(free_port()), |config| {
            config.broadcast = Broadcast::To(addr.parse().unwrap())
        }))
    };
    let error = broadcast("127.1.2.3:0").unwrap_err();
    assert!(matches!(error, OpenError::NotBroadcast { .. }), "{error:?}");
    let (beacon, _datagrams) = broadcast("127.255.255.255:0").unwrap();
    assert!(format!("{beacon:?}").contains("To(127.255.255.255:"));
    assert_eq!(beacon.send(Cast::Broadcast, b"x"), 1);
}

#[test]
fn refresh_without_a_change_changes_nothing() {
    let port = free_port();
    let (beacon, _datagrams) = open(port);
    let before = beacon.interfaces();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].to_string(), format!("{} (127.0.0.1)", loopback()));
    assert_eq!(before[0].broadcast, Some([127, 255, 255, 255].into()));
    assert_eq!(before[0].problem, None);
    assert!(beacon.refresh().unwrap().is_empty());
    assert_eq!(beacon.interfaces(), before);
    assert_eq!(beacon.send(Cast::Groups, b"x"), 1);
}

#[tokio::test]
async fn ttls_share_the_port_but_not_the_sender() {
    let port = free_port();
    let (near, mut to_near) = open(port);
    let (far, mut to_far) = Beacon::open(with(config(port), |config| config.ttl = 8)).unwrap();
    near.send(Cast::Groups, b"near");
    far.send(Cast::Groups, b"far");
    let from_near = next(&mut to_far).await;
    let from_far = next(&mut to_near).await;
    assert_eq!(&from_near.payload[..], b"near");
    assert_eq!(&from_far.payload[..], b"far");
    assert_ne!(from_near.from.port(), from_far.from.port());
    until("the echoes are back", || near.stats().echoes == 2);
    assert!(to_near.try_recv().is_none() && to_far.try_recv().is_none());
}

/// What a beacon sent just before it closed its socket comes back when nobody holds that
/// socket any longer, and still isn't taken for a stranger's.
#[tokio::test]
async fn a_closed_senders_echo_is_known() {
    let port = free_port();
    let (beacon, mut datagrams) = open(port);
    for number in 0..50u8 {
        let (other, _to_other) = Beacon::open(with(config(port), |config| config.ttl = 8)).unwrap();
        assert_eq!(other.send(Cast::Groups, &[number]), 1);
        drop(other);
        let heard = next(&mut datagrams).await;
        assert!(heard.same_process);
        assert_eq!(heard.payload[..], [number]);
    }
    until("the echoes are back", || beacon.stats().echoes == 50);
    assert_eq!(datagrams.try_recv(), None);
    assert_eq!(beacon.stats().received, 0);
}

/// A flood to one port costs datagrams of that port only.
#[tokio::test]
async fn a_flood_elsewhere_holds_nobody_up() {
    let (flooded, quiet) = (free_port(), free_port());
    let (target, _unread) = open(flooded);
    let (_beacon, mut datagrams) = open(quiet);
    let stranger = stranger();
    for number in 0..20_000u32 {
        // The system may refuse some: that is the flood's own trouble.
        let _ = stranger.send_to(&number.to_be_bytes(), group(flooded));
    }
    stranger.send_to(b"quiet", group(quiet)).unwrap();
    assert_eq!(&next(&mut datagrams).await.payload[..], b"quiet");
    until("the queue is full", || target.stats().dropped > 0);
    assert_eq!(usize::try_from(target.stats().received).unwrap(), QUEUE);
}

#[tokio::test]
async fn a_familiar_datagram_waits_until_its_reader_looks() {
    let port = free_port();
    let (beacon, mut datagrams) = open(port);
    let stranger = stranger();
    let send = |payload: &[u8]| stranger.send_to(payload, group(port)).unwrap();

    send(b"again");
    let again = next(&mut datagrams).await;
    datagrams.set_familiar(&again, true);
    send(b"again");
    send(b"again");
    send(b"news");
    // The first that wakes the reader is another one.
    let news = next(&mut datagrams).await;
    assert_eq!(&news.payload[..], b"news");
    assert!(datagrams.try_recv().is_none());
    assert_eq!(datagrams.take_familiar(), std::slice::from_ref(&again));
    assert!(datagrams.take_familiar().is_empty());
    assert_eq!(beacon.stats().received, 4);

    send(b"again");
    until("it is heard", || beacon.stats().received == 5);
    datagrams.forget_familiar();
    assert!(datagrams.take_familiar().is_empty());
    send(b"again");
    assert_eq!(next(&mut datagrams).await, again);
}

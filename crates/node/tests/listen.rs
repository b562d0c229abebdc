//! Where a node listens: ranges of ports, and addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use zre::{Builder, IpcDir, Listen, Node, StartError};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn quiet() -> Builder {
    Node::builder().loopback().no_beacon().ipc(IpcDir::Off)
}

#[tokio::test]
async fn the_first_free_port_of_a_range_is_taken() {
    let (held, first) = loop {
        let held = TcpListener::bind((HERE, 0)).unwrap();
        let first = held.local_addr().unwrap().port();
        if first < u16::MAX - 16 {
            break (held, first);
        }
    };
    let listen = Listen::at(HERE, first..=first + 16);
    let (node, _events) = quiet().listen(listen.clone()).start().await.unwrap();
    let [addr] = node.listening()[..] else {
        panic!("{:?}", node.listening());
    };
    assert_eq!(addr.ip(), HERE);
    assert!(addr.port() > first && addr.port() <= first + 16);
    assert_eq!(node.endpoint().to_string(), format!("tcp://{addr}"));

    let full = Listen::at(HERE, first..=first);
    let refused = quiet().listen(full).start().await.unwrap_err();
    assert!(matches!(refused, StartError::Inbox(_)), "{refused}");
    drop(held);
}

#[tokio::test]
async fn a_range_without_a_free_port_is_an_error() {
    // Two ports side by side.
    let (_first, _second, port) = loop {
        let first = TcpListener::bind((HERE, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let next = port
            .checked_add(1)
            .map(|next| TcpListener::bind((HERE, next)));
        if let Some(Ok(second)) = next {
            break (first, second, port);
        }
    };
    let listen = Listen::at(HERE, port..=port + 1);
    let refused = quiet().listen(listen).start().await.unwrap_err();
    assert!(matches!(refused, StartError::NoPort(_)), "{refused}");
    assert!(refused.to_string().contains(&port.to_string()), "{refused}");
}

/// `*` means both families, wherever it can be written.
#[tokio::test]
async fn everywhere_is_ipv4_and_ipv6() {
    let gossip = {
        let probe = TcpListener::bind((HERE, 0)).unwrap();
        probe.local_addr().unwrap().port()
    };
    let mut settings = quiet().settings().clone();
    settings.set("listen", "tcp://*:*").unwrap();
    let everywhere = format!("tcp://*:{gossip}");
    settings.set("gossip_bind", &everywhere).unwrap();
    let (node, _events) = settings.builder().start().await.unwrap();
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let inbox = node.listening()[0].port();
    for port in [inbox, gossip] {
        std::net::TcpStream::connect((HERE, port)).unwrap();
        if v6 {
            std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }
}

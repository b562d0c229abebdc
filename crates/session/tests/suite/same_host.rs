//! Which link is chosen for a peer on this host.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use zre_session::{CloseReason, Config, Engine, IpcDir, Link, SameHost, Target};

use crate::bench::{Node, PATIENCE, identity, ipc, limited, run, send, soon, tcp};
use crate::on_each_engine;

on_each_engine!(
    ipc_on_one_host_and_no_tcp_connection,
    memory_in_one_process_and_no_listener_at_all,
    never_means_tcp,
    an_explicit_path,
    a_stale_socket_is_taken_over,
    a_running_node_keeps_its_name,
    a_dead_socket_of_a_peer_means_tcp,
    a_directory_that_is_no_use_means_tcp,
    the_socket_is_removed_at_the_end,
);

/// A network namespace that ends with the test.
#[cfg(target_os = "linux")]
struct Namespace(String);

#[cfg(target_os = "linux")]
impl Namespace {
    /// `None` without the right to make one.
    fn new() -> Option<Self> {
        let this = Self(format!("session-{}", std::process::id()));
        let made = this.ip("add");
        assert!(
            made || std::env::var("CI").as_deref() != Ok("true"),
            "on CI network namespaces must be at hand"
        );
        if !made {
            println!("skipped: needs root");
        }
        made.then_some(this)
    }

    fn ip(&self, what: &str) -> bool {
        let mut ip = std::process::Command::new("ip");
        let status = ip.args(["netns", what, &self.0]).status();
        status.is_ok_and(|status| status.success())
    }

    fn enter(&self) {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd;

        let namespace = std::fs::File::open(format!("/run/netns/{}", self.0)).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for Namespace {
    fn drop(&mut self) {
        self.ip("del");
    }
}

/// Two network namespaces of a process are two hosts.
#[cfg(target_os = "linux")]
#[test]
fn another_network_namespace_is_not_reached_in_memory() {
    let Some(elsewhere) = Namespace::new() else {
        return;
    };
    let open = |number| {
        let mut config = crate::bench::inproc(Engine::Native, number);
        config.listen.clear();
        Node::open(config)
    };
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (elsewhere, open) = (&elsewhere, &open);
    std::thread::scope(|scope| {
        // Dropped before the scope waits for the thread.
        let _done = done;
        scope.spawn(move || {
            elsewhere.enter();
            run(async move {
                let _bob = open(202).await;
                ready.send(()).unwrap();
                let _ = wait.recv();
            });
        });
        is_ready.recv_timeout(PATIENCE).unwrap();
        run(async {
            let (mut alice, carol) = (open(201).await, open(203).await);
            let there = Target::default().peer(identity(202));
            let mailbox = alice.links.connect(1, there);
            let (reason, _) = alice.closed(1).await;
            assert_eq!(reason, CloseReason::NoRoute);
            assert!(soon(mailbox.writable(1)).await.is_err());
            assert_eq!(alice.reach(2, &carol).await.1, Link::Inproc);
        });
    });
}

/// Established connections to or from the port, as the kernel lists them.
fn tcp_connections(addr: SocketAddr) -> usize {
    let port = format!(":{:04X}", addr.port());
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .map(|table| {
            table
                .lines()
                .skip(1)
                .filter(|line| {
                    let mut fields = line.split_whitespace().skip(1);
                    let (Some(local), Some(remote), Some(state)) =
                        (fields.next(), fields.next(), fields.next())
                    else {
                        return false;
                    };
                    state == "01" && (local.ends_with(&port) || remote.ends_with(&port))
                })
                .count()
        })
        .sum()
}

async fn ipc_on_one_host_and_no_tcp_connection(engine: Engine) {
    let dir = crate::bench::private_dir();
    let mut alice = Node::open(ipc(engine, 1, dir.path())).await;
    let mut bob = Node::open(ipc(engine, 2, dir.path())).await;
    assert_eq!(bob.links.ipc_unavailable(), None);
    let (mailbox, link) = alice.reach(1, &bob).await;
    assert_eq!(link, Link::Ipc);
    send(&mailbox, b"hello", &[]).await;
    let (_, from) = bob.opened().await;
    assert_eq!(from.link, Link::Ipc);
    bob.messages(1).await;
    assert_eq!(tcp_connections(bob.addr()), 0);

    // The counting itself works: over tcp both ends are seen.
    let carol = Node::open(tcp(engine, 3)).await;
    let (_mailbox, link) = alice.reach(2, &carol).await;
    assert_eq!(link, Link::Tcp);
    assert_eq!(tcp_connections(carol.addr()), 2);
}

async fn memory_in_one_process_and_no_listener_at_all(engine: Engine) {
    let node = |number| {
        let mut config = Config::new(identity(number));
        config.engine = engine;
        config.ipc = IpcDir::Off;
        config
    };
    let mut alice = Node::open(node(51)).await;
    let mut bob = Node::open(node(52)).await;
    assert!(bob.links.listening().is_empty());
    let (mailbox, link) = alice.reach(1, &bob).await;
    assert_eq!(link, Link::Inproc);
    send(&mailbox, b"hello", &[]).await;
    let (_, from) = bob.opened().await;
    assert_eq!(&from.identity, alice.links.identity());
    bob.messages(1).await;
    // To oneself, too.
    let (myself, link) = bob.reach_self(9).await;
    assert_eq!(link, Link::Inproc);
    send(&myself, b"hello", &[]).await;
    bob.opened().await;
    bob.messages(1).await;
}

impl Node {
    async fn reach_self(&mut self, id: u64) -> (zre_session::Mailbox, Link) {
        let mailbox = self.links.connect(id, self.target());
        let link = self.up(id).await;
        (mailbox, link)
    }
}

async fn never_means_tcp(engine: Engine) {
    let dir = crate::bench::private_dir();
    let config = |number| {
        let mut config = ipc(engine, number, dir.path());
        config.inproc = true;
        config
    };
    let mut alice = Node::open(config(61)).await;
    let bob = Node::open(config(62)).await;
    let target = bob.target().same_host(SameHost::Never);
    let _mailbox = alice.links.connect(1, target);
    assert_eq!(alice.up(1).await, Link::Tcp);
}

async fn an_explicit_path(engine: Engine) {
    let ours = crate::bench::private_dir();
    let theirs = crate::bench::private_dir();
    let mut alice = Node::open(ipc(engine, 1, ours.path())).await;
    let bob = Node::open(ipc(engine, 2, theirs.path())).await;
    let target = Target::default().ipc(bob.links.ipc_path().unwrap());
    let mailbox = alice.links.connect(1, target);
    assert_eq!(alice.up(1).await, Link::Ipc);
    mailbox.close(PATIENCE);
    alice.closed(1).await;

    // Where nobody is, nor was: without an address that is the end.
    let target = Target::default().ipc(theirs.path().join("nobody.sock"));
    let _mailbox = alice.links.connect(2, target.clone());
    assert!(matches!(
        alice.closed(2).await.0,
        CloseReason::Unreachable(_)
    ));
    // With one it means tcp.
    let target = target.addr(bob.addr());
    let _mailbox = alice.links.connect(3, target);
    assert_eq!(alice.up(3).await, Link::Tcp);
}

async fn a_stale_socket_is_taken_over(engine: Engine) {
    let dir = crate::bench::private_dir();
    let path = dir.path().join(format!("{}.sock", identity(2)));
    // What a killed process leaves behind.
    drop(UnixListener::bind(&path).unwrap());
    std::fs::write(path.with_extension("lock"), b"").unwrap();
    let bob = Node::open(ipc(engine, 2, dir.path())).await;
    assert_eq!(bob.links.ipc_unavailable(), None);
    assert_eq!(bob.links.ipc_path(), Some(path.as_path()));
    let mut alice = Node::open(ipc(engine, 1, dir.path())).await;
    assert_eq!(alice.reach(1, &bob).await.1, Link::Ipc);
}

async fn a_running_node_keeps_its_name(engine: Engine) {
    let dir = crate::bench::private_dir();
    let bob = Node::open(ipc(engine, 2, dir.path())).await;
    let twin = Node::open(ipc(engine, 2, dir.path())).await;
    let reason = twin.links.ipc_unavailable().unwrap();
    assert!(reason.contains("running"), "{reason}");
    drop(twin);
    let mut alice = Node::open(ipc(engine, 1, dir.path())).await;
    assert_eq!(alice.reach(1, &bob).await.1, Link::Ipc);
}

async fn a_dead_socket_of_a_peer_means_tcp(engine: Engine) {
    let dir = crate::bench::private_dir();
    let mut alice = Node::open(ipc(engine, 1, dir.path())).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let path = dir.path().join(format!("{}.sock", identity(2)));
    drop(UnixListener::bind(&path).unwrap());
    let mailbox = alice.links.connect(1, bob.target());
    for _ in 0..10 {
        mailbox.try_send(b"early", &[]).unwrap();
    }
    assert_eq!(alice.up(1).await, Link::Tcp);
    bob.opened().await;
    bob.messages(10).await;
}

async fn a_directory_that_is_no_use_means_tcp(engine: Engine) {
    let dir = crate::bench::private_dir();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let long = dir.path().join("l".repeat(100));
    let missing = dir.path().join("missing/missing");

    for (dir, word) in [
        (&open, "mode 755"),
        (&file, "not a directory"),
        (&link, "not a directory"),
        (&long, "107 bytes"),
        (&missing, "can't create"),
    ] {
        let mut alice = Node::open(ipc(engine, 1, dir)).await;
        let mut bob = Node::open(ipc(engine, 2, dir)).await;
        let reason = bob.links.ipc_unavailable().unwrap();
        assert!(reason.contains(word), "{reason}");
        assert_eq!(bob.links.ipc_path(), None);
        let (mailbox, link) = alice.reach(1, &bob).await;
        assert_eq!(link, Link::Tcp);
        send(&mailbox, b"hello", &[]).await;
        bob.opened().await;
        bob.messages(1).await;
    }
}

async fn the_socket_is_removed_at_the_end(engine: Engine) {
    let dir = crate::bench::private_dir();
    let home = dir.path().join("zre");
    for _ in 0..3 {
        let bob = Node::open(ipc(engine, 2, &home)).await;
        assert_eq!(bob.links.ipc_unavailable(), None);
        let mode = std::fs::metadata(&home).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 2);
        let began = std::time::Instant::now();
        let _ = bob.links.shutdown(PATIENCE).await;
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
    }
}

#[test]
fn a_process_of_our_user_has_longer_for_its_handshake() {
    run(async {
        let dir = crate::bench::private_dir();
        let time = Duration::from_millis(200);
        let mut config = limited(ipc(Engine::Native, 1, dir.path()), |limits| {
            limits.handshake_time = time;
        });
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let node = Node::open(config).await;
        let begin = Instant::now();
        let stranger = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        let ours = tokio::net::UnixStream::connect(node.links.ipc_path().unwrap());
        let ours = ours.await.unwrap();
        let (stranger, ours) = soon(async { tokio::join!(end_of(stranger), end_of(ours)) }).await;
        assert!(stranger < ours);
        assert!(ours - begin >= 6 * time);
    });
}

/// When a connection is closed on which we say nothing.
async fn end_of(mut stream: impl AsyncRead + Unpin) -> Instant {
    // Their greeting comes first.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    Instant::now()
}

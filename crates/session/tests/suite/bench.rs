//! Helpers of the stories.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use zre_session::{
    Arrival, CloseReason, Config, Engine, Identity, Inbox, IpcDir, Link, LinkLimits, Links,
    Mailbox, Message, Notice, Notices, Source, Target,
};

/// How long anything may take before a story has failed: far more than it
/// takes on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a story on a runtime of two threads.
pub(crate) fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE * 2, story)
            .await
            .expect("the story takes too long");
    });
}

/// Waits for something that has to happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("waited for too long")
}

/// An identity as ZRE nodes have it, of a number.
pub(crate) fn identity(number: u8) -> Identity {
    let mut bytes = [number; 17];
    bytes[0] = 1;
    Identity::try_from(&bytes[..]).unwrap()
}

/// A node under test.
pub(crate) struct Node {
    pub(crate) links: Links,
    pub(crate) inbox: Inbox,
    pub(crate) notices: Notices,
}

/// A node that can be reached over tcp on loopback only.
pub(crate) fn tcp(engine: Engine, number: u8) -> Config {
    let mut config = Config::new(identity(number));
    config.engine = engine;
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config
}

/// A node that is reached over tcp and, in this directory, over ipc.
pub(crate) fn ipc(engine: Engine, number: u8, dir: &Path) -> Config {
    let mut config = tcp(engine, number);
    config.ipc = IpcDir::Path(dir.to_path_buf());
    config
}

/// A node that is reached over tcp and in memory.
pub(crate) fn inproc(engine: Engine, number: u8) -> Config {
    let mut config = tcp(engine, number);
    config.inproc = true;
    config
}

/// The configuration with some limits changed.
pub(crate) fn limited(mut config: Config, change: impl FnOnce(&mut LinkLimits)) -> Config {
    change(&mut config.limits);
    config
}

impl Node {
    pub(crate) async fn open(config: Config) -> Self {
        let (links, inbox, notices) = Links::open(config).await.unwrap();
        Self {
            links,
            inbox,
            notices,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.links.listening()[0]
    }

    /// How others find this node.
    pub(crate) fn target(&self) -> Target {
        let mut target = Target::default().peer(self.links.identity().clone());
        target.addr = self.links.listening().first().copied();
        target
    }

    /// A mailbox to another node, once it stands.
    pub(crate) async fn reach(&mut self, id: u64, other: &Self) -> (Mailbox, Link) {
        let mailbox = self.links.connect(id, other.target());
        let link = self.up(id).await;
        assert_eq!(mailbox.link(), Some(link));
        (mailbox, link)
    }

    pub(crate) async fn up(&mut self, number: u64) -> Link {
        match self.notice().await {
            Notice::Up { id, link, .. } if id == number => link,
            other => panic!("instead of Up {number}: {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self, number: u64) -> (CloseReason, u64) {
        match self.notice().await {
            Notice::Closed { id, reason, lost } if id == number => (reason, lost),
            other => panic!("instead of Closed {number}: {other:?}"),
        }
    }

    pub(crate) async fn notice(&mut self) -> Notice {
        soon(self.notices.recv()).await.expect("notices have ended")
    }

    pub(crate) async fn arrival(&mut self) -> Arrival {
        soon(self.inbox.recv()).await.expect("the inbox has ended")
    }

    /// The next arrival, which has to be a connection's beginning.
    pub(crate) async fn opened(&mut self) -> (u64, std::sync::Arc<Source>) {
        match self.arrival().await {
            Arrival::Opened { connection, from } => (connection, from),
            other => panic!("instead of Opened: {other:?}"),
        }
    }

    /// The next arrival, which has to be a connection's end.
    pub(crate) async fn ended(&mut self) -> (u64, CloseReason) {
        match self.arrival().await {
            Arrival::Closed {
                connection, reason, ..
            } => (connection, reason),
            other => panic!("instead of Closed: {other:?}"),
        }
    }

    /// So many messages, of whatever connections, and nothing else between.
    pub(crate) async fn messages(&mut self, number: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < number {
            match self.arrival().await {
                Arrival::Batch(batch) => {
                    assert!(!batch.messages.is_empty(), "a batch of nothing");
                    messages.extend(batch.messages);
                }
                other => panic!("instead of message {}: {other:?}", messages.len()),
            }
        }
        assert_eq!(messages.len(), number);
        messages
    }
}

/// Sends; waits for room if there is none.
pub(crate) async fn send(mailbox: &Mailbox, head: &[u8], body: &[Bytes]) {
    let bytes = head.len() + body.iter().map(Bytes::len).sum::<usize>();
    loop {
        match mailbox.try_send(head, body) {
            Ok(()) => return,
            Err(zre_session::TrySendError::Full) => {
                soon(mailbox.writable(bytes)).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The number in a message's head.
pub(crate) fn number(message: &Message) -> u64 {
    u64::from_be_bytes(message.head[..8].try_into().unwrap())
}

/// A body of so many bytes.
pub(crate) fn body(bytes: usize) -> Bytes {
    Bytes::from((0..bytes).map(|at| at as u8).collect::<Vec<u8>>())
}

/// A directory that is nobody else's.
pub(crate) fn private_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    dir
}

/// Sends numbered messages until the kernel's buffers and the queue are full
/// and stay full; returns how many were accepted.
pub(crate) async fn fill(mailbox: &Mailbox, body: &Bytes) -> u64 {
    let mut accepted = 0u64;
    loop {
        match mailbox.try_send(&accepted.to_be_bytes(), std::slice::from_ref(body)) {
            Ok(()) => accepted += 1,
            Err(zre_session::TrySendError::Full) => {
                // Full is believed when no room comes for a while.
                let room = mailbox.writable(body.len() + 8);
                match tokio::time::timeout(Duration::from_millis(300), room).await {
                    Ok(room) => room.unwrap(),
                    Err(_) => return accepted,
                }
            }
            Err(error) => panic!("{error}"),
        }
        assert!(
            accepted * (body.len() as u64) < 512 * 1024 * 1024,
            "half a gigabyte was accepted and nobody reads"
        );
    }
}

//! Links in memory whose two nodes send, read and end, interleaved.

use zre_interleave::thread;
use zre_interleave::{any, block_on, explore};

use super::*;
use crate::mailbox_registry::MailboxRegistry;
use crate::sync::Mutex;
use crate::{Arrival, Inbox, Mailbox, Notice, Notices};

/// How many schedules of each model the usual tests look at.
const SCHEDULES: usize = 1000;

/// A node without its inbox.
struct Node {
    name: Identity,
    dispatcher: Arc<Dispatcher>,
    limits: Arc<LinkLimits>,
    budget: Arc<Budget>,
    registry: Arc<MailboxRegistry>,
}

/// How a node's part of a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The mailbox is closed.
    Mailbox,
    /// The inbox is dropped.
    Inbox,
    /// The links are shut, and what is there is read.
    Shut,
}

impl Node {
    fn new(name: &str) -> (Arc<Self>, Inbox, Notices) {
        // One message at a time.
        let limits = LinkLimits {
            queue_bytes_per_peer: 1,
            ..LinkLimits::default()
        };
        let (sender, notices) = Notices::new();
        let dispatcher = Dispatcher::new(&limits, false);
        let node = Self {
            name: Identity::new(name.to_owned()).unwrap(),
            dispatcher: dispatcher.clone(),
            budget: Arc::new(Budget::new(limits.queue_bytes_total)),
            limits: Arc::new(limits),
            registry: Arc::new(MailboxRegistry::new(sender)),
        };
        (Arc::new(node), Inbox::new(dispatcher), notices)
    }

    /// A mailbox to that node, unless that one has ended.
    fn connect(&self, to: &Self) -> Option<Mailbox> {
        let slot = self.registry.reserve();
        let neighbour = Neighbour {
            inbox: Arc::downgrade(&to.dispatcher),
            limits: to.limits.clone(),
            key: None,
        };
        let memory = Memory::link_to(
            &neighbour,
            &Arc::new(Source::new(self.name.clone(), Link::Inproc)),
            &to.name,
            &self.limits,
            &self.budget,
            Reporter::new(1, &self.registry, slot),
        );
        let queue = memory.ok()?;
        let weak: Weak<Memory> = Arc::downgrade(&queue);
        self.registry.register(slot, weak);
        Some(Mailbox::in_memory(queue))
    }
}

/// Connects, leaves a handle to the mailbox, and sends until everything is accepted or the
/// link ends, of which it waits to be told. Returns how many messages were accepted, if there
/// was a link.
fn send(from: &Node, to: &Node, handle: &Mutex<Option<Mailbox>>) -> Option<u8> {
    let mailbox = from.connect(to)?;
    *handle.lock().unwrap() = Some(mailbox.clone());
    let mut accepted = 0;
    while accepted < 3 {
        match mailbox.try_send(&[accepted], &[]) {
            Ok(()) => accepted += 1,
            Err(TrySendError::Full) => {
                if block_on(mailbox.writable(1)).is_err() {
                    break;
                }
            }
            Err(error) => {
                assert_eq!(error, TrySendError::Closed);
                break;
            }
        }
    }
    if mailbox.is_closed() {
        block_on(from.registry.all_ended());
    }
    Some(accepted)
}

/// Reads the messages of the one link to this inbox until its end, or some of them.
fn read(mut inbox: Inbox, end: End) -> Vec<u8> {
    let mut messages = Vec::new();
    let mut note = |arrival| {
        if let Arrival::Batch(batch) = arrival {
            messages.extend(batch.messages.iter().map(|message| message.head[0]));
        }
    };
    match end {
        End::Inbox => {
            for _ in 0..any(6) {
                match inbox.try_recv() {
                    Some(arrival) => note(arrival),
                    None => thread::yield_now(),
                }
            }
        }
        End::Mailbox | End::Shut => {
            while let Some(arrival) = block_on(inbox.recv()) {
                note(arrival);
            }
        }
    }
    messages
}

/// One direction of a link after its end.
fn check(
    sender: &Node,
    mut notices: Notices,
    accepted: Option<u8>,
    read: &[u8],
    receiver_end: End,
) {
    let Some(accepted) = accepted else {
        // What `connect` had instead of a mailbox has reported.
        assert!(matches!(
            notices.try_recv(),
            Some(Notice::Closed { lost: 0, .. })
        ));
        assert_eq!(notices.try_recv(), None);
        return;
    };
    assert!(matches!(notices.try_recv(), Some(Notice::Up { .. })));
    let Some(Notice::Closed { reason, lost, .. }) = notices.try_recv() else {
        panic!("no Closed")
    };
    assert_eq!(notices.try_recv(), None, "Closed is the last");
    let in_order: Vec<u8> = (0..).take(read.len()).collect();
    assert_eq!(read, in_order);
    if receiver_end == End::Mailbox {
        // The receiver reads until the sender's end.
        assert_eq!(reason, CloseReason::Local);
    }
    let known = read.len() as u64 + lost;
    match reason {
        CloseReason::Local if receiver_end == End::Inbox => assert!(known <= u64::from(accepted)),
        _ => assert_eq!(known, u64::from(accepted), "{read:?} + {lost}, {reason}"),
    }
    assert!(sender.registry.queues().is_empty());
    assert_eq!(sender.budget.used(), 0);
}

#[test]
fn a_link_whose_two_nodes_end_at_once_accounts_for_every_message() {
    explore(SCHEDULES, || {
        let (a, inbox_a, notices_a) = Node::new("a");
        let (b, inbox_b, notices_b) = Node::new("b");
        let side = |from: &Arc<Node>, to: &Arc<Node>, inbox: Inbox| {
            let end = [End::Mailbox, End::Inbox, End::Shut][any(3)];
            let handle = Arc::new(Mutex::new(None));
            let sender = {
                let (from, to, handle) = (from.clone(), to.clone(), handle.clone());
                thread::spawn(move || send(&from, &to, &handle))
            };
            let reader = thread::spawn(move || read(inbox, end));
            let ender = {
                let from = from.clone();
                thread::spawn(move || match end {
                    End::Mailbox => {
                        if let Some(mailbox) = handle.lock().unwrap().take() {
                            mailbox.close(Duration::ZERO);
                        }
                    }
                    End::Inbox => {}
                    End::Shut => from.dispatcher.shut(),
                })
            };
            (end, sender, reader, ender)
        };
        let (end_a, sender_a, reader_a, ender_a) = side(&a, &b, inbox_a);
        let (end_b, sender_b, reader_b, ender_b) = side(&b, &a, inbox_b);
        let accepted_a = sender_a.join().unwrap();
        let accepted_b = sender_b.join().unwrap();
        ender_a.join().unwrap();
        ender_b.join().unwrap();
        a.dispatcher.shut();
        b.dispatcher.shut();
        let read_by_a = reader_a.join().unwrap();
        let read_by_b = reader_b.join().unwrap();
        block_on(a.registry.all_ended());
        block_on(b.registry.all_ended());
        check(&a, notices_a, accepted_a, &read_by_b, end_b);
        check(&b, notices_b, accepted_b, &read_by_a, end_a);
    });
}

//! The socket types that a one-way session needs.

/// The ZeroMQ socket types that may occur on our connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketType {
    /// A mailbox: it sends, under its identity.
    Dealer,
    /// An inbox: it receives from many, and distinguishes them by identity.
    Router,
    /// A request socket, which may dial an inbox.
    Req,
    /// A reply socket, which a mailbox may dial.
    Rep,
}

impl SocketType {
    /// The name in the READY command.
    pub fn name(self) -> &'static str {
        match self {
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
        }
    }

    /// The type of that name, if it is one of these.
    pub fn from_name(name: &[u8]) -> Option<SocketType> {
        [
            SocketType::Dealer,
            SocketType::Router,
            SocketType::Req,
            SocketType::Rep,
        ]
        .into_iter()
        .find(|t| t.name().as_bytes() == name)
    }

    /// Whether RFC 23's table of valid combinations allows these two.
    pub fn may_talk_to(self, other: SocketType) -> bool {
        use SocketType::{Dealer, Rep, Req, Router};
        matches!(
            (self, other),
            (Dealer, Dealer | Router | Rep)
                | (Router, Router | Dealer | Req)
                | (Req, Router | Rep)
                | (Rep, Dealer | Req)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::SocketType::{self, Dealer, Rep, Req, Router};

    #[test]
    fn names_are_exact_and_combinations_symmetric() {
        for a in [Dealer, Router, Req, Rep] {
            assert_eq!(SocketType::from_name(a.name().as_bytes()), Some(a));
            for b in [Dealer, Router, Req, Rep] {
                assert_eq!(a.may_talk_to(b), b.may_talk_to(a), "{a:?} {b:?}");
            }
        }
        assert_eq!(SocketType::from_name(b"PUB"), None);
        assert_eq!(SocketType::from_name(b"dealer"), None);
        assert!(Dealer.may_talk_to(Router));
        assert!(!Req.may_talk_to(Req));
    }
}

//! What has come over one connection and wasn't read yet.

use std::collections::VecDeque;

use crate::Message;

/// Messages of one piece. One list of all that a fast sender has ahead would be
/// megabytes: to grow it means to copy it, and to get and return its memory page
/// by page.
const PIECE: usize = 256;

/// Messages in order, in pieces. Empty, it holds no memory: among a thousand
/// nodes of one process there are a million of these.
#[derive(Default)]
pub(crate) struct Unread {
    front: Piece,
    #[expect(
        clippy::box_collection,
        reason = "nearly all have none, and a list in place would be four times as large"
    )]
    behind: Option<Box<VecDeque<Piece>>>,
}

/// Messages that are read together.
#[derive(Default)]
pub(crate) struct Piece {
    pub(crate) messages: Vec<Message>,
    /// What they cost.
    pub(crate) cost: usize,
}

impl Piece {
    fn push(&mut self, message: Message, cost: usize) {
        if self.messages.capacity() == 0 {
            // Mostly one is read before the next comes, and where many nodes
            // meet at once a million lanes hold a HELLO each.
            self.messages.reserve_exact(1);
        }
        self.messages.push(message);
        self.cost = self.cost.saturating_add(cost);
    }
}

impl Unread {
    pub(crate) fn is_empty(&self) -> bool {
        self.front.messages.is_empty()
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.pieces().map(|piece| piece.messages.len()).sum()
    }

    /// What they cost.
    pub(crate) fn cost(&self) -> usize {
        self.pieces()
            .fold(0, |sum, piece| sum.saturating_add(piece.cost))
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.front).chain(self.behind.iter().flat_map(|all| all.iter()))
    }

    pub(crate) fn push(&mut self, message: Message, cost: usize) {
        let behind = match &mut self.behind {
            None if self.front.messages.len() < PIECE => return self.front.push(message, cost),
            behind => behind.get_or_insert_default(),
        };
        match behind.back_mut() {
            Some(last) if last.messages.len() < PIECE => last.push(message, cost),
            _ => {
                let mut piece = Piece {
                    messages: Vec::with_capacity(PIECE),
                    cost: 0,
                };
                piece.push(message, cost);
                behind.push_back(piece);
            }
        }
    }

    /// Moves all that is in the other one to the end of this one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        while let Some(mut piece) = other.take() {
            let behind = self.behind.as_mut();
            let last = behind.map_or(Some(&mut self.front), |all| all.back_mut());
            match last {
                Some(last) if last.messages.len().saturating_add(piece.messages.len()) <= PIECE => {
                    last.messages.append(&mut piece.messages);
                    last.cost = last.cost.saturating_add(piece.cost);
                }
                _ => self.behind.get_or_insert_default().push_back(piece),
            }
        }
    }

    /// The first piece, if there is one.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        if self.is_empty() {
            return None;
        }
        let next = self.behind.as_mut().and_then(|all| all.pop_front());
        if self.behind.as_ref().is_some_and(|all| all.is_empty()) {
            self.behind = None;
        }
        Some(std::mem::replace(&mut self.front, next.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> Message {
        Message::new(&number.to_be_bytes(), &[])
    }

    fn read(unread: &mut Unread) -> Vec<Message> {
        let mut all = Vec::new();
        let mut cost = unread.cost();
        while let Some(piece) = unread.take() {
            assert!((1..=PIECE).contains(&piece.messages.len()));
            all.extend(piece.messages);
            cost -= piece.cost;
        }
        assert_eq!((cost, unread.len(), unread.cost()), (0, 0, 0));
        all
    }

    #[test]
    fn messages_come_out_in_order_in_pieces() {
        for count in [0, 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 7] {
            let mut unread = Unread::default();
            (0..count).for_each(|number| unread.push(message(number), 3));
            assert_eq!((unread.len(), unread.cost()), (count, 3 * count));
            assert_eq!(read(&mut unread), Vec::from_iter((0..count).map(message)));
            assert!(unread.is_empty() && unread.behind.is_none());
        }
    }

    #[test]
    fn lists_are_joined_in_order_and_small_ones_in_one_piece() {
        let mut unread = Unread::default();
        let mut next = 0;
        for count in [3, 0, 5, PIECE, 1, 1, 3 * PIECE + 1, 2] {
            let mut other = Unread::default();
            (next..next + count).for_each(|number| other.push(message(number), 1));
            next += count;
            unread.append(&mut other);
            assert!(other.is_empty());
            assert_eq!(unread.len(), next);
        }
        assert_eq!(unread.front.messages.len(), 8);
        assert_eq!(read(&mut unread), Vec::from_iter((0..next).map(message)));
    }
}

use zre_proto::State;

/// Whether, and when, a full queue of events shows as a state.
#[derive(Debug)]
pub(crate) struct AutoBusy {
    on: bool,
    /// It was us who set Busy, and nobody has set a state since.
    ours: bool,
}

impl AutoBusy {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ours: false }
    }

    /// The state to show from now on, if it is to change: the queue is full, or
    /// has room again, while we show `shown`. What the user set stays, but for
    /// Ready.
    pub(super) fn turn(&mut self, full: bool, shown: State) -> Option<State> {
        if full {
            self.ours = self.on && shown == State::Ready;
            return self.ours.then_some(State::Busy);
        }
        let ours = std::mem::take(&mut self.ours);
        (ours && shown == State::Busy).then_some(State::Ready)
    }

    /// The user has set a state.
    pub(super) fn forget(&mut self) {
        self.ours = false;
    }
}

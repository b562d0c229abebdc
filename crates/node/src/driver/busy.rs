use zre_proto::State;

/// Sets the state Busy while the queue of events is full, if the user wants that.
#[derive(Debug)]
pub(crate) struct AutoBusy {
    on: bool,
    /// Whether Busy was set here, and the user has set no state since.
    ours: bool,
}

impl AutoBusy {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ours: false }
    }

    /// The state to set, if any, now that the queue is full or has room again; `shown` is
    /// the state until now. A state that the user has set stays, except Ready.
    pub(super) fn update(&mut self, full: bool, shown: State) -> Option<State> {
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

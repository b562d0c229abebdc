//! Differences between two looks at the interfaces.

use std::sync::Arc;

use crate::binding::Binding;
use crate::interface::Interface;

/// The changes that [`Beacon::refresh`](crate::Beacon::refresh) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Addresses that are used from now on.
    pub up: Vec<Interface>,
    /// Addresses that are no longer used; `problem` says why.
    pub down: Vec<Interface>,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    /// Compares two looks at the interfaces: each one that was found, and whether it was
    /// used.
    #[must_use]
    pub fn between(before: &[(&Interface, bool)], now: &[(&Interface, bool)]) -> Self {
        fn find<'a>(
            list: &[(&'a Interface, bool)],
            interface: &Interface,
        ) -> Option<(&'a Interface, bool)> {
            list.iter().find(|(other, _)| other.is(interface)).copied()
        }
        let used = |list, interface| find(list, interface).is_some_and(|(_, used)| used);
        let mut changes = Self::default();
        for (interface, _) in now.iter().filter(|(_, used)| *used) {
            if !used(before, interface) {
                changes.up.push((*interface).clone());
            }
        }
        for (interface, _) in before.iter().filter(|(_, used)| *used) {
            if !used(now, interface) {
                let mut interface = (*interface).clone();
                interface.problem = match find(now, &interface) {
                    Some((found, _)) => found.problem.clone(),
                    None => Some("it is gone, is down, or has lost the address".into()),
                };
                changes.down.push(interface);
            }
        }
        changes
    }

    /// The same for what one beacon had opened.
    pub(crate) fn of_bindings(before: &[Arc<Binding>], now: &[Arc<Binding>]) -> Self {
        fn listed(bindings: &[Arc<Binding>]) -> Vec<(&Interface, bool)> {
            let list = bindings
                .iter()
                .map(|binding| (&binding.interface, binding.usable));
            list.collect()
        }
        Self::between(&listed(before), &listed(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::made_up;
    use crate::plan::Plan;

    fn binding(name: &str, addr: &str, problem: Option<&str>) -> Arc<Binding> {
        let mut interface = made_up(name, 2, addr, 24);
        interface.problem = problem.map(Into::into);
        Arc::new(Binding {
            plan: Plan {
                interface: interface.clone(),
                sends: Vec::new(),
                hears: Vec::new(),
            },
            interface,
            sender: None,
            unreachable: Vec::new(),
            usable: problem.is_none(),
            counters: Arc::default(),
        })
    }

    fn names(interfaces: &[Interface]) -> Vec<String> {
        let name = |i: &Interface| format!("{} {}", i.addr, i.problem.as_deref().unwrap_or("-"));
        interfaces.iter().map(name).collect()
    }

    #[test]
    fn new_usable_and_lost_addresses_are_reported() {
        let before = [
            binding("eth0", "10.0.0.1", None),
            binding("eth0", "10.0.1.1", None),
            binding("eth0", "10.0.2.1", None),
            binding("eth0", "10.0.3.1", Some("broken")),
            binding("eth0", "10.0.4.1", Some("broken")),
        ];
        let now = [
            binding("eth0", "10.0.0.1", None),
            binding("eth0", "10.0.1.1", Some("unplugged")),
            binding("eth0", "10.0.3.1", None),
            binding("eth0", "10.0.4.1", Some("still broken")),
            binding("eth0", "10.0.5.1", None),
        ];
        let changes = Changes::of_bindings(&before, &now);
        assert_eq!(names(&changes.up), ["10.0.3.1 -", "10.0.5.1 -"]);
        assert_eq!(
            names(&changes.down),
            [
                "10.0.1.1 unplugged",
                "10.0.2.1 it is gone, is down, or has lost the address"
            ]
        );
        assert!(Changes::of_bindings(&now, &now).is_empty());
    }
}

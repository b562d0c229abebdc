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

    /// What changed from one list of bindings to the next.
    pub(crate) fn between(before: &[Arc<Binding>], now: &[Arc<Binding>]) -> Self {
        let find = |bindings: &[Arc<Binding>], interface: &Interface| {
            bindings.iter().find(|b| b.interface.is(interface)).cloned()
        };
        let used = |bindings: &[Arc<Binding>], interface: &Interface| {
            find(bindings, interface).is_some_and(|binding| binding.usable)
        };
        let mut changes = Self::default();
        for binding in now.iter().filter(|binding| binding.usable) {
            if !used(before, &binding.interface) {
                changes.up.push(binding.interface.clone());
            }
        }
        for binding in before.iter().filter(|binding| binding.usable) {
            if !used(now, &binding.interface) {
                let mut interface = binding.interface.clone();
                interface.problem = match find(now, &interface) {
                    Some(binding) => binding.interface.problem.clone(),
                    None => Some("it is gone, or has lost the address".into()),
                };
                changes.down.push(interface);
            }
        }
        changes
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
        let changes = Changes::between(&before, &now);
        assert_eq!(names(&changes.up), ["10.0.3.1 -", "10.0.5.1 -"]);
        assert_eq!(
            names(&changes.down),
            [
                "10.0.1.1 unplugged",
                "10.0.2.1 it is gone, or has lost the address"
            ]
        );
        assert!(Changes::between(&now, &now).is_empty());
    }
}

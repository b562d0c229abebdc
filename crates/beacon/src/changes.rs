//! What a look at the interfaces brought to light.

use std::sync::Arc;

use crate::interface::Interface;
use crate::lane::Lane;

/// What [`Beacon::refresh`](crate::Beacon::refresh) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Addresses of interfaces that are used from now on.
    pub up: Vec<Interface>,
    /// Those that no longer are; `problem` says why.
    pub down: Vec<Interface>,
}

impl Changes {
    /// Whether everything is as it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    /// From what was used to what is.
    pub(crate) fn between(before: &[Arc<Lane>], now: &[Arc<Lane>]) -> Self {
        let find = |lanes: &[Arc<Lane>], interface: &Interface| {
            lanes.iter().find(|l| l.interface.is(interface)).cloned()
        };
        let used = |lanes: &[Arc<Lane>], interface: &Interface| {
            find(lanes, interface).is_some_and(|lane| lane.usable)
        };
        let mut changes = Self::default();
        for lane in now.iter().filter(|lane| lane.usable) {
            if !used(before, &lane.interface) {
                changes.up.push(lane.interface.clone());
            }
        }
        for lane in before.iter().filter(|lane| lane.usable) {
            if !used(now, &lane.interface) {
                let mut interface = lane.interface.clone();
                interface.problem = match find(now, &interface) {
                    Some(lane) => lane.interface.problem.clone(),
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

    fn lane(name: &str, addr: &str, problem: Option<&str>) -> Arc<Lane> {
        let mut interface = made_up(name, 2, addr, 24);
        interface.problem = problem.map(Into::into);
        Arc::new(Lane {
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
    fn what_came_and_what_went() {
        let before = [
            lane("eth0", "10.0.0.1", None),
            lane("eth0", "10.0.1.1", None),
            lane("eth0", "10.0.2.1", None),
            lane("eth0", "10.0.3.1", Some("broken")),
            lane("eth0", "10.0.4.1", Some("broken")),
        ];
        let now = [
            lane("eth0", "10.0.0.1", None),
            lane("eth0", "10.0.1.1", Some("unplugged")),
            lane("eth0", "10.0.3.1", None),
            lane("eth0", "10.0.4.1", Some("still broken")),
            lane("eth0", "10.0.5.1", None),
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

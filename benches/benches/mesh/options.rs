//! What to measure, and how often.

use zre::Link;

use crate::measure::plan::Amount;

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) amount: Amount,
    pub(crate) json: bool,
    pub(crate) svg: Option<String>,
    /// Files with figures to plot, instead of measuring.
    pub(crate) from: Option<Vec<String>>,
    what: Option<Vec<String>>,
    only: Option<Vec<String>>,
    links: Option<Vec<String>>,
    sizes: Option<Vec<String>>,
    /// Numbers of nodes for the mesh.
    pub(crate) nodes: Vec<usize>,
    /// Numbers of processes for the crowd.
    pub(crate) crowds: Vec<usize>,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Options {
        let value = |name: &str| {
            let at = args.iter().position(|a| a == name)?;
            args.get(at + 1).cloned()
        };
        let list = |name: &str| -> Option<Vec<String>> {
            Some(value(name)?.split(',').map(str::to_owned).collect())
        };
        let quick = args.iter().any(|a| a == "--quick");
        let amount = Amount { quick };
        let numbers = |name: &str| -> Option<Vec<usize>> {
            list(name).map(|n| n.iter().map(|n| n.parse().unwrap()).collect())
        };
        Options {
            rounds: value("--rounds").map_or(amount.rounds(), |r| r.parse().unwrap()),
            amount,
            json: args.iter().any(|a| a == "--json"),
            svg: value("--svg"),
            from: list("--from"),
            what: list("--what"),
            only: list("--only"),
            links: list("--links"),
            sizes: list("--sizes"),
            nodes: numbers("--nodes").unwrap_or(match quick {
                true => vec![10, 100],
                false => vec![10, 50, 100, 200, 500, 1000],
            }),
            crowds: numbers("--crowds").unwrap_or(match quick {
                true => vec![20],
                false => vec![50, 100, 200],
            }),
        }
    }

    pub(crate) fn wants(&self, what: &str) -> bool {
        let chosen = |all: &Vec<String>| all.iter().any(|w| w == what);
        self.what.as_ref().is_none_or(chosen)
    }

    /// Whether whispers and round trips of that size over that link are
    /// measured.
    pub(crate) fn covers(&self, link: Link, size: usize) -> bool {
        let (link, size) = (link.to_string(), size.to_string());
        self.links.as_ref().is_none_or(|all| all.contains(&link))
            && self.sizes.as_ref().is_none_or(|all| all.contains(&size))
    }

    pub(crate) fn has(&self, contestant: &str) -> bool {
        let chosen = |all: &Vec<String>| all.iter().any(|c| c == contestant);
        self.only.as_ref().is_none_or(chosen)
    }
}

//! What to measure, and how often.

use zre::Link;

use crate::measure::plan::Amount;

pub(crate) struct Options {
    pub(crate) rounds: usize,
    given_rounds: Option<usize>,
    pub(crate) amount: Amount,
    pub(crate) json: bool,
    pub(crate) svg: Option<String>,
    /// Files with figures to plot, instead of measuring.
    pub(crate) from: Option<Vec<String>>,
    what: Option<Vec<String>>,
    only: Option<Vec<String>>,
    links: Option<Vec<String>>,
    sizes: Option<Vec<usize>>,
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
        let given_rounds = value("--rounds").map(|r| r.parse().unwrap());
        Options {
            rounds: given_rounds.unwrap_or(amount.rounds()),
            given_rounds,
            amount,
            json: args.iter().any(|a| a == "--json"),
            svg: value("--svg"),
            from: list("--from"),
            what: list("--what"),
            only: list("--only"),
            links: list("--links"),
            sizes: numbers("--sizes"),
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

    /// Whether it was asked for by its name: for what takes long and repeats another
    /// measurement.
    pub(crate) fn names(&self, what: &str) -> bool {
        self.what.is_some() && self.wants(what)
    }

    /// Whether whispers and round trips over that link are measured.
    pub(crate) fn covers(&self, link: Link) -> bool {
        let link = link.to_string();
        self.links.as_ref().is_none_or(|all| all.contains(&link))
    }

    /// The sizes of whispers and round trips that are measured.
    pub(crate) fn sizes(&self, usual: &[usize]) -> Vec<usize> {
        self.sizes.clone().unwrap_or_else(|| usual.to_vec())
    }

    /// The runs of a case of which the slowest is compared with the median.
    pub(crate) fn runs(&self) -> usize {
        self.given_rounds.unwrap_or(match self.amount.quick {
            true => 5,
            false => 20,
        })
    }

    /// Whether there is a list of contestants.
    pub(crate) fn names_contestants(&self) -> bool {
        self.only.is_some()
    }

    pub(crate) fn has(&self, contestant: &str) -> bool {
        let chosen = |all: &Vec<String>| all.iter().any(|c| c == contestant);
        self.only.as_ref().is_none_or(chosen)
    }
}

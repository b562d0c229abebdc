//! What each case may cost: a file beside the source.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::process::Command;

/// How much more than written down is still the same. The counts repeat, but
/// where a table lies in memory, or which memcpy glibc picks for a processor, is
/// worth a little.
const TOLERANCE: f64 = 0.05;

/// The same where another compiler counted: it makes other code of the same
/// source.
const OTHER_COMPILER: f64 = 0.20;

/// Allocations are whole numbers for each turn, but for buffers that last for
/// many turns.
const ALLOCATIONS: f64 = 0.02;

/// What one turn of a case costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Instructions, or messages.
    pub(crate) work: f64,
    /// Where they were counted.
    pub(crate) allocations: Option<f64>,
}

impl Cost {
    pub(crate) fn work_shown(&self) -> String {
        match self.work {
            work if work < 100.0 => format!("{work:.2}"),
            work => format!("{work:.0}"),
        }
    }

    pub(crate) fn allocations_shown(&self) -> String {
        self.allocations
            .map_or("-".into(), |count| format!("{count:.2}"))
    }
}

/// What a cost is, measured by its limit.
pub(crate) enum Verdict {
    Same,
    Better,
    Worse,
    New,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::New => "NEW",
        })
    }
}

/// The file: by which compiler it was counted, and what each case cost.
pub(crate) struct Limits {
    compiler: String,
    ours: String,
    costs: BTreeMap<String, Cost>,
}

pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("limits.tsv")
}

impl Limits {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let text = match std::fs::read_to_string(path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        Self::parse(&text, compiler()?)
    }

    fn parse(text: &str, ours: String) -> Result<Self, Box<dyn Error>> {
        let mut limits = Self {
            compiler: ours.clone(),
            ours,
            costs: BTreeMap::new(),
        };
        for line in text.lines() {
            if let Some(compiler) = line.strip_prefix("# ") {
                limits.compiler = compiler.to_owned();
                continue;
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, work, allocations] = fields.as_slice() else {
                return Err(format!("limits.tsv: three fields, please: {line}").into());
            };
            let cost = Cost {
                work: work.parse()?,
                allocations: match *allocations {
                    "-" => None,
                    number => Some(number.parse()?),
                },
            };
            limits.costs.insert((*name).to_owned(), cost);
        }
        Ok(limits)
    }

    /// By which other compiler the limits were counted, if it was another.
    pub(crate) fn other_compiler(&self) -> Option<&str> {
        (self.compiler != self.ours).then_some(&*self.compiler)
    }

    pub(crate) fn of(&self, name: &str) -> Option<Cost> {
        self.costs.get(name).copied()
    }

    pub(crate) fn judge(&self, name: &str, cost: Cost) -> Verdict {
        let Some(limit) = self.of(name) else {
            return Verdict::New;
        };
        let tolerance = match (cost.allocations, self.other_compiler()) {
            (Some(_), Some(_)) => OTHER_COMPILER,
            _ => TOLERANCE,
        };
        let allocations = |cost: Cost| cost.allocations.unwrap_or(0.0);
        let over = |this: Cost, that: Cost| {
            this.work > that.work * (1.0 + tolerance)
                || allocations(this) > allocations(that) * (1.0 + ALLOCATIONS) + ALLOCATIONS
        };
        if over(cost, limit) {
            Verdict::Worse
        } else if over(limit, cost) {
            Verdict::Better
        } else {
            Verdict::Same
        }
    }

    /// With these costs in the place of what was written down, by our compiler.
    pub(crate) fn with(mut self, found: &[(&str, Cost)]) -> Self {
        self.compiler.clone_from(&self.ours);
        for (name, cost) in found {
            self.costs.insert((*name).to_owned(), *cost);
        }
        self
    }

    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        Ok(std::fs::write(path(), self.text()?)?)
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        writeln!(text, "# {}", self.compiler)?;
        for (name, cost) in &self.costs {
            let (work, allocations) = (cost.work_shown(), cost.allocations_shown());
            writeln!(text, "{name}\t{work}\t{allocations}")?;
        }
        Ok(text)
    }
}

/// The compiler's version and the system: other code comes out of others.
fn compiler() -> Result<String, Box<dyn Error>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    let number = version.split_whitespace().nth(1).unwrap_or("unknown");
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!("rustc {number} {system} {processor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# rustc 1\na\t100\t2.00\nb\t7.00\t-\n";

    fn limits(ours: &str) -> Limits {
        Limits::parse(TEXT, ours.into()).unwrap()
    }

    fn cost(work: f64, allocations: f64) -> Cost {
        Cost {
            work,
            allocations: Some(allocations),
        }
    }

    #[test]
    fn what_costs_more_is_worse_and_what_costs_less_better() {
        let same = limits("rustc 1");
        assert!(matches!(same.judge("a", cost(102.0, 2.0)), Verdict::Same));
        assert!(matches!(same.judge("a", cost(106.0, 2.0)), Verdict::Worse));
        assert!(matches!(same.judge("a", cost(100.0, 3.0)), Verdict::Worse));
        assert!(matches!(same.judge("a", cost(90.0, 2.0)), Verdict::Better));
        assert!(matches!(same.judge("c", cost(1.0, 0.0)), Verdict::New));
    }

    #[test]
    fn another_compiler_may_count_otherwise() {
        let other = limits("rustc 2");
        assert!(matches!(other.judge("a", cost(110.0, 2.0)), Verdict::Same));
        assert!(matches!(other.judge("a", cost(130.0, 2.0)), Verdict::Worse));
        // But not in virtual time.
        let traffic = Cost {
            work: 7.5,
            allocations: None,
        };
        assert!(matches!(other.judge("b", traffic), Verdict::Worse));
    }

    #[test]
    fn blessing_keeps_what_was_not_counted() {
        let text = limits("rustc 2").with(&[("a", cost(50.0, 1.0))]).text();
        assert_eq!(text.unwrap(), "# rustc 2\na\t50.00\t1.00\nb\t7.00\t-\n");
    }

    #[test]
    fn the_committed_file_can_be_read() {
        let limits = Limits::read().unwrap();
        for case in crate::cases::all() {
            assert!(limits.of(case.name).is_some(), "{}", case.name);
        }
    }
}

//! Counting, by way of valgrind.

use std::error::Error;
use std::process::Command;

use crate::CASE;
use crate::cases::Case;
use crate::limits::Cost;

/// What one turn of a case costs.
pub(crate) fn cost(case: &Case) -> Result<Cost, Box<dyn Error + Send + Sync>> {
    let counts: [(Counter, usize); 4] = [
        (instructions, 1),
        (instructions, 2),
        (allocations, 1),
        (allocations, 2),
    ];
    // Side by side: most of a run is valgrind's own start.
    let counted = std::thread::scope(|scope| {
        counts
            .map(|(count, times)| scope.spawn(move || count(case, times * case.turns)))
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread failed".into()))
            })
    });
    let [once, twice, allocated_once, allocated_twice] = counted;
    let turns = case.turns as f64;
    Ok(Cost {
        work: (twice? - once?) / turns,
        allocations: Some((allocated_twice? - allocated_once?) / turns),
    })
}

/// The bytes that each pair of nodes adds to the memory of the nodes alone.
pub(crate) fn memory(case: &Case) -> Result<Cost, Box<dyn Error + Send + Sync>> {
    let (few, many) = (case.turns, 2 * case.turns);
    let pairs = |nodes: usize| (nodes * (nodes - 1)) as f64;
    let (less, more) = (held(case, few)?, held(case, many)?);
    Ok(Cost {
        work: (more - 2.0 * less) / (pairs(many) - 2.0 * pairs(few)),
        allocations: None,
    })
}

type Counter = fn(&Case, usize) -> Count;
type Count = Result<f64, Box<dyn Error + Send + Sync>>;

fn instructions(case: &Case, turns: usize) -> Count {
    let args = [
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
    ];
    number(&run(case, turns, &args)?, " refs:")
}

fn allocations(case: &Case, turns: usize) -> Count {
    let args = [
        "--tool=memcheck",
        "--undef-value-errors=no",
        "--leak-check=no",
    ];
    number(&run(case, turns, &args)?, "total heap usage:")
}

fn held(case: &Case, turns: usize) -> Count {
    let args = ["--tool=dhat", "--dhat-out-file=/dev/null"];
    number(&run(case, turns, &args)?, "At t-end:")
}

/// The report of valgrind about a run.
fn run(case: &Case, turns: usize, args: &[&str]) -> Result<String, Box<dyn Error + Send + Sync>> {
    // Nodes look at each other's sockets when they start: those of other runs would count.
    let runtime_dir = tempfile::tempdir()?;
    let output = Command::new("valgrind")
        .env("XDG_RUNTIME_DIR", runtime_dir.path())
        .args(args)
        .arg(std::env::current_exe()?)
        .args([CASE, case.name, &turns.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it first (apt install valgrind)"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("the case '{}' failed:\n{said}", case.name).into());
    }
    Ok(said)
}

/// The number that follows a phrase.
fn number(said: &str, phrase: &str) -> Count {
    let rest = said
        .split_once(phrase)
        .map(|(_, rest)| rest.trim_start())
        .ok_or_else(|| format!("valgrind's report lacks '{phrase}':\n{said}"))?;
    let digits: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(char::is_ascii_digit)
        .collect();
    Ok(digits.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_commas() {
        let said = "==7== I   refs:        1,234,567\n==7==   total heap usage: 42 allocs, 1 frees";
        assert_eq!(number(said, " refs:").unwrap(), 1_234_567.0);
        assert_eq!(number(said, "total heap usage:").unwrap(), 42.0);
        assert!(number(said, "D  refs:").is_err());
    }
}

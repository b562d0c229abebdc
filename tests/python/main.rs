//! The Python package (bindings/python), tested in Python: `pytest` with the library that
//! cargo has built, and type checkers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use zre_tests::c::run;
use zre_tests::{python_library, skip};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings/python");

/// What the tests need beside the package.
const TOOLS: [&str; 6] = [
    "pytest==9.2.0",
    "pytest-xdist==3.8.0",
    "mypy==2.4.1",
    "pyzmq==27.3.0",
    "typing_extensions==4.16.0",
    "uvloop==0.23.0",
];

/// A python with the tools, or why there is none.
fn python() -> Result<&'static Path, &'static str> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let (python, done) = (home.join("bin/python"), home.join("tools"));
        if fs::read_to_string(&done).is_ok_and(|tools| tools == TOOLS.join("\n")) {
            return Ok(python);
        }
        let new = "import sys; assert sys.version_info >= (3, 10), sys.version";
        complete(Command::new("python3").args(["-c", new]), "Python 3.10")?;
        complete(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home),
            "python3 -m venv (Debian: python3-venv)",
        )?;
        complete(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet"])
                .args(TOOLS),
            "pip install, which needs a network",
        )?;
        fs::write(done, TOOLS.join("\n")).map_err(|error| error.to_string())?;
        Ok(python)
    });
    python.as_deref().map_err(String::as_str)
}

fn complete(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "no {what}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("no {what}: {error}")),
    }
}

/// A directory for PYTHONPATH with the packages, as they are installed.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-packages");
        let _ = fs::remove_dir_all(&path);
        copy(&Path::new(PACKAGE).join("python/zre"), &path.join("zre"));
        copy(&Path::new(PACKAGE).join("pyre/pyre"), &path.join("pyre"));
        let native = path.join("zre/_native.abi3.so");
        let _ = fs::remove_file(&native);
        fs::copy(python_library(), native).unwrap();
        path
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&source, &target),
            false => drop(fs::copy(source, target).unwrap()),
        }
    }
}

fn module(python: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-B", "-m"])
        .args(arguments)
        .current_dir(PACKAGE)
        .env("PYTHONPATH", installed())
        .env("MYPYPATH", installed())
        .env(
            "MYPY_CACHE_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/mypy"),
        );
    command
}

#[test]
fn the_tests_in_python_pass() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => skip!("{why}"),
    };
    // Most of their time they wait.
    let said = run(&mut module(
        python,
        &["pytest", "-q", "-n4", "-p", "no:cacheprovider"],
    ));
    assert!(said.contains(" passed"), "{said}");
}

#[test]
fn the_types_are_those_of_the_library() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => skip!("{why}"),
    };
    run(&mut module(python, &["mypy", "-p", "zre"]));
    run(&mut module(
        python,
        &[
            "mypy.stubtest",
            "--ignore-disjoint-bases",
            "--mypy-config-file=pyproject.toml",
            "zre._native",
        ],
    ));
}

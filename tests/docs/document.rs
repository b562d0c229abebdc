//! A document in Markdown, as far as it is of interest here.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every document.
pub(crate) fn all() -> Vec<Document> {
    let mut found = Vec::new();
    walk(repository(), &mut |path| {
        // What lies beside sources is a part of their documentation, which rustdoc
        // checks.
        let fragment = path.components().any(|part| part.as_os_str() == "src");
        if !fragment && path.extension().is_some_and(|extension| extension == "md") {
            found.push(path.to_path_buf());
        }
    });
    found.sort();
    assert!(
        found.len() > 5,
        "only these documents were found: {found:?}"
    );
    found.iter().map(|path| Document::at(path)).collect()
}

/// Every file in a directory and those below.
pub(crate) fn walk(directory: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(directory).expect("a directory of the repository") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = entry.path();
        if entry.file_type().expect("its type").is_dir() {
            // What isn't the repository's own: builds, packages of others.
            let foreign = name.starts_with('.') || name == "target" || name == "node_modules";
            if !foreign {
                walk(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}

pub(crate) struct Document {
    /// From the root of the repository.
    pub(crate) path: String,
    lines: Vec<Line>,
}

struct Line {
    number: usize,
    text: String,
    /// Which block it is in, counted from 0.
    block: Option<usize>,
}

/// A block of code.
pub(crate) struct Block<'a> {
    document: &'a str,
    number: usize,
    /// What stands behind the fence.
    pub(crate) info: String,
    lines: Vec<&'a str>,
}

impl Document {
    pub(crate) fn at(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a document in UTF-8");
        let path = path.strip_prefix(repository()).unwrap_or(path);
        let mut lines = Vec::new();
        let (mut inside, mut blocks) = (false, 0);
        for (index, text) in text.lines().enumerate() {
            let fence = text.trim_start().starts_with("```");
            lines.push(Line {
                number: index + 1,
                text: text.into(),
                block: (inside || fence).then_some(blocks),
            });
            if fence {
                blocks += usize::from(inside);
                inside = !inside;
            }
        }
        assert!(!inside, "{}: a block has no end", path.display());
        Self {
            path: path.to_str().expect("a path in UTF-8").into(),
            lines,
        }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        let path = repository().join(&self.path);
        path.parent().expect("a file is in a directory").into()
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut current = None;
        for line in &self.lines {
            if line.block.is_none() {
                continue;
            }
            if line.block != current {
                current = line.block;
                let info = line.text.trim().trim_start_matches('`');
                blocks.push(Block {
                    document: &self.path,
                    number: line.number,
                    info: info.into(),
                    lines: Vec::new(),
                });
            } else if let Some(block) = blocks.last_mut() {
                block.lines.push(&line.text);
            }
        }
        for block in &mut blocks {
            // The closing fence.
            block.lines.pop();
        }
        blocks.into_iter()
    }

    fn prose(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.block.is_none())
    }

    /// What stands in parentheses behind a text in brackets.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for line in self.prose() {
            for rest in line.text.split("](").skip(1) {
                if let Some((link, _)) = rest.split_once(')') {
                    links.push((line.number, link.into()));
                }
            }
        }
        links
    }

    /// Long options that are set as code in the text, or in blocks of text.
    pub(crate) fn options(&self) -> Vec<(usize, String)> {
        let mut options = Vec::new();
        for line in self.prose() {
            for code in line.text.split('`').skip(1).step_by(2) {
                for word in code.split(|c: char| c.is_whitespace() || "=[](),".contains(c)) {
                    if word.len() > 2 && word.starts_with("--") {
                        options.push((line.number, word.into()));
                    }
                }
            }
        }
        options
    }

    /// Whether a heading has this anchor, as GitHub makes them.
    pub(crate) fn has_anchor(&self, anchor: &str) -> bool {
        self.prose().any(|line| {
            let Some(heading) = line.text.strip_prefix('#') else {
                return false;
            };
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let made: String = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            made == anchor
        })
    }
}

impl Block<'_> {
    pub(crate) fn language(&self) -> &str {
        self.info
            .split([',', ' '])
            .next()
            .expect("a split has a first part")
    }

    /// Whether it is run as it stands, in a shell.
    pub(crate) fn is_run(&self) -> bool {
        self.info.split_whitespace().any(|word| word == "run")
    }

    /// For a message: the document and the line of the fence.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document, self.number)
    }

    /// The commands: all of a shell block, what follows the prompt on a console.
    pub(crate) fn script(&self) -> String {
        let prompt = self.language() == "console";
        let mut script = String::new();
        for line in &self.lines {
            let command = if prompt {
                line.strip_prefix("$ ")
            } else {
                Some(*line)
            };
            if let Some(command) = command {
                script.push_str(command);
                script.push('\n');
            }
        }
        script
    }
}

//! Makes safe paths from names that a peer chose.

/// The maximum length of each part of a path, in bytes: every file system accepts it,
/// with the prefixes and suffixes that are added.
const LONGEST: usize = 200;

/// The maximum number of parts of a path. Of a longer one the last parts are kept.
const DEEPEST: usize = 32;

/// Names of devices on Windows, with any extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A safe relative path for a file, as similar to the given name as possible, with `/`
/// between its parts. It doesn't lead out of the directory that it is joined to.
pub(super) fn safe(given: &str) -> String {
    let mut parts: Vec<String> = given
        .rsplit(['/', '\\'])
        .enumerate()
        // The last part is the file's name, even if it is empty.
        .filter(|(after, part)| *after == 0 || !matches!(*part, "" | "." | ".."))
        .map(|(_, part)| safe_part(part))
        .take(DEEPEST)
        .collect();
    parts.reverse();
    parts.join("/")
}

/// The name of a file or directory: it isn't hidden, can't control a terminal, and has no
/// special meaning on any system.
fn safe_part(given: &str) -> String {
    let name = crate::text::visible(given, |name, _| name.push('_'));
    let mut name = name.replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    let cut = (0..=LONGEST).rev().find(|&at| name.is_char_boundary(at));
    name.truncate(cut.unwrap_or(0).min(name.len()));
    let name = name.trim().trim_end_matches(['.', ' ']);
    let name = name.trim_start_matches('.');
    let stem = name.split('.').next().unwrap_or_default();
    if stem.trim().is_empty() || DEVICES.contains(&stem.trim().to_lowercase().as_str()) {
        return format!("file_{name}").trim_end_matches('_').to_owned();
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn no_name_leads_out_of_the_directory_or_means_something_else() {
        for (given, name) in [
            ("report.pdf", "report.pdf"),
            ("übersicht 你好.txt", "übersicht 你好.txt"),
            ("photos/2026/a.jpg", "photos/2026/a.jpg"),
            ("/etc/passwd", "etc/passwd"),
            ("../../.ssh/authorized_keys", "ssh/authorized_keys"),
            (r"C:\Windows\system.ini", "C_/Windows/system.ini"),
            ("a/./..//b", "a/b"),
            ("a/ ../b", "a/file/b"),
            (".bashrc", "bashrc"),
            ("..", "file"),
            ("", "file"),
            ("a/", "a/file"),
            ("x\u{1b}[2J\n\0y", "x_[2J__y"),
            ("a:b*c?", "a_b_c_"),
            ("NUL", "file_NUL"),
            ("con.txt", "file_con.txt"),
            ("dots...", "dots"),
            (" spaces ", "spaces"),
            ("a\u{200b}b\u{2028}c\u{feff}", "a_b_c_"),
            ("a\u{200d}b 👩\u{200d}🚀", "a_b 👩\u{200d}🚀"),
        ] {
            assert_eq!(safe(given), name, "{given:?}");
        }
        assert_eq!(safe(&"ä".repeat(300)).len(), 200);
        assert_eq!(
            safe(&"a/".repeat(100)).len(),
            "a/".len() * 31 + "file".len()
        );
        assert!(!safe("\u{202e}gpj.exe").contains('\u{202e}'));
    }
}

//! Makes safe file names from names that a peer chose.

/// The maximum length of a name, in bytes: every file system accepts it, with the
/// prefixes and suffixes that are added.
const LONGEST: usize = 200;

/// Names of devices on Windows, with any extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A safe name for a file, as similar to the given one as possible: it has no
/// directories, isn't hidden, can't control a terminal, and has no special meaning
/// on any system.
pub(super) fn safe(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last
        .chars()
        .map(|c| match c {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            c if crate::text::steers(c) => '_',
            c => c,
        })
        .collect();
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
            ("/etc/passwd", "passwd"),
            ("../../.ssh/authorized_keys", "authorized_keys"),
            (r"C:\Windows\system.ini", "system.ini"),
            (".bashrc", "bashrc"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            ("x\u{1b}[2J\n\0y", "x_[2J__y"),
            ("a:b*c?", "a_b_c_"),
            ("NUL", "file_NUL"),
            ("con.txt", "file_con.txt"),
            ("dots...", "dots"),
            (" spaces ", "spaces"),
            ("a\u{200b}b\u{2028}c\u{feff}", "a_b_c_"),
        ] {
            assert_eq!(safe(given), name, "{given:?}");
        }
        assert_eq!(safe(&"ä".repeat(300)).len(), 200);
        assert!(!safe("\u{202e}gpj.exe").contains('\u{202e}'));
    }
}

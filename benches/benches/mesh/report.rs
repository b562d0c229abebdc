//! Figures, as a table for people or as JSON for programs.

use std::fmt::Write;

/// One measured number, already the median of its rounds.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) case: String,
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

pub(crate) struct Report {
    json: bool,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report {
            json,
            figures: Vec::new(),
        }
    }

    /// The figures of earlier runs, as `finish` wrote them into these files.
    pub(crate) fn read(files: &[String]) -> Report {
        let mut report = Report::new(true);
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            let all: serde_json::Value = serde_json::from_str(&text).unwrap();
            for figure in all["figures"].as_array().unwrap() {
                let text = |key: &str| figure[key].as_str().unwrap().to_owned();
                report.figures.push(Figure {
                    what: text("what"),
                    case: text("case"),
                    name: text("name"),
                    value: figure["value"].as_f64().unwrap(),
                    unit: text("unit"),
                });
            }
        }
        report
    }

    pub(crate) fn section(&self, title: &str) {
        if !self.json {
            println!("\n{title}");
        }
    }

    /// Something that isn't a figure: what was skipped, and why.
    pub(crate) fn note(&self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    /// One line of the table; `extra` stands at its end.
    pub(crate) fn row(
        &mut self,
        what: &'static str,
        case: &str,
        figures: &[(&str, f64, &'static str)],
        extra: &str,
    ) {
        let mut line = format!("{case:<18}");
        for (name, value, unit) in figures {
            let _ = write!(line, "  {name} {}", shown(*value, unit));
            self.figures.push(Figure {
                what: what.to_owned(),
                case: case.to_owned(),
                name: (*name).to_owned(),
                value: *value,
                unit: (*unit).to_owned(),
            });
        }
        if !self.json {
            println!("{line}{extra}");
        }
    }

    pub(crate) fn finish(&self) {
        if !self.json {
            return;
        }
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|f| {
                serde_json::json!({
                    "what": f.what, "case": f.case, "name": f.name,
                    "value": f.value, "unit": f.unit,
                })
            })
            .collect();
        println!("{}", serde_json::json!({ "figures": figures }));
    }
}

fn shown(value: f64, unit: &str) -> String {
    match value {
        v if v >= 10_000.0 => format!("{v:.0} {unit}"),
        v if v >= 100.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.2} {unit}"),
    }
}

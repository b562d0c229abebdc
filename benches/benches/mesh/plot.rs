//! Plots of what was measured, as SVG: throughput over message size, and what
//! many nodes cost.

use std::fmt::Write;
use std::path::Path;

use crate::report::Report;

/// Of one panel, without its margins.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 64.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 48.0;

/// Names at the ends of lines keep this distance.
const LINE_HEIGHT: f64 = 15.0;

const COLOURS: [&str; 5] = ["#1b6ca8", "#d1495b", "#3f8f6b", "#b07d12", "#6a4c93"];

/// Axes with some lines on them. Both axes are logarithmic.
struct Panel {
    title: String,
    /// Places on the horizontal axis, and what they are called.
    ticks: Vec<(f64, String)>,
    below: &'static str,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    colour: &'static str,
    points: Vec<(f64, f64)>,
}

pub(crate) fn all(report: &Report, dir: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let panels: Vec<Panel> = ["tcp", "ipc"]
        .into_iter()
        .map(|link| whispers(report, link))
        .collect();
    draw(
        "Messages a second by their size, one frame each",
        &panels,
        &Path::new(dir).join("whisper.svg"),
    );
    let panels = [
        nodes(report, "mesh", "seconds until all know all"),
        nodes(report, "in all", "megabytes in all"),
        nodes(report, "idle", "per cent of a core, idle"),
    ];
    draw(
        "What many nodes in one process cost",
        &panels,
        &Path::new(dir).join("mesh.svg"),
    );
}

fn whispers(report: &Report, link: &str) -> Panel {
    let mut ticks: Vec<(f64, String)> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    for figure in report.figures.iter().filter(|f| f.what == "whisper") {
        let words: Vec<&str> = figure.case.split_whitespace().collect();
        let [over, size, unit, "x1"] = words[..] else {
            continue;
        };
        // What a raw stream moves of small messages is no messages.
        if over != link || figure.name == "raw" || figure.name.contains(':') {
            continue;
        }
        let (scale, short) = match unit {
            "B" => (1.0, ""),
            "KiB" => (1024.0, "K"),
            _ => (1024.0 * 1024.0, "M"),
        };
        let bytes = size.parse::<f64>().unwrap() * scale;
        if !ticks.iter().any(|(at, _)| *at == bytes) {
            ticks.push((bytes, format!("{size}{short}")));
        }
        add(&mut lines, &figure.name, (bytes, figure.value));
    }
    Panel {
        title: link.to_owned(),
        ticks,
        below: "bytes a message",
        lines,
    }
}

fn nodes(report: &Report, name: &str, title: &str) -> Panel {
    let mut ticks = Vec::new();
    let mut lines = Vec::new();
    for figure in report.figures.iter().filter(|f| f.what == "mesh") {
        let Some((count, "inproc")) = figure.case.split_once(' ') else {
            continue;
        };
        if figure.name != name {
            continue;
        }
        let at = count.parse::<f64>().unwrap();
        ticks.push((at, count.to_owned()));
        // Zero has no place on a logarithmic axis, and a share of a core below that
        // is less than one tick of the clock that counts it.
        let least = if name == "idle" { 0.1 } else { 0.001 };
        add(&mut lines, "", (at, figure.value.max(least)));
    }
    Panel {
        title: title.to_owned(),
        ticks,
        below: "nodes",
        lines,
    }
}

fn add(lines: &mut Vec<Line>, name: &str, point: (f64, f64)) {
    match lines.iter_mut().find(|line| line.name == name) {
        Some(line) => line.points.push(point),
        None => lines.push(Line {
            name: name.to_owned(),
            colour: COLOURS[lines.len() % COLOURS.len()],
            points: vec![point],
        }),
    }
}

/// The panels side by side.
fn draw(title: &str, panels: &[Panel], path: &Path) {
    let points = |panel: &Panel| {
        panel
            .lines
            .iter()
            .map(|line| line.points.len())
            .sum::<usize>()
    };
    // A line needs two.
    if panels.iter().any(|panel| points(panel) < 2) {
        return;
    }
    let (across, down) = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    let width = across * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {down}\" \
         width=\"{width}\" height=\"{down}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{down}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    );
    for (i, panel) in panels.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({})\">", across * i as f64);
        panel.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg).unwrap();
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let least = |pick: fn(&(f64, f64)) -> f64| points().map(pick).fold(f64::INFINITY, f64::min);
        let most = |pick: fn(&(f64, f64)) -> f64| points().map(pick).fold(0.0, f64::max);
        let xs = (least(|p| p.0).log10(), most(|p| p.0).log10());
        let (low, high) = (least(|p| p.1).log10().floor(), most(|p| p.1).log10().ceil());
        let ys = (low, high.max(low + 1.0));
        let along = |v: f64, (low, high): (f64, f64)| (v.log10() - low) / (high - low);
        let x = |v: f64| LEFT + along(v, xs) * WIDTH;
        let y = |v: f64| TOP + HEIGHT - along(v, ys) * HEIGHT;
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.0}\">{}</text>\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            TOP - 12.0,
            self.title,
            LEFT + WIDTH / 2.0,
            bottom + 38.0,
            self.below,
        );
        for (at, name) in &self.ticks {
            let _ = writeln!(
                svg,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{0:.1}\" y=\"{1:.0}\" text-anchor=\"middle\">{name}</text>",
                x(*at),
                bottom + 18.0,
            );
        }
        for exponent in ys.0 as i32..=ys.1 as i32 {
            let value = 10f64.powi(exponent);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{1:.0}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>",
                y(value),
                LEFT - 6.0,
                y(value) + 4.0,
                short(value),
            );
        }
        for line in &self.lines {
            let places: Vec<String> = line
                .points
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
                places.join(" "),
                line.colour
            );
            for (at, value) in &line.points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{}\"/>",
                    x(*at),
                    y(*value),
                    line.colour
                );
            }
        }
        self.draw_names(svg, &y);
    }

    /// At the ends of the lines, one below the other where those are close.
    fn draw_names(&self, svg: &mut String, y: &impl Fn(f64) -> f64) {
        let mut names: Vec<(f64, &Line)> = self
            .lines
            .iter()
            .filter(|line| !line.name.is_empty())
            .filter_map(|line| Some((y(line.points.last()?.1), line)))
            .collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = 0.0f64;
        for (at, line) in names {
            let at = at.max(free);
            free = at + LINE_HEIGHT;
            let _ = writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.1}\" fill=\"{}\">{}</text>",
                LEFT + WIDTH + 8.0,
                at + 4.0,
                line.colour,
                line.name
            );
        }
    }
}

/// 1,000,000 as 1M.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{}G", v / 1e9),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}

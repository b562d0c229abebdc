//! Plots of what was measured, as SVG: throughput over message size, and what
//! many nodes cost.

use std::fmt::Write;
use std::path::Path;

use crate::report::Report;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 6] = [
    "#1b6ca8", "#d1495b", "#66a182", "#edae49", "#6a4c93", "#444444",
];

pub(crate) fn all(report: &Report, dir: &str) {
    std::fs::create_dir_all(dir).unwrap();
    for link in ["tcp", "ipc", "inproc"] {
        let lines = lines(report, "whisper", |case, name| {
            let mut words = case.split_whitespace();
            let (size, unit, frames) = (words.nth(1)?, words.next()?, words.next()?);
            let bytes = size.parse::<f64>().ok()?
                * match unit {
                    "B" => 1.0,
                    "KiB" => 1024.0,
                    _ => 1024.0 * 1024.0,
                };
            let wanted = case.starts_with(link) && frames == "x1" && name != "raw";
            wanted.then_some(bytes)
        });
        let title = format!("whispers a second over {link}, by size in bytes");
        draw(
            &title,
            &lines,
            &Path::new(dir).join(format!("whisper-{link}.svg")),
        );
    }
    let lines = lines(report, "mesh", |case, name| {
        let (nodes, link) = case.split_once(' ')?;
        let wanted = link == "inproc" && ["mesh", "in all", "idle"].contains(&name);
        wanted.then(|| nodes.parse().ok())?
    });
    draw(
        "nodes in one process: s to mesh, MB in all, % of a core when idle",
        &lines,
        &Path::new(dir).join("mesh.svg"),
    );
}

type Line = (String, Vec<(f64, f64)>);

/// The figures for which `x` gives a place, one line for each name.
fn lines(report: &Report, what: &str, x: impl Fn(&str, &str) -> Option<f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for figure in report.figures.iter().filter(|f| f.what == what) {
        let Some(x) = x(&figure.case, &figure.name) else {
            continue;
        };
        // Nothing that isn't above 0 has a place on a logarithmic axis.
        let point = (x, figure.value.max(0.01));
        match lines.iter_mut().find(|(name, _)| *name == figure.name) {
            Some((_, points)) => points.push(point),
            None => lines.push((figure.name.clone(), vec![point])),
        }
    }
    lines
}

/// Both axes are logarithmic.
fn draw(title: &str, lines: &[Line], path: &Path) {
    let points = || lines.iter().flat_map(|(_, points)| points);
    if points().count() == 0 {
        return;
    }
    let range = |pick: fn(&(f64, f64)) -> f64| {
        let low = points().map(pick).fold(f64::INFINITY, f64::min).log10();
        let high = points().map(pick).fold(0.0, f64::max).log10();
        (low.floor(), high.ceil().max(low.floor() + 1.0))
    };
    let (x_range, y_range) = (range(|p| p.0), range(|p| p.1));
    let place = |(x, y): (f64, f64)| {
        let along = |v: f64, (low, high): (f64, f64)| (v.log10() - low) / (high - low);
        (
            LEFT + along(x, x_range) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - along(y, y_range) * (HEIGHT - TOP - BOTTOM),
        )
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{title}</text>\n"
    );
    let whole = |(low, high): (f64, f64)| (low as i32..=high as i32).map(|e| 10f64.powi(e));
    for x in whole(x_range) {
        let (px, bottom) = place((x, 10f64.powf(y_range.0)));
        let _ = writeln!(
            svg,
            "<line x1=\"{px:.0}\" x2=\"{px:.0}\" y1=\"{TOP}\" y2=\"{bottom:.0}\" stroke=\"#ddd\"/>\
             <text x=\"{px:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{x}</text>",
            bottom + 18.0
        );
    }
    for y in whole(y_range) {
        let (left, py) = place((10f64.powf(x_range.0), y));
        let _ = writeln!(
            svg,
            "<line x1=\"{left:.0}\" x2=\"{:.0}\" y1=\"{py:.0}\" y2=\"{py:.0}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{y}</text>",
            WIDTH - RIGHT,
            left - 6.0,
            py + 4.0
        );
    }
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let places: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = place(*point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let y = TOP + 18.0 * i as f64;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.0}\" y=\"{y:.0}\" fill=\"{colour}\">{name}</text>",
            places.join(" "),
            WIDTH - RIGHT + 12.0
        );
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg).unwrap();
}

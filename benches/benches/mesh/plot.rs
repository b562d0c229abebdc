//! Plots of what was measured, as SVG.

use crate::report::Report;

pub(crate) fn all(_report: &Report, _dir: &str) {}

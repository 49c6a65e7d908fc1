//! The plot: how much of one link each way to choose sizes uses, against the time between cuts.

use std::fmt::Write as _;

use super::link::{Link, efficiency};
use super::sizes::WAYS;

const POINTS: u32 = 25;
/// Uploads behind each point.
const UPLOADS: u64 = 16;
const LEAST: f64 = 1.0;
const MOST: f64 = 1000.0;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 56.0;
const GAP: f64 = 60.0;
/// Legible for all, on white and in grey: the first is the thick one.
const COLOURS: [&str; 5] = ["#0b62a8", "#d55e00", "#8a6fb0", "#3b9e77", "#222222"];

/// The link of the plot: 40 MB/s, 50 ms.
fn link(keeps: bool, between_cuts: f64) -> Link {
    Link {
        round_trip: 0.05,
        rate: 40e6,
        ack_delay: 0.001,
        between_cuts,
        cut_after: None,
        keeps,
        send_buffer: 4e6,
        ceiling: 28 << 20,
    }
}

/// The whole picture.
pub(super) fn svg() -> String {
    let width = LEFT + 2.0 * WIDTH + GAP + 30.0;
    let height = TOP + HEIGHT + 84.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Share of a link used, by fragment size</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">Share of a link (40 MB/s, 50 ms) that an upload uses, by the choice of fragment sizes</text>\n"
    );
    for (number, (keeps, title)) in
        [(true, "server keeps parts"), (false, "server throws parts away")].into_iter().enumerate()
    {
        let left = LEFT + number as f64 * (WIDTH + GAP);
        panel(&mut svg, left, keeps, title, number == 0);
    }
    let line = TOP + HEIGHT + 62.0;
    for (number, (way, colour)) in WAYS.iter().zip(COLOURS).enumerate() {
        let x = LEFT + number as f64 * 160.0;
        let thick = thickness(number);
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{line}\" x2=\"{}\" y2=\"{line}\" stroke=\"{colour}\" stroke-width=\"{thick}\"{}/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            x + 22.0,
            dashes(number),
            x + 27.0,
            line + 4.0,
            way.name
        );
    }
    svg += "</svg>\n";
    svg
}

fn panel(svg: &mut String, left: f64, keeps: bool, title: &str, labels: bool) {
    let bottom = TOP + HEIGHT;
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\">{title}</text>", TOP - 10.0);
    for tenth in 0..=5 {
        let y = bottom - f64::from(tenth) / 5.0 * HEIGHT;
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
            left + WIDTH
        );
        if labels {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} %</text>",
                left - 6.0,
                y + 4.0,
                tenth * 20
            );
        }
    }
    for mark in [1.0_f64, 10.0, 100.0, 1000.0] {
        let x = left + mark.log10() / 3.0 * WIDTH;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#eee\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{mark} s</text>",
            bottom + 16.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">mean time between lost connections</text>",
        left + WIDTH / 2.0,
        bottom + 34.0
    );
    for (number, (way, colour)) in WAYS.iter().zip(COLOURS).enumerate() {
        let mut points = String::new();
        for point in 0..POINTS {
            let share = f64::from(point) / f64::from(POINTS - 1);
            let link = link(keeps, LEAST * (MOST / LEAST).powf(share));
            let uploads = (0..UPLOADS)
                .map(|seed| efficiency(&link, 2 << 30, (way.make)(&link).as_mut(), seed));
            let used = uploads.sum::<f64>() / UPLOADS as f64;
            let _ = write!(points, "{:.1},{:.1} ", left + share * WIDTH, bottom - used * HEIGHT);
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"{}/>",
            points.trim_end(),
            thickness(number),
            dashes(number)
        );
    }
}

fn thickness(number: usize) -> f64 {
    if number == 0 { 3.0 } else { 1.5 }
}

/// The second lies upon the first for long.
fn dashes(number: usize) -> &'static str {
    if number == 1 { " stroke-dasharray=\"7 7\"" } else { "" }
}

//! Plots in SVG: figures over a size, a line for each peer, named where it ends.

mod scale;

use std::fmt;

use self::scale::Scale;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 256.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 58.0;

/// Between two names at the ends of their lines.
const APART: f64 = 18.0;

/// As wide as a digit is, or a little less.
const DIGIT: f64 = 7.5;

/// Told apart by those who see few colours, and readable on white and on black. Ours is the first.
const COLOURS: [&str; 6] = [
    "#e8590c", "#2b8ac6", "#2a9d6f", "#a65fd0", "#8a8f98", "#c29a1b",
];

/// Greys that stand out from white as much as from black: a picture in a page is not told its theme.
const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#6e7781}
.title{font-size:16px;font-weight:600}
.name{font-weight:500}
.grid{stroke:#8c959f;stroke-opacity:.3}
.axis{stroke:#8c959f}";

/// Figures over a size: the size from left to right, each factor as wide as the next; figures from 0
/// up, unless they are too far apart for that.
///
/// Displayed, it is an SVG document on a transparent ground, for light pages and dark ones.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    size: String,
    figure: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Plot {
    /// An empty plot, with the names of its two axes.
    pub fn new(
        title: impl Into<String>,
        size: impl Into<String>,
        figure: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            size: size.into(),
            figure: figure.into(),
            lines: Vec::new(),
        }
    }

    /// One more line, from the smallest size to the largest. Points that are no positive numbers are
    /// left out. The first line is ours, drawn over all others.
    pub fn add(&mut self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) {
        let is_shown =
            |&(size, figure): &(f64, f64)| size > 0.0 && figure > 0.0 && figure.is_finite();
        self.lines.push(Line {
            name: name.into(),
            points: points.into_iter().filter(is_shown).collect(),
        });
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    fn sizes(&self) -> Vec<f64> {
        let mut sizes: Vec<f64> = self.points().map(|point| point.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        sizes
    }
}

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = Scale::of_sizes(self.points().map(|point| point.0));
        let figures = Scale::of_figures(self.points().map(|point| point.1));
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let across = |size: f64| LEFT + sizes.place(size) * (right - LEFT);
        let up = |figure: f64| bottom - figures.place(figure) * (bottom - TOP);

        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"24\">{0}</text>\n\
             <text x=\"{LEFT}\" y=\"44\">{1}</text>",
            escaped(&self.title),
            escaped(&self.figure),
        )?;
        for mark in figures.marks() {
            let (y, text) = (up(mark), number(mark));
            writeln!(
                f,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.5
            )?;
        }
        let mut taken_from = WIDTH;
        for size in self.sizes().into_iter().rev() {
            let (x, text) = (across(size), number(size));
            writeln!(f, "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>")?;
            let half = text.len() as f64 * DIGIT / 2.0;
            // The largest has its text; one that would run into the next has its mark alone.
            if x + half > taken_from {
                continue;
            }
            taken_from = x - half - DIGIT;
            writeln!(
                f,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 20.0
            )?;
        }
        let middle = f64::midpoint(LEFT, right);
        writeln!(
            f,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>\
             <text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 44.0,
            escaped(&self.size)
        )?;

        let ends = self.lines.iter().map(|line| line.points.last());
        let ends: Vec<f64> = ends
            .map(|end| end.map_or(bottom, |end| up(end.1)))
            .collect();
        let names = spread(&ends, TOP, bottom);
        for (index, line) in self.lines.iter().enumerate().rev() {
            let colour = COLOURS[index % COLOURS.len()];
            let points = line
                .points
                .iter()
                .map(|&(size, figure)| (across(size), up(figure)));
            let points: Vec<(f64, f64)> = points.collect();
            let path: Vec<String> = points
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            writeln!(
                f,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\" \
                 stroke-linejoin=\"round\"/>",
                path.join(" "),
                if index == 0 { 3.0 } else { 2.0 }
            )?;
            for (x, y) in &points {
                writeln!(
                    f,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
                )?;
            }
            writeln!(
                f,
                "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{colour}\" stroke-opacity=\".5\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{}</text>",
                right + 5.0,
                ends[index],
                right + 15.0,
                names[index],
                right + 19.0,
                names[index] + 4.5,
                escaped(&line.name)
            )?;
        }
        writeln!(f, "</svg>")
    }
}

/// The places moved apart, in their order, so that none is closer than [`APART`] to the next.
fn spread(places: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut spread = places.to_vec();
    let mut limit = top;
    for &at in &order {
        spread[at] = spread[at].max(limit);
        limit = spread[at] + APART;
    }
    // Those pushed out of the picture push back.
    let mut limit = bottom;
    for &at in order.iter().rev() {
        spread[at] = spread[at].min(limit);
        limit = spread[at] - APART;
    }
    spread
}

/// With a comma between thousands.
fn number(value: f64) -> String {
    if value < 1_000.0 {
        return value.to_string();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_ends_of_lines_are_moved_apart_in_their_order() {
        assert_eq!(
            spread(&[100.0, 99.0, 300.0], 0.0, 400.0),
            [117.0, 99.0, 300.0]
        );
        assert_eq!(spread(&[399.0, 400.0], 0.0, 400.0), [382.0, 400.0]);
    }

    #[test]
    fn every_line_has_its_name_and_a_circle_for_each_point() {
        let mut plot = Plot::new("Held & served", "held", "ns");
        plot.add("ours", [(50.0, 12.0), (1_000_000.0, 14.0)]);
        plot.add("others", [(50.0, 20.0), (1_000_000.0, f64::NAN)]);
        let svg = plot.to_string();
        assert!(svg.contains("Held &amp; served"), "{svg}");
        assert!(svg.contains(">1,000,000<"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(">ours<") && svg.contains(">others<"));
    }

    #[test]
    fn a_size_that_would_run_into_the_next_has_no_text() {
        let mut plot = Plot::new("Held", "held", "ns");
        plot.add("ours", [50.0, 10_000.0, 15_000.0].map(|size| (size, 12.0)));
        let svg = plot.to_string();
        assert!(svg.contains(">50<") && svg.contains(">15,000<"), "{svg}");
        assert!(!svg.contains(">10,000<"), "{svg}");
        assert_eq!(svg.matches("v5\"/>").count(), 3);
    }
}

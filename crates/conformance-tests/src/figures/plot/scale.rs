//! From values to places on an axis, and the values worth a mark there.

/// Marks of an axis, about so many.
const MARKS: f64 = 5.0;
/// Values further apart than this need a logarithm to be told apart.
const WIDE: f64 = 30.0;

/// One axis.
pub(super) enum Scale {
    /// From 0 to this.
    Linear(f64),
    /// Between these two, each factor as wide as the next.
    Logarithmic(f64, f64),
}

impl Scale {
    /// Of sizes that double or grow tenfold; nothing before the first or behind the last.
    pub(super) fn of_sizes(values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = range(values);
        // A single size still has a place.
        Self::Logarithmic(min, if max > min { max } else { min * 10.0 })
    }

    /// Of figures: from 0, unless they are too far apart for that.
    pub(super) fn of_figures(values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = range(values);
        if max / min < WIDE {
            return Self::Linear((max / step(max)).ceil() * step(max));
        }
        let power = |value: f64| 10_f64.powf(value);
        Self::Logarithmic(power(min.log10().floor()), power(max.log10().ceil()))
    }

    /// Between 0 and 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        match *self {
            Self::Linear(max) => value / max,
            Self::Logarithmic(min, max) => (value.max(min) / min).ln() / (max / min).ln(),
        }
    }

    /// The values worth a mark.
    pub(super) fn marks(&self) -> Vec<f64> {
        match *self {
            Self::Linear(max) => {
                let steps = (max / step(max)).round() as u32;
                (0..=steps).map(|at| f64::from(at) * step(max)).collect()
            }
            Self::Logarithmic(min, max) => {
                let powers = (max / min).log10().round() as i32;
                (0..=powers).map(|at| min * 10_f64.powi(at)).collect()
            }
        }
    }
}

/// The smallest and the largest that a logarithm can show.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let shown = values.filter(|value| value.is_finite() && *value > 0.0);
    let (min, max) = shown.fold((f64::INFINITY, 0.0), |(min, max): (f64, f64), value| {
        (min.min(value), max.max(value))
    });
    if max > 0.0 { (min, max) } else { (1.0, 1.0) }
}

/// 1, 2 or 5 of some power of ten.
fn step(max: f64) -> f64 {
    let rough = max / MARKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_begin_at_zero_and_have_round_marks() {
        let scale = Scale::of_figures([37.0, 212.0].into_iter());
        assert_eq!(scale.marks(), [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]);
        assert_eq!(scale.place(125.0), 0.5);
    }

    #[test]
    fn figures_far_apart_have_a_mark_for_each_power_of_ten() {
        let scale = Scale::of_figures([20.0, 4_000.0].into_iter());
        assert_eq!(scale.marks(), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((scale.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn sizes_fill_the_axis_whatever_they_are() {
        let scale = Scale::of_sizes([1.0, 100.0, 10_000.0].into_iter());
        assert_eq!(
            [1.0, 100.0, 10_000.0].map(|size| scale.place(size)),
            [0.0, 0.5, 1.0]
        );
        assert_eq!(Scale::of_sizes([5.0].into_iter()).place(5.0), 0.0);
    }
}

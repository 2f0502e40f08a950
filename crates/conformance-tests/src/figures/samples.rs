//! Values of one figure.

/// Values of one figure, in the order in which they were measured. Never empty when asked a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// One more value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The values as they were measured.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that at least the share `q` (0 to 1) of all values does not exceed: a value
    /// that was measured, never one between two.
    ///
    /// # Panics
    ///
    /// There are no values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    /// The middle value; of an even number of values the mean of the middle two.
    ///
    /// # Panics
    ///
    /// There are no values.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        }
    }

    /// The smallest value.
    ///
    /// # Panics
    ///
    /// There are no values.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The largest value.
    ///
    /// # Panics
    ///
    /// There are no values.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The mean of all values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The largest value less the smallest.
    ///
    /// # Panics
    ///
    /// There are no values.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.max() - self.min()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

impl<const N: usize> From<[f64; N]> for Samples {
    fn from(values: [f64; N]) -> Self {
        Self(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_smallest_value_that_covers_its_share() {
        let hundred: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|q| hundred.quantile(q)),
            [1.0, 50.0, 99.0, 100.0]
        );
        // Two of three are less than 0.7 of them.
        assert_eq!(Samples::from([3.0, 1.0, 2.0]).quantile(0.7), 3.0);
        assert_eq!(Samples::from([7.0]).quantile(0.0), 7.0);
    }

    #[test]
    fn the_median_lies_between_the_middle_two_of_an_even_number() {
        assert_eq!(Samples::from([3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples::from([4.0, 1.0, 3.0, 2.0]).median(), 2.5);
    }

    #[test]
    fn the_spread_is_from_the_smallest_to_the_largest() {
        assert_eq!(Samples::from([3.0, -1.0, 2.0]).spread(), 4.0);
    }
}

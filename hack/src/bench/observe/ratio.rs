//! A ratio of two costs, and how sure it is.

use std::fmt::{self, Display, Formatter};

/// Student's t for 95 % on both sides and 19 degrees of freedom: with more pairs it is a little smaller.
const T: f64 = 2.093;

/// The geometric mean of ratios, with its 95 % interval: a ratio and its inverse count alike, so that noise does not make
/// the one side look dearer. The interval is that of these two processes: what is different each time that a program is
/// started is not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    pub(super) mean: f64,
    /// The bounds of the interval are the mean divided and multiplied by this; one: counted and not sampled.
    margin: f64,
}

impl Ratio {
    /// Of two numbers that are the same in every run.
    pub(super) fn exact(on: f64, off: f64) -> Self {
        Self { mean: on / off, margin: 1.0 }
    }

    /// Of pairs that were measured side by side: at least 20.
    pub(super) fn of(ratios: &[f64]) -> Self {
        let count = ratios.len() as f64;
        let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
        let variance = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { mean: mean.exp(), margin: (T * (variance / count).sqrt()).exp() }
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { mean, margin } = self;
        if *margin == 1.0 {
            return write!(f, "{mean:.4}");
        }
        write!(f, "{mean:.4} [{:.4}, {:.4}]", mean / margin, mean * margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_mean() {
        let ratios: Vec<_> = (0..20).map(|at| if at % 2 == 0 { 1.0 / 1.1 } else { 1.1 }).collect();
        let ratio = Ratio::of(&ratios);
        assert!((ratio.mean - 1.0).abs() < 1e-9);
        // A deviation of ln 1.1 over 20 values: 2.093 * ln 1.1 * sqrt(20 / 19) / sqrt(20) = 0.045 76.
        assert!((ratio.margin.ln() - 0.045_76).abs() < 1e-4, "{ratio:?}");
    }
}

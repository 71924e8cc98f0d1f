//! What a request asks the backend to do, read from its query: `status=503:10,429:5&delay=20ms:50&size=1024`.
//!
//! Pure: the dice are a number that the caller rolls. The grammar is fortio's, as far as the tests need it.

use std::time::Duration;

/// The longest delay that a query may ask for.
pub const DELAY_MAX: Duration = Duration::from_secs(60);
/// The largest body that a query may ask for, in bytes.
pub const SIZE_MAX: usize = 128 << 20;

/// The answer that a query asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Script {
    /// Status of the answer; what is left of 100 % is 200.
    pub status: Weighted<u16>,
    /// Time before the answer; what is left of 100 % is none.
    pub delay: Weighted<Duration>,
    /// Bytes of a made-up body; without it the request's body is echoed.
    pub size: Option<usize>,
}

/// Values with the percentage of answers that get them.
#[derive(Debug, PartialEq)]
pub struct Weighted<T>(Vec<(T, f64)>);

impl<T> Default for Weighted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Weighted<T> {
    /// True when there is nothing to roll dice for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a roll in `[0, 100)` stands for.
    #[must_use]
    pub fn pick(&self, roll: f64) -> Option<T> {
        let mut upto = 0.0;
        self.0.iter().find_map(|(value, percent)| {
            upto += percent;
            (roll < upto).then_some(*value)
        })
    }

    /// Reads `VALUE[:PERCENT],…`; a value without a percentage is always chosen.
    fn parse(text: &str, value: impl Fn(&str) -> Option<T>) -> Result<Self, String> {
        let items = text.split(',').map(|item| {
            let (name, percent) = item.split_once(':').unwrap_or((item, "100"));
            let percent: f64 = percent.parse().map_err(|_| format!("`{percent}` is not a percentage"))?;
            let value = value(name).ok_or_else(|| format!("`{name}` is not a value of this parameter"))?;
            Ok((value, percent))
        });
        let items: Vec<_> = items.collect::<Result<_, String>>()?;
        let total: f64 = items.iter().map(|(_, percent)| percent).sum();
        if !(0.0..=100.0).contains(&total) || items.iter().any(|(_, percent)| *percent < 0.0) {
            return Err(format!("percentages in `{text}` must add up to at most 100"));
        }
        Ok(Self(items))
    }
}

impl Script {
    /// Reads a query string. Parameters that are not ours are somebody else's business.
    ///
    /// # Errors
    /// A sentence that names what cannot be read.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "status" => script.status = Weighted::parse(value, status)?,
                "delay" => script.delay = Weighted::parse(value, delay)?,
                "size" => script.size = Some(size(value)?),
                _ => {}
            }
        }
        Ok(script)
    }
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (200..600).contains(status))
}

fn delay(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let delay = match &text[digits.len()..] {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return None,
    };
    (delay <= DELAY_MAX).then_some(delay)
}

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| *size <= SIZE_MAX);
    size.ok_or_else(|| format!("`{text}` is not a size of at most {SIZE_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(query: &str, rolls: &[f64]) -> Vec<Option<u16>> {
        let script = Script::parse(query).unwrap();
        rolls.iter().map(|roll| script.status.pick(*roll)).collect()
    }

    #[test]
    fn a_percentage_of_the_rolls_gets_the_status() {
        assert_eq!(statuses("status=503:10", &[0.0, 9.99, 10.0, 99.9]), [Some(503), Some(503), None, None]);
        assert_eq!(statuses("status=503:10,429:5", &[9.0, 12.0, 15.0]), [Some(503), Some(429), None]);
    }

    #[test]
    fn a_status_without_a_percentage_is_always_given() {
        assert_eq!(statuses("status=500", &[0.0, 99.9]), [Some(500), Some(500)]);
    }

    #[test]
    fn delays_have_units_and_a_limit() {
        let delay = |query| Script::parse(query).map(|script| script.delay.pick(0.0));
        assert_eq!(delay("delay=20ms"), Ok(Some(Duration::from_millis(20))));
        assert!(delay("delay=20").is_err());
        assert!(delay("delay=61s").is_err());
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        assert!(Script::parse("status=abc").unwrap_err().contains("`abc`"));
        assert!(Script::parse("status=503:60,429:60").unwrap_err().contains("100"));
        assert!(Script::parse("size=999999999999").is_err());
    }

    #[test]
    fn foreign_parameters_are_left_alone() {
        assert_eq!(Script::parse("user=1&x"), Ok(Script::default()));
    }
}

//! Dates as HTTP writes them.

const DATE_BYTES: usize = 29;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; DATE_BYTES]);

impl HttpDate {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    /// 9999-12-31 23:59:59, the last second that four digits can name.
    const SECONDS_MAX: u64 = 253_402_300_799;
    const SECONDS_OF_DAY: u64 = 86_400;

    /// A number of seconds since 1970; what lies beyond the year 9999 becomes its end.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = seconds.min(Self::SECONDS_MAX);
        let (days, second) = (seconds / Self::SECONDS_OF_DAY, seconds % Self::SECONDS_OF_DAY);
        let (year, month, day) = civil(days);
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        text[0..3].copy_from_slice(Self::DAYS[(days % 7) as usize]);
        text[5..7].copy_from_slice(&two_digits(day));
        text[8..11].copy_from_slice(Self::MONTHS[(month - 1) as usize]);
        text[12..14].copy_from_slice(&two_digits(year / 100));
        text[14..16].copy_from_slice(&two_digits(year % 100));
        text[17..19].copy_from_slice(&two_digits(second / 3600));
        text[20..22].copy_from_slice(&two_digits(second / 60 % 60));
        text[23..25].copy_from_slice(&two_digits(second % 60));
        Self(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Counts from 1 March of the year 0, so that the day which some years have is the last of the year; an era is the 400
/// years after which the Gregorian calendar repeats.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_ERA: u64 = 146_097;
    const DAYS_FROM_MARCH_0_TO_1970: u64 = 719_468;
    let days = days + DAYS_FROM_MARCH_0_TO_1970;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, expected: &str) {
        assert_eq!(HttpDate::from_unix_seconds(seconds).as_bytes(), expected.as_bytes());
    }

    #[test]
    fn seconds_become_dates() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT");
        check(1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT");
        check(1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT");
        check(1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn dates_beyond_four_digits_stay_at_the_last() {
        check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}

//! Time, which tests can set: what a backup is called, and when the next is due.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Two clocks: the wall's, which may jump, and one that only goes forward.
#[derive(Clone)]
pub struct Clock {
    /// The wall's.
    pub wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Time since some moment.
    pub steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Default for Clock {
    fn default() -> Self {
        let start = Instant::now();
        Clock { wall: Arc::new(SystemTime::now), steady: Arc::new(move || start.elapsed()) }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

const DAY_SECS: i64 = 24 * 3600;

/// Seconds since 1970 began in Greenwich, negative before.
pub fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |secs| -secs),
    }
}

/// `20260731T080910Z`: sorts by time, and every file system takes it.
pub fn utc_text(unix_seconds: i64) -> String {
    let (day, second) = (unix_seconds.div_euclid(DAY_SECS), unix_seconds.rem_euclid(DAY_SECS));
    let (year, month, day) = date(day);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The seconds of such a text; `None` when it is none.
pub fn seconds_from_utc_text(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if !(date.len() >= 8 && time.len() == 6 && date.bytes().chain(time.bytes()).all(|b| b.is_ascii_digit())) {
        return None;
    }
    let (year, month, day) =
        (date[..date.len() - 4].parse().ok()?, &date[date.len() - 4..date.len() - 2], &date[date.len() - 2..]);
    let number = |digits: &str| digits.parse::<i64>().ok();
    let days = days(year, number(month)?, number(day)?)?;
    Some(days * DAY_SECS + number(&time[..2])? * 3600 + number(&time[2..4])? * 60 + number(&time[4..])?)
}

/// Days of the years before `year`, counted from a year 0 of the calendar we use today.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400)
}

fn month_lengths(year: i64) -> [i64; 12] {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

const EPOCH_YEAR: i64 = 1970;

/// Days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..1_000_000).contains(&year) {
        return None;
    }
    let lengths = month_lengths(year);
    let before = lengths.get(..usize::try_from(month - 1).ok()?)?;
    let is_day = (1..=*lengths.get(before.len())?).contains(&day);
    is_day.then(|| days_before_year(year) - days_before_year(EPOCH_YEAR) + before.iter().sum::<i64>() + day - 1)
}

/// Year, month and day, so many days after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let day_count = days + days_before_year(EPOCH_YEAR);
    // A year has 365.2425 days on average, so this is the year or one beside it.
    let mut year = (day_count * 400).div_euclid(146_097) + 1;
    while days_before_year(year) > day_count {
        year -= 1;
    }
    while days_before_year(year + 1) <= day_count {
        year += 1;
    }
    let (mut day, mut month) = (day_count - days_before_year(year), 1);
    for length in month_lengths(year) {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_utc_and_read_back() {
        let cases = [
            (0, "19700101T000000Z"),
            (-1, "19691231T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_785_485_350, "20260731T080910Z"),
            (2_147_483_648, "20380119T031408Z"),
            (4_107_542_400, "21000301T000000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(utc_text(seconds), text);
            assert_eq!(seconds_from_utc_text(text), Some(seconds), "{text}");
        }
        for day in (-800_000..800_000).step_by(97) {
            let seconds = day * DAY_SECS + day.rem_euclid(DAY_SECS);
            let text = utc_text(seconds);
            if !text.starts_with('-') {
                assert_eq!(seconds_from_utc_text(&text), Some(seconds), "{text}");
            }
        }
        for text in ["", "20260731", "20261301T000000Z", "20260230T000000Z", "2026073aT000000Z", "20260731T0000Z"] {
            assert_eq!(seconds_from_utc_text(text), None, "{text}");
        }
    }
}

//! `--log FILE`: what was done and when, one line per action, for whoever studies how people label.
//!
//! Off unless asked for. A log that cannot be written is said once and ends; labelling goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bevy::prelude::Resource;

use crate::label::{FrameIdx, ObjectId};

use super::action::Action;

/// The log.
#[derive(Resource, Debug, Default)]
pub struct ActionLog {
    file: Option<(PathBuf, File)>,
    /// Why it ended, until somebody has told the labeller.
    pub failure: Option<String>,
}

impl ActionLog {
    /// Goes on at the end of `path`.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn to_file(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(ActionLog { file: Some((path.to_owned(), file)), failure: None })
    }

    /// Writes a line: time, action, frame, object, what else there is to it.
    pub(super) fn note(&mut self, action: &Action, frame: FrameIdx, selected: Option<ObjectId>) {
        let Some((path, file)) = &mut self.file else { return };
        let line = serde_json::json!({
            "time": rfc3339(SystemTime::now()),
            "action": action.id(),
            "label": action.label(),
            "frame": frame,
            "object": selected,
            "detail": detail(action),
        });
        if let Err(error) = writeln!(file, "{line}") {
            let shown = path.display();
            self.failure = Some(format!("{shown}: the log cannot be written ({error}); it ends here"));
            self.file = None;
        }
    }
}

/// Coordinates and names, where an action has any. Masks are told by their size.
fn detail(action: &Action) -> Option<String> {
    match action {
        Action::AddPoint(point) => Some(format!("{},{} {:?}", point.x, point.y, point.label)),
        Action::MovePoint { index, x, y } => Some(format!("point {index} to {x},{y}")),
        Action::DeletePoint { index } => Some(format!("point {index}")),
        Action::SetBox(b) => Some(format!("{},{} {},{}", b.x0, b.y0, b.x1, b.y1)),
        Action::Paint(mask) => Some(format!("{} pixels", mask.area())),
        Action::Rename(id, name) => Some(format!("object {id}: {name}")),
        Action::SetClass(id, class) => Some(format!("object {id}: {}", class.as_deref().unwrap_or("none"))),
        _ => None,
    }
}

/// UTC to the millisecond, for example `2026-11-24T09:02:00.123Z`.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let (days, ms) = (since.div_euclid(86_400_000), since.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1000)
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_read_as_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_510_920_123, "2026-11-24T09:02:00.123Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn actions_are_written_in_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log.jsonl");
        let mut log = ActionLog::to_file(&path).expect("a new file");
        log.note(&Action::NewObject, FrameIdx(3), None);
        log.note(&Action::Rename(ObjectId(2), "ball".to_owned()), FrameIdx(4), Some(ObjectId(2)));
        let text = std::fs::read_to_string(&path).expect("the log");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["action"], &lines[0]["frame"]), (&"new_object".into(), &3.into()));
        assert_eq!((&lines[1]["object"], &lines[1]["detail"]), (&2.into(), &"object 2: ball".into()));
    }
}

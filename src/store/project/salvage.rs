//! Reads a table of a damaged database row by row, around the places that cannot be read.
//!
//! Used by `recover`. SQLite stops at the first bad page of a table; here reading goes on behind it: the rows have
//! ascending keys, so the next readable one is found by trying keys further and further on and then halving the gap.

use rusqlite::{Connection, Row};

use super::snapshot::LoadError;

/// How a table's rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// By one column, `id`.
    Id,
    /// By `object` and `frame`.
    ObjectFrame,
}

impl Key {
    /// The highest key there can be; keys go from 0.
    fn last(self) -> u64 {
        match self {
            Key::Id => i64::MAX as u64,
            Key::ObjectFrame => u64::MAX,
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Key::Id => "id >= ?1 ORDER BY id",
            Key::ObjectFrame => "(object, frame) >= (?1, ?2) ORDER BY object, frame",
        }
    }

    fn parameters(self, key: u64) -> Vec<i64> {
        match self {
            Key::Id => vec![key as i64],
            Key::ObjectFrame => vec![(key >> 32) as i64, (key & u64::from(u32::MAX)) as i64],
        }
    }

    /// The key of a row that begins with the key's columns.
    fn of(self, row: &Row<'_>) -> rusqlite::Result<u64> {
        match self {
            Key::Id => Ok(row.get::<_, i64>(0)? as u64),
            Key::ObjectFrame => Ok(u64::from(row.get::<_, u32>(0)?) << 32 | u64::from(row.get::<_, u32>(1)?)),
        }
    }
}

/// How a table was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Stretches of unknown length that could not be read.
    pub gaps: usize,
    /// Rows that could be read and make no sense.
    pub bad_rows: usize,
}

impl Losses {
    pub fn is_none(self) -> bool {
        self == Losses::default()
    }
}

/// Reads the columns of a table that begin with its key, giving each row that can be read to `take`.
pub fn rows(
    connection: &Connection,
    columns_and_table: &str,
    key: Key,
    mut take: impl FnMut(&Row<'_>) -> Result<(), LoadError>,
) -> Losses {
    let sql = format!("SELECT {columns_and_table} WHERE {}", key.condition());
    let mut losses = Losses::default();
    let mut from = Some(0);
    while let Some(start) = from {
        let Reached { last, is_end } = read_on(connection, &sql, key, start, &mut losses, &mut take);
        if is_end {
            break;
        }
        losses.gaps += 1;
        // Always further on, so that this ends.
        let behind = last.unwrap_or(start).checked_add(1).filter(|behind| *behind <= key.last());
        from = behind.and_then(|behind| next_readable(connection, &sql, key, behind));
    }
    losses
}

struct Reached {
    /// The last key that could be read.
    last: Option<u64>,
    /// There is nothing behind it.
    is_end: bool,
}

fn read_on(
    connection: &Connection,
    sql: &str,
    key: Key,
    start: u64,
    losses: &mut Losses,
    take: &mut impl FnMut(&Row<'_>) -> Result<(), LoadError>,
) -> Reached {
    let mut last = None;
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(key.parameters(start)))?;
        while let Some(row) = rows.next()? {
            let Ok(at) = key.of(row) else {
                losses.bad_rows += 1;
                continue;
            };
            // A key out of order comes from a page that is not what it should be.
            if at < start || last.is_some_and(|last| at <= last) {
                return Err(rusqlite::Error::InvalidQuery);
            }
            last = Some(at);
            losses.bad_rows += usize::from(take(row).is_err());
        }
        Ok(())
    };
    let is_end = read().is_ok();
    Reached { last, is_end }
}

/// The first readable key from `start` on, about: where single keys in between can be read, it may be a later one.
fn next_readable(connection: &Connection, sql: &str, key: Key, start: u64) -> Option<u64> {
    let sql = format!("{sql} LIMIT 1");
    // The row found when looking from a key on; `None` when that fails, `Some(None)` when nothing is left.
    let look = |from: u64| -> Option<Option<u64>> {
        let mut statement = connection.prepare_cached(&sql).ok()?;
        let mut rows = statement.query(rusqlite::params_from_iter(key.parameters(from))).ok()?;
        match rows.next().ok()? {
            None => Some(None),
            Some(row) => key.of(row).ok().filter(|at| *at >= from).map(Some),
        }
    };
    // Steps of one less than a power of two, the last of which leads to the end from any start.
    let (mut bad, mut step, mut good) = (start, 0_u64, None);
    loop {
        let from = start.saturating_add(step).min(key.last());
        if let Some(found) = look(from) {
            good = Some((from, found));
            break;
        }
        bad = from;
        if from == key.last() || step == u64::MAX {
            break;
        }
        step = step << 1 | 1;
    }
    let (mut from, mut found) = good?;
    while from - bad > 1 {
        let middle = bad + (from - bad) / 2;
        match look(middle) {
            Some(nearer) => (from, found) = (middle, nearer),
            None => bad = middle,
        }
    }
    found
}

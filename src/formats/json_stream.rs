//! JSON files of any length, read one list element at a time.
//!
//! Datasets hold their annotations in one long list; only one element of it is in memory. Python writes `NaN` and
//! `Infinity`, which are no JSON: they become `null`, so that they spoil their own item and not the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::budget::{Budget, Budgeted};
use super::{FormatError, FormatId};

const CHUNK_BYTES: usize = 1 << 14;

/// What to do after an element.
pub(super) type ItemResult = Result<(), FormatError>;

/// Reads the lists under `keys` of the object in a file, element by element: `item(key, element)`. Everything else of
/// the file is skipped. A key that is absent is no error.
///
/// # Errors
/// When the file cannot be read, is not such JSON, one element is too long, or `item` fails.
pub(super) fn for_each_item(
    path: &Path,
    format: FormatId,
    keys: &[&str],
    item: &mut dyn FnMut(&str, Value) -> ItemResult,
) -> Result<(), FormatError> {
    let mut stopped = None;
    let visitor = Items { keys, item, stopped: &mut stopped, budget: Budget::of(format), depth: Depth::Object };
    let read = run(path, format, visitor);
    stopped.map_or(read, Err)
}

/// Reads the elements of the list that is the whole file.
///
/// # Errors
/// As [`for_each_item`].
pub(super) fn for_each_element(
    path: &Path,
    format: FormatId,
    item: &mut dyn FnMut(Value) -> ItemResult,
) -> Result<(), FormatError> {
    let mut stopped = None;
    let item = &mut |_: &str, value| item(value);
    let visitor =
        Items { keys: &[""], item, stopped: &mut stopped, budget: Budget::of(format), depth: Depth::List("") };
    let read = run(path, format, visitor);
    stopped.map_or(read, Err)
}

/// A small JSON file as a whole.
///
/// # Errors
/// When it cannot be read, is not JSON, or is too long.
pub(super) fn read_value(path: &Path, format: FormatId) -> Result<Value, FormatError> {
    let reader = open(path, &Budget::of(format))?;
    serde_json::from_reader(reader).map_err(|e| unsound(path, format, &e))
}

/// The value of one key of the object in a file, `null` when it is absent. The rest is skipped.
///
/// # Errors
/// As [`for_each_item`].
pub(super) fn read_object(path: &Path, format: FormatId, key: &str) -> Result<Value, FormatError> {
    struct One<'a>(&'a str, &'a Budget);
    impl<'de> Visitor<'de> for One<'_> {
        type Value = Value;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
            let mut found = Value::Null;
            while let Some(key) = map.next_key::<String>()? {
                if key == self.0 {
                    self.1.renew();
                    found = map.next_value()?;
                } else {
                    self.1.lift();
                    map.next_value::<IgnoredAny>()?;
                }
                self.1.renew();
            }
            Ok(found)
        }
    }
    let budget = Budget::of(format);
    let mut deserializer = serde_json::Deserializer::from_reader(open(path, &budget)?);
    serde::Deserializer::deserialize_map(&mut deserializer, One(key, &budget)).map_err(|e| unsound(path, format, &e))
}

/// Calls `is_enough` with the keys of the object in a file, one more each time, until it says so; `false` when it never
/// does, or the file is not a JSON object. Values are skipped, and what follows the last key is not read.
pub(super) fn has_keys(path: &Path, is_enough: &mut dyn FnMut(&[String]) -> bool) -> bool {
    struct Keys<'a>(&'a mut dyn FnMut(&[String]) -> bool, &'a mut bool);
    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = map.next_key::<String>()? {
                keys.push(key);
                *self.1 = (self.0)(&keys);
                // No dataset has that many keys; a longer list is data.
                if *self.1 || keys.len() > 100 {
                    return Err(serde::de::Error::custom("seen enough"));
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    let mut found = false;
    if let Ok(reader) = open(path, &Budget::unlimited()) {
        let mut deserializer = serde_json::Deserializer::from_reader(reader);
        // An error is how the walk ends early.
        serde::Deserializer::deserialize_map(&mut deserializer, Keys(is_enough, &mut found)).ok();
    }
    found
}

fn open(path: &Path, budget: &Budget) -> Result<impl Read + use<>, FormatError> {
    let file = File::open(path).map_err(FormatError::reading(path))?;
    let is_file = file.metadata().map_err(FormatError::reading(path))?.is_file();
    if !is_file {
        return Err(FormatError::reading(path)(io::Error::new(io::ErrorKind::InvalidInput, "not a file")));
    }
    let reader =
        NanToNull { inner: file, state: State::Plain, ready: VecDeque::new(), budget: budget.clone(), values: 0 };
    // The parser asks for single bytes, so the buffer comes last.
    Ok(BufReader::with_capacity(CHUNK_BYTES, Budgeted::new(reader, budget.clone())))
}

fn run(path: &Path, format: FormatId, visitor: Items<'_>) -> Result<(), FormatError> {
    let reader = open(path, &visitor.budget)?;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    visitor.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|e| unsound(path, format, &e))
}

fn unsound(path: &Path, format: FormatId, error: &serde_json::Error) -> FormatError {
    FormatError::Dataset { path: path.to_owned(), format, cause: format!("{error}; save or download the file again") }
}

/// Where in the file the visitor is.
#[derive(Clone, Copy)]
enum Depth<'a> {
    Object,
    List(&'a str),
}

struct Items<'a> {
    keys: &'a [&'a str],
    item: &'a mut dyn FnMut(&str, Value) -> ItemResult,
    stopped: &'a mut Option<FormatError>,
    budget: Budget,
    depth: Depth<'a>,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.depth {
            Depth::Object => deserializer.deserialize_map(self),
            Depth::List(_) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.depth {
            Depth::Object => f.write_str("an object"),
            Depth::List(key) => write!(f, "a list {key}"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.budget.renew();
            match self.keys.iter().find(|wanted| **wanted == key) {
                Some(key) => {
                    let (item, stopped) = (&mut *self.item, &mut *self.stopped);
                    let budget = self.budget.clone();
                    let list = Items { keys: self.keys, item, stopped, budget, depth: Depth::List(key) };
                    map.next_value_seed(list)?;
                }
                None => {
                    // Skipped without being held, so it may be of any length.
                    self.budget.lift();
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.budget.renew();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Depth::List(key) = self.depth else {
            return Err(serde::de::Error::custom("a list where an object was expected"));
        };
        loop {
            self.budget.renew();
            let Some(value) = list.next_element::<Value>()? else { return Ok(()) };
            if let Err(error) = (self.item)(key, value) {
                *self.stopped = Some(error);
                // Ends the parsing; the caller answers with the error of `item`.
                return Err(serde::de::Error::custom("stopped"));
            }
        }
    }
}

/// Puts `null` where Python wrote `NaN`, `Infinity` or `-Infinity`, outside of strings; and counts values, which is
/// possible for whoever tells strings from the rest.
struct NanToNull<R> {
    inner: R,
    state: State,
    /// Bytes made but not yet handed out.
    ready: VecDeque<u8>,
    budget: Budget,
    /// Values begun in the bytes that are ready: each but a list's first has a comma before it, or a colon.
    values: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// A minus sign was read and not yet handed out.
    Minus,
    /// Inside `NaN` or `Infinity`, whose letters are dropped.
    Word,
    Text,
    Escape,
}

impl<R> NanToNull<R> {
    fn take(&mut self, byte: u8) {
        use State::{Escape, Minus, Plain, Text, Word};
        self.state = match (self.state, byte) {
            (Plain | Minus, b'N' | b'I') => {
                self.ready.extend(b"null");
                Word
            }
            (Word, byte) if byte.is_ascii_alphabetic() => Word,
            (Minus, byte) => {
                self.ready.extend([b'-', byte]);
                if byte == b'"' { Text } else { Plain }
            }
            (Plain | Word, b'-') => Minus,
            (state, byte) => {
                self.ready.push_back(byte);
                self.values += u64::from(matches!((state, byte), (Plain | Word, b',' | b':')));
                match (state, byte) {
                    (Plain | Word, b'"') | (Escape, _) => Text,
                    (Text, b'\\') => Escape,
                    (Text, b'"') | (Plain | Word | Minus, _) => Plain,
                    (Text, _) => Text,
                }
            }
        };
    }
}

impl<R: Read> Read for NanToNull<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut raw = [0; CHUNK_BYTES];
        while self.ready.is_empty() {
            let read = self.inner.read(&mut raw)?;
            if read == 0 {
                return Ok(0);
            }
            for &byte in &raw[..read] {
                self.take(byte);
            }
            self.budget.count_values(std::mem::take(&mut self.values))?;
        }
        self.ready.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Result<Vec<(String, Value)>, FormatError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.json");
        std::fs::write(&path, text).expect("writable");
        let mut found = Vec::new();
        for_each_item(&path, FormatId::Coco, &["a", "b"], &mut |key, value| {
            found.push((key.to_owned(), value));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn wanted_lists_are_read_in_file_order() {
        let found = items(r#"{"x": [[1]], "b": [1, {"k": "v"}], "y": null, "a": ["s"]}"#).expect("sound");
        let expected =
            [("b", serde_json::json!(1)), ("b", serde_json::json!({"k": "v"})), ("a", serde_json::json!("s"))];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn what_python_writes_for_no_number_becomes_null() {
        let text = r#"{"a": [NaN, Infinity, -Infinity, -1, [NaN,NaN], "NaN -Infinity \" NaN", {"N": -2e5}]}"#;
        let values: Vec<Value> = items(text).expect("sound").into_iter().map(|(_, value)| value).collect();
        let expected = serde_json::json!([null, null, -1, -1, [null, null], "NaN -Infinity \" NaN", {"N": -2e5}]);
        assert_eq!(values[0], expected[0]);
        assert!(values[2].is_null());
        assert_eq!(values[3..], expected.as_array().expect("a list")[3..]);
    }

    #[test]
    fn broken_files_say_where() {
        for text in ["", "[]", "{", r#"{"a": 5}"#, r#"{"a": [1, 2"#, r#"{"a": [}]}"#, "{} {}", &"[".repeat(100_000)] {
            let message = items(text).expect_err(text).to_string();
            assert!(message.contains("line") || message.contains("EOF"), "{message}");
        }
    }

    #[test]
    fn failing_items_end_the_reading_with_their_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.json");
        std::fs::write(&path, r#"[1, 2, "#).expect("writable");
        let mut count = 0;
        let read = for_each_element(&path, FormatId::Coco, &mut |_| {
            count += 1;
            Err(FormatError::Cancelled)
        });
        assert!(matches!(read, Err(FormatError::Cancelled)));
        assert_eq!(count, 1);
    }

    #[test]
    fn one_huge_item_is_refused() {
        let text = format!(r#"{{"a": [1, "{}"]}}"#, "x".repeat(65 << 20));
        assert!(items(&text).expect_err("too long").to_string().contains("64 MiB"));
        let skipped = format!(r#"{{"x": "{}", "a": [1]}}"#, "x".repeat(65 << 20));
        assert_eq!(items(&skipped).expect("the long part is skipped").len(), 1);
        let values = "0,".repeat((1 << 22) + CHUNK_BYTES);
        let many = format!(r#"{{"a": [1, [{values}0]]}}"#);
        assert!(items(&many).expect_err("too many").to_string().contains("4194304 values"));
        let skipped = format!(r#"{{"x": [{values}0], "a": [1]}}"#);
        assert_eq!(items(&skipped).expect("the long part is skipped").len(), 1);
    }
}

//! XML files of any length, read tag by tag, and text made safe for XML.
//!
//! External entities are not known to the parser, and it holds one tag at a time.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::budget::{Budget, Budgeted};
use super::{FormatError, FormatId};

/// What a walk through a file meets.
pub(super) enum Tag<'a> {
    /// A tag begins. An empty tag (`<a/>`) begins and ends.
    Begin(&'a Attributes<'a>),
    /// The tag of this name ends; `text` is all text directly in it.
    End { name: &'a str, text: &'a str },
}

/// A tag with its attributes.
pub(super) struct Attributes<'a> {
    /// The tag's name.
    pub name: &'a str,
    tag: &'a BytesStart<'a>,
}

impl Attributes<'_> {
    /// The value of an attribute; `None` when it is absent or cannot be read.
    pub fn get(&self, key: &str) -> Option<String> {
        let attribute = self.tag.try_get_attribute(key).ok().flatten()?;
        attribute.normalized_value(XmlVersion::default()).ok().map(|value| value.into_owned())
    }

    /// An attribute that is a whole number.
    pub fn number(&self, key: &str) -> Option<u32> {
        self.get(key)?.trim().parse().ok()
    }
}

/// Walks through a file.
///
/// # Errors
/// When it cannot be read or is not XML, one tag is too long, or `visit` fails.
pub(super) fn walk(
    path: &Path,
    format: FormatId,
    visit: &mut dyn FnMut(Tag<'_>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let file = File::open(path).map_err(FormatError::reading(path))?;
    let budget = Budget::of(format);
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(Budgeted::new(file, budget.clone())));
    let unsound = |cause: String| FormatError::Dataset {
        path: path.to_owned(),
        format,
        cause: format!("{cause}; save or download the file again"),
    };
    let mut buffer = Vec::new();
    // Text of each open tag.
    let mut texts: Vec<String> = vec![String::new()];
    loop {
        budget.renew();
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|e| unsound(format!("{e} at byte {}", reader.error_position())))?;
        match event {
            Event::Start(tag) => {
                begin(&tag, visit)?;
                if texts.len() > 1000 {
                    return Err(unsound("its tags are nested more than 1000 deep".to_owned()));
                }
                texts.push(String::new());
            }
            Event::Empty(tag) => {
                begin(&tag, visit)?;
                visit(Tag::End { name: &String::from_utf8_lossy(tag.name().as_ref()), text: "" })?;
            }
            Event::End(tag) => {
                let text =
                    texts.pop().filter(|_| !texts.is_empty()).ok_or_else(|| unsound("a stray end".to_owned()))?;
                visit(Tag::End { name: &String::from_utf8_lossy(tag.name().as_ref()), text: text.trim() })?;
            }
            Event::Text(more) => push_text(&mut texts, &more.decode().map_err(|e| unsound(e.to_string()))?),
            Event::CData(more) => push_text(&mut texts, &more.decode().map_err(|e| unsound(e.to_string()))?),
            Event::GeneralRef(entity) => {
                let name = entity.decode().map_err(|e| unsound(e.to_string()))?;
                let character = entity.resolve_char_ref().map_err(|e| unsound(e.to_string()))?.map(String::from);
                let predefined = || quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned);
                let text = character.or_else(predefined).ok_or_else(|| unsound(format!("&{name}; is not known")))?;
                push_text(&mut texts, &text);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof if texts.len() > 1 => return Err(unsound("it ends early".to_owned())),
            Event::Eof => return Ok(()),
        }
    }
}

fn begin(tag: &BytesStart<'_>, visit: &mut dyn FnMut(Tag<'_>) -> Result<(), FormatError>) -> Result<(), FormatError> {
    let name = tag.name();
    let name = String::from_utf8_lossy(name.as_ref());
    visit(Tag::Begin(&Attributes { name: &name, tag }))
}

fn push_text(texts: &mut [String], more: &str) {
    /// Longer texts hold nothing we read.
    const MAX_TEXT_BYTES: usize = 1 << 20;
    let text = texts.last_mut().expect("the outermost one stays");
    if text.len() + more.len() <= MAX_TEXT_BYTES {
        text.push_str(more);
    }
}

/// The text as it may stand in XML text and attributes. Control characters, which XML cannot hold, become `�`.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\n' => safe.push_str("&#10;"),
            '\r' => safe.push_str("&#13;"),
            '\t' => safe.push_str("&#9;"),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => safe.push('\u{FFFD}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(xml: &str) -> Result<Vec<String>, FormatError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.xml");
        std::fs::write(&path, xml).expect("writable");
        let mut seen = Vec::new();
        walk(&path, FormatId::CvatImages, &mut |tag| {
            seen.push(match tag {
                Tag::Begin(tag) => format!("<{} {:?}", tag.name, tag.get("a")),
                Tag::End { name, text } => format!("{name}> {text}"),
            });
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn tags_attributes_and_texts_are_met_in_order() {
        let seen =
            walked("<?xml version='1.0'?><x a='1'><!-- c --> t &lt;&#65;<y a=\"&quot;&#10;ж\"/><![CDATA[ & ]]></x>");
        let expected = ["<x Some(\"1\")", "<y Some(\"\\\"\\nж\")", "y> ", "x> t <A &"];
        assert_eq!(seen.expect("sound"), expected);
    }

    #[test]
    fn escaped_text_comes_back() {
        for text in ["a", "<&\"'>", "two\nlines\t", "кот 🐈", "]]>", "&amp;"] {
            let seen = walked(&format!("<x a=\"{0}\">{0}</x>", escaped(text))).expect("sound");
            assert_eq!(seen, [format!("<x {:?}", Some(text)), format!("x> {}", text.trim())]);
        }
        assert_eq!(escaped("\u{1}"), "\u{FFFD}");
    }

    #[test]
    fn broken_files_are_refused() {
        for xml in ["<x>", "<x", "</x>", "<x></y>", &"<a>".repeat(100_000)] {
            assert!(walked(xml).is_err(), "{}", &xml[..xml.len().min(20)]);
        }
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x a=\"&b;\">&b;</x>";
        assert!(walked(bomb).is_err(), "entities of its own are not followed");
        let huge = format!("<x a=\"{}\"/>", "y".repeat(65 << 20));
        assert!(walked(&huge).is_err());
    }
}

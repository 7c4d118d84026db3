//! Which models there are: `models/registry.toml`, compiled in. Pure data; nothing here looks at the disk or the network.

use std::sync::OnceLock;

use serde::Deserialize;

use super::starter;

/// Bytes in a megabyte, as model pages count.
const MEGABYTE: u64 = 1_000_000;

/// A model the program knows by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What `--model` and `models get` call it, and the stem of its file.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// What it is good for, in a line.
    pub good_for: String,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It ships in the program.
    Program,
    /// It is downloaded when somebody asks for it.
    Published {
        /// The publisher's address.
        address: String,
        /// Its size, roughly.
        about_bytes: u64,
        /// Its SHA-256 in lower-case hex, where the publisher gives one.
        sha256: Option<String>,
    },
}

impl Entry {
    /// A note that has to be shown with it.
    pub fn note(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Program => Some(starter::STARTER_NOTE),
            Origin::Published { .. } => None,
        }
    }
}

/// All models by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    #[serde(default)]
    embedded: bool,
    address: Option<String>,
    megabytes: Option<u64>,
    sha256: Option<String>,
    licence: String,
    good_for: String,
}

impl Registry {
    /// The program's own.
    pub fn builtin() -> &'static Registry {
        static BUILTIN: OnceLock<Registry> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            let text = include_str!("../../models/registry.toml");
            Registry::parse(text).expect("the registry is part of the program, and a test reads it")
        })
    }

    /// Reads a registry.
    ///
    /// # Errors
    /// Says which model is described wrongly, and how.
    pub fn parse(text: &str) -> Result<Registry, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut entries: Vec<Entry> = Vec::new();
        for line in file.model {
            let entry = line.into_entry()?;
            if entries.iter().any(|known| known.id == entry.id) {
                return Err(format!("{}: it is there twice", entry.id));
            }
            entries.push(entry);
        }
        Ok(Registry { entries })
    }

    /// All of them, in the order they are shown.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The model of that name.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// All names, for a message.
    pub fn names(&self) -> String {
        self.entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Line {
    fn into_entry(self) -> Result<Entry, String> {
        let Line { id, embedded, address, megabytes, sha256, licence, good_for } = self;
        // The name becomes a file's name.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if id.is_empty() || id.starts_with('.') || !id.chars().all(is_plain) {
            return Err(format!("{id:?}: not a plain name"));
        }
        let origin = match (embedded, address, megabytes) {
            (true, None, None) if starter::embedded(&id).is_some() => Origin::Program,
            (false, Some(address), Some(megabytes)) if megabytes > 0 => {
                if sha256.as_ref().is_some_and(|hash| !is_hash(hash)) {
                    return Err(format!("{id}: sha256 must be 64 digits, lower-case hex"));
                }
                Origin::Published { address, about_bytes: megabytes.saturating_mul(MEGABYTE), sha256 }
            }
            _ => return Err(format!("{id}: it needs either an address and its megabytes, or to be embedded")),
        };
        Ok(Entry { id, origin, licence, good_for })
    }
}

/// Whether a text is a SHA-256 as we write it.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sam2::ModelConfig;

    #[test]
    fn the_builtin_registry_has_the_starter_and_every_published_model() {
        let registry = Registry::builtin();
        let mut published = Vec::new();
        for entry in registry.entries() {
            match &entry.origin {
                Origin::Program => assert!(entry.note().is_some_and(|note| note.contains("does not replace"))),
                Origin::Published { address, about_bytes, .. } => {
                    assert!(address.starts_with("https://dl.fbaipublicfiles.com/segment_anything_2/"), "{address}");
                    assert!(address.ends_with(&format!("/{}.pt", entry.id)), "{address}");
                    assert!((100 * MEGABYTE..1000 * MEGABYTE).contains(about_bytes));
                    assert_eq!(entry.licence, "Apache-2.0");
                    published.push(entry.id.clone());
                }
            }
        }
        assert_eq!(published, ModelConfig::published().into_iter().map(|c| c.name).collect::<Vec<_>>());
        assert_eq!(registry.get("starter").map(|entry| &entry.origin), Some(&Origin::Program));
    }

    #[test]
    fn wrong_registries_are_refused() {
        let model = |lines: &str| format!("[[model]]\nlicence = \"MIT\"\ngood_for = \"x\"\n{lines}");
        let sound = "id = \"a\"\naddress = \"http://h/a.pt\"\nmegabytes = 1\n";
        assert!(Registry::parse(&model(sound)).is_ok());
        let cases = [
            (model(sound) + &model(sound), "twice"),
            (model("id = \"../a\"\naddress = \"http://h\"\nmegabytes = 1"), "plain name"),
            (model("id = \"a\""), "needs either"),
            (model("id = \"a\"\nembedded = true"), "needs either"),
            (model(&format!("{sound}sha256 = \"AB\"")), "64 digits"),
            (model(&format!("{sound}colour = 1")), "colour"),
        ];
        for (text, part) in cases {
            let error = Registry::parse(&text).expect_err(part);
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

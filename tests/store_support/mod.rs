//! What the store's tests share: a clip that needs no video, and a model in memory of what a project must hold.

#![allow(dead_code)] // each test file uses a part

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use label_hub::label::{
    BoxPrompt, Change, ClipRecord, Edit, FrameIdx, FrameMark, FramePrompt, FrameSize, Mask, MaskId, ObjectFacts,
    ObjectId, Point, PointLabel, Prompt, Provenance,
};
use label_hub::store::{
    Durability, HistoryChange, LabelStore, OnOtherClip, OpenNotice, OpenOptions, ProjectStore, Snapshot, StoreError,
    StoredStep,
};

pub const SIZE: FrameSize = FrameSize { width: 48, height: 32 };
pub const FRAMES: u32 = 20;

pub fn clip() -> ClipRecord {
    ClipRecord {
        path: PathBuf::from("/footage/clip.mp4"),
        identity: "ab".repeat(32),
        size: SIZE,
        frame_count: FRAMES,
        time_base: (1, 12_800),
        pts: (0..i64::from(FRAMES)).map(|n| n * 512 - 1024).collect(),
        average_rate: Some(25.0),
    }
}

pub fn options() -> OpenOptions {
    OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(|| {}) }
}

pub fn open(path: &Path) -> Result<(ProjectStore, Snapshot, Vec<OpenNotice>), StoreError> {
    ProjectStore::open(path, &clip(), options())
}

/// A mask that differs for every seed.
pub fn mask(seed: u32) -> Mask {
    Mask::from_fn(SIZE, |i| {
        let (x, y) = (i as u32 % SIZE.width, i as u32 / SIZE.width);
        let (dx, dy) = (x.abs_diff(4 + seed % 40), y.abs_diff(3 + seed / 40 % 26));
        dx * dx + dy * dy < 20 + seed % 7
    })
}

pub fn facts(seed: u32) -> ObjectFacts {
    ObjectFacts {
        name: format!("object {seed} \u{1F98A}\n"),
        class: (!seed.is_multiple_of(3)).then(|| format!("class {}", seed % 5)),
        colour: [seed as u8, (seed >> 8) as u8, 255 - seed as u8],
        is_hidden: seed.is_multiple_of(2),
        is_locked: seed.is_multiple_of(5),
        revision: u64::from(seed % 50),
    }
}

pub fn prompt(seed: u32) -> FramePrompt {
    let point = |n: u32| Point {
        x: (seed + n) as f32 * 0.37,
        y: n as f32 - 0.5,
        label: if n.is_multiple_of(2) { PointLabel::Positive } else { PointLabel::Negative },
    };
    let bounds = BoxPrompt { x0: 1.5, y0: -2.0, x1: 30.25 + seed as f32, y1: 1.0e-3 };
    let prompt = match seed % 3 {
        0 => Prompt::Clicks { points: (0..seed % 4).map(point).collect(), bounds: Some(bounds) },
        1 => Prompt::Clicks { points: (0..=seed % 9).map(point).collect(), bounds: None },
        _ => Prompt::Mask(mask(seed)),
    };
    let base = (seed % 5 == 2).then(|| Arc::new(mask(seed)));
    FramePrompt { prompt: Arc::new(prompt), candidate: (seed % 4 == 1).then_some(seed as u8 % 3), base }
}

pub fn mark(id: MaskId, seed: u32) -> FrameMark {
    let pixels = mask(seed);
    if seed.is_multiple_of(4) {
        return FrameMark::painted(id, &pixels, u64::from(seed));
    }
    FrameMark {
        mask: id,
        provenance: if seed.is_multiple_of(2) { Provenance::Prompted } else { Provenance::Tracked },
        revision: u64::from(seed % 60),
        is_approved: seed.is_multiple_of(3),
        area: pixels.area(),
        object_score: seed as f32 * -0.731,
        predicted_iou: 1.0 / (1.0 + seed as f32),
        stability: 0.1 + seed as f32 * 1.0e-7,
    }
}

/// What a project must hold.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub objects: BTreeMap<ObjectId, ObjectFacts>,
    pub prompts: BTreeMap<(ObjectId, FrameIdx), FramePrompt>,
    pub marks: BTreeMap<(ObjectId, FrameIdx), FrameMark>,
    pub in_out: Option<(FrameIdx, FrameIdx)>,
    pub classes: Vec<String>,
    pub done: Vec<StoredStep>,
    pub undone: Vec<StoredStep>,
    pub last_revision: u64,
    pub session: Option<String>,
    pub masks: HashMap<MaskId, Mask>,
}

impl Model {
    pub fn apply(&mut self, edit: &Edit) {
        fn set<K: Ord, V: Clone>(map: &mut BTreeMap<K, V>, key: K, value: &Option<V>) {
            match value {
                Some(value) => map.insert(key, value.clone()),
                None => map.remove(&key),
            };
        }
        for change in &edit.changes {
            let revisions: Vec<u64> = match change {
                Change::Object { before, after, .. } => before.iter().chain(after).map(|f| f.revision).collect(),
                Change::Mark { before, after, .. } => before.iter().chain(after).map(|m| m.revision).collect(),
                Change::Prompt { .. } | Change::InOut { .. } | Change::Classes { .. } => Vec::new(),
            };
            self.last_revision = revisions.into_iter().max().unwrap_or(0).max(self.last_revision);
            match change {
                Change::Object { id, after, .. } => set(&mut self.objects, *id, after),
                Change::Prompt { object, frame, after, .. } => set(&mut self.prompts, (*object, *frame), after),
                Change::Mark { object, frame, after, .. } => set(&mut self.marks, (*object, *frame), after),
                Change::InOut { after, .. } => self.in_out = *after,
                Change::Classes { after, .. } => self.classes = after.to_vec(),
            }
        }
    }

    pub fn note_history(&mut self, change: &HistoryChange) {
        match change.clone() {
            HistoryChange::Push { edit, is_follow_up } => self.done.push(StoredStep { edit, is_follow_up }),
            HistoryChange::Insert { below, edit } => {
                let at = self.done.len().saturating_sub(below);
                self.done.insert(at, StoredStep { edit, is_follow_up: false });
            }
            HistoryChange::Extend { below, changes } => {
                if let Some(step) = self.done.iter_mut().rev().nth(below) {
                    step.edit.changes.extend(changes);
                }
            }
            HistoryChange::Undo(count) => {
                for _ in 0..count {
                    self.undone.extend(self.done.pop());
                }
            }
            HistoryChange::Redo(count) => {
                for _ in 0..count {
                    self.done.extend(self.undone.pop());
                }
            }
            HistoryChange::DropOldest(count) => drop(self.done.drain(..count.min(self.done.len()))),
            HistoryChange::ClearUndone => self.undone.clear(),
            HistoryChange::Clear => {
                self.done.clear();
                self.undone.clear();
            }
        }
    }

    /// Every mask that a mark or a step names.
    pub fn used(&self) -> HashSet<MaskId> {
        let steps = self.done.iter().chain(&self.undone).flat_map(|step| &step.edit.changes);
        let named = steps.filter_map(|change| match change {
            Change::Mark { before, after, .. } => Some(before.iter().chain(after).map(|mark| mark.mask)),
            _ => None,
        });
        named.flatten().chain(self.marks.values().map(|mark| mark.mask)).collect()
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            objects: self.objects.iter().map(|(id, facts)| (*id, facts.clone())).collect(),
            prompts: self.prompts.iter().map(|((o, f), prompt)| (*o, *f, prompt.clone())).collect(),
            marks: self.marks.iter().map(|((o, f), mark)| (*o, *f, *mark)).collect(),
            in_out: self.in_out,
            classes: self.classes.clone().into(),
            done: self.done.clone(),
            undone: self.undone.clone(),
            last_revision: self.last_revision,
            session: self.session.clone(),
            clip: clip(),
        }
    }
}

/// A store and the model beside it, told the same things.
pub struct Both {
    pub store: ProjectStore,
    pub model: Model,
}

impl Both {
    pub fn new(path: &Path) -> Self {
        let (store, snapshot, notices) = open(path).expect("a new project");
        assert_eq!((snapshot, notices), (Model::default().snapshot(), Vec::new()));
        Both { store, model: Model::default() }
    }

    pub fn put(&mut self, seed: u32) -> MaskId {
        let id = self.store.put(&mask(seed));
        assert!(self.model.masks.insert(id, mask(seed)).is_none(), "{id:?} was given twice");
        id
    }

    pub fn record(&mut self, edit: &Edit) {
        self.store.record(edit);
        self.model.apply(edit);
    }

    pub fn note_history(&mut self, change: HistoryChange) {
        self.model.note_history(&change);
        self.store.note_history(change);
    }

    pub fn note_session(&mut self, session: &str) {
        self.store.note_session(session);
        self.model.session = Some(session.to_owned());
    }

    /// The labeller's own edit: recorded, on the history, finished.
    pub fn act(&mut self, name: &str, changes: Vec<Change>) {
        let edit = Edit { name: name.to_owned(), changes };
        self.record(&edit);
        self.note_history(HistoryChange::ClearUndone);
        self.note_history(HistoryChange::Push { edit, is_follow_up: false });
        self.store.finish(Durability::Durable);
    }

    /// One click's worth: object, prompt and mask.
    pub fn click(&mut self, object: u32, frame: u32, seed: u32) {
        let id = self.put(seed);
        let (object, frame) = (ObjectId(object), FrameIdx(frame));
        let changes = vec![
            Change::Object { id: object, before: self.model.objects.get(&object).cloned(), after: Some(facts(seed)) },
            Change::Prompt {
                object,
                frame,
                before: self.model.prompts.get(&(object, frame)).cloned(),
                after: Some(prompt(seed)),
            },
            Change::Mark {
                object,
                frame,
                before: self.model.marks.get(&(object, frame)).copied(),
                after: Some(mark(id, seed)),
            },
        ];
        self.act("click", changes);
    }

    pub fn keep_only_used(&mut self) {
        let used = self.model.used();
        self.store.keep_only(&used);
        self.model.masks.retain(|id, _| used.contains(id));
    }

    /// Closes and opens again: everything must be as the model has it.
    pub fn reopen(self) -> Self {
        let Both { mut store, model } = self;
        let path = store.path().to_owned();
        store.close().expect("a writable folder");
        drop(store);
        check(&path, &model)
    }
}

/// Opens a project and compares it with the model, masks too.
pub fn check(path: &Path, model: &Model) -> Both {
    let (store, snapshot, notices) = open(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(snapshot, model.snapshot());
    assert_eq!(notices, []);
    for (id, mask) in &model.masks {
        assert_eq!(store.get(*id).as_ref(), Ok(mask), "{id:?}");
    }
    Both { store, model: model.clone() }
}

pub fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

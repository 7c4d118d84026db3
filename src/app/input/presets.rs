//! Keys as labellers know them from elsewhere. The default is our own table; the others change what those tools do
//! differently and keep the rest.

use bevy_egui::egui::Key;
use serde::{Deserialize, Serialize};

use super::super::action::{Action, CROSSHAIR_FINE_STEP, CROSSHAIR_STEP, FileQuestion, Panel, Tool, TrackScope};
use super::chord::KeyChord;
use crate::engine::TrackDirection;
use crate::label::PointLabel;

/// A set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Ours.
    #[default]
    Default,
    /// CVAT.
    Cvat,
    /// X-AnyLabeling and labelme.
    XAnyLabeling,
    /// Cutie's own window.
    Cutie,
    /// Video editors.
    Nle,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 5] = [Preset::Default, Preset::Cvat, Preset::XAnyLabeling, Preset::Cutie, Preset::Nle];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Preset::Default => "Label Hub",
            Preset::Cvat => "CVAT",
            Preset::XAnyLabeling => "X-AnyLabeling, labelme",
            Preset::Cutie => "Cutie",
            Preset::Nle => "Video editor",
        }
    }

    /// Its keys.
    pub fn bindings(self) -> Vec<(Action, KeyChord)> {
        let changes = match self {
            Preset::Default => return default_bindings(),
            Preset::Cvat => cvat(),
            Preset::XAnyLabeling => x_anylabeling(),
            Preset::Cutie => cutie(),
            Preset::Nle => nle(),
        };
        // A key that the other tool uses differently loses its meaning here, and an action it moves loses its old keys.
        let mut all = default_bindings();
        all.retain(|(action, chord)| changes.iter().all(|(a, c)| a != action && c != chord));
        all.extend(changes);
        all
    }
}

const fn key(key: Key) -> KeyChord {
    KeyChord::plain(key)
}

fn default_bindings() -> Vec<(Action, KeyChord)> {
    let mut all = time_keys();
    all.extend(object_keys());
    all.extend(window_keys());
    all
}

fn time_keys() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::Step(1), key(Key::ArrowRight)),
        (Action::Step(1), key(Key::D)),
        (Action::Step(-1), key(Key::ArrowLeft)),
        (Action::Step(-1), key(Key::A)),
        (Action::Step(10), key(Key::ArrowRight).shift()),
        (Action::Step(10), key(Key::D).shift()),
        (Action::Step(-10), key(Key::ArrowLeft).shift()),
        (Action::Step(-10), key(Key::A).shift()),
        (Action::First, key(Key::Home)),
        (Action::Last, key(Key::End)),
        (Action::PreviousPrompted, key(Key::PageUp)),
        (Action::NextPrompted, key(Key::PageDown)),
        (Action::PreviousToReview, key(Key::Comma)),
        (Action::NextToReview, key(Key::Period)),
        (Action::PlayPause, key(Key::Space)),
        (Action::ShuttleBack, key(Key::J)),
        (Action::ShuttleStop, key(Key::K)),
        (Action::ShuttleForward, key(Key::L)),
        (Action::ToggleLoop, key(Key::L).shift()),
        (Action::SetIn, key(Key::I)),
        (Action::SetOut, key(Key::O)),
        (Action::ClearInOut, key(Key::I).shift()),
        (Action::ClearInOut, key(Key::O).shift()),
    ]
}

const DIGITS: [Key; 10] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9, Key::Num0];

fn object_keys() -> Vec<(Action, KeyChord)> {
    let digits = DIGITS.iter().enumerate().map(|(place, digit)| (Action::SelectNth(place as u8), key(*digit)));
    let mut all: Vec<_> = digits.collect();
    let arrows = [(Key::ArrowLeft, -1, 0), (Key::ArrowRight, 1, 0), (Key::ArrowUp, 0, -1), (Key::ArrowDown, 0, 1)];
    for (arrow, x, y) in arrows {
        let by = |step: i16| Action::MoveCrosshair(x * step, y * step);
        all.push((by(CROSSHAIR_STEP), key(arrow).alt()));
        all.push((by(CROSSHAIR_FINE_STEP), key(arrow).alt().shift()));
    }
    let from = |direction| Action::Track(TrackScope::From(direction));
    all.extend([
        (Action::NextObject, key(Key::Tab)),
        (Action::PreviousObject, key(Key::Tab).shift()),
        (Action::NewObject, key(Key::N)),
        (Action::StartRename, key(Key::F2)),
        (Action::ToggleHidden(None), key(Key::H)),
        (Action::ToggleSolo(None), key(Key::H).shift()),
        (Action::CycleCandidate, key(Key::C)),
        (Action::ClickCrosshair(PointLabel::Positive), key(Key::Enter)),
        (Action::ClickCrosshair(PointLabel::Negative), key(Key::Enter).shift()),
        (Action::UseTool(Tool::Select), key(Key::V)),
        (Action::UseTool(Tool::Points), key(Key::P)),
        (Action::UseTool(Tool::Brush), key(Key::B)),
        (Action::UseTool(Tool::Eraser), key(Key::E)),
        (Action::UseTool(Tool::Box), key(Key::R)),
        (Action::BrushSmaller, key(Key::OpenBracket)),
        (Action::BrushLarger, key(Key::CloseBracket)),
        (from(TrackDirection::Forward), key(Key::F)),
        (from(TrackDirection::Backward), key(Key::F).shift()),
        (Action::Track(TrackScope::StaleOrMissing), key(Key::Enter).command()),
        (Action::Track(TrackScope::ThisFrame), key(Key::T)),
        (Action::ToggleApproved, key(Key::Y)),
        (Action::ToggleAllApproved, key(Key::Y).alt()),
        (Action::ToggleRangeApproved, key(Key::Y).shift()),
        (Action::MarkAbsent, key(Key::X)),
        (Action::MarkRangeAbsent, key(Key::X).shift()),
        (Action::ClearMask, key(Key::Delete).command()),
        (Action::ClearRangeMasks, key(Key::Delete).command().shift()),
        (Action::ClearPrompts, key(Key::Delete)),
        (Action::DeleteObject(None), key(Key::Delete).shift()),
        (Action::ToggleLock(None), key(Key::L).command()),
    ]);
    all
}

fn window_keys() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::Undo, key(Key::Z).command()),
        (Action::Redo, key(Key::Z).command().shift()),
        (Action::Redo, key(Key::Y).command()),
        (Action::TellSaved, key(Key::S).command()),
        (Action::Ask(FileQuestion::SaveMasksTo), key(Key::S).command().shift()),
        (Action::TogglePanel(Panel::Export), key(Key::E).command()),
        // CVAT's own keys take the first one.
        (Action::TogglePanel(Panel::Export), key(Key::E).command().shift()),
        (Action::Ask(FileQuestion::OpenClip), key(Key::O).command()),
        (Action::NextClip, key(Key::O).command().shift()),
        (Action::Quit, key(Key::Q).command()),
        (Action::TogglePanel(Panel::CommandPalette), key(Key::P).command()),
        (Action::TogglePanel(Panel::CommandPalette), key(Key::P).command().shift()),
        (Action::TogglePanel(Panel::CommandPalette), key(Key::K).command()),
        (Action::TogglePanel(Panel::Help), key(Key::Questionmark)),
        (Action::TogglePanel(Panel::Help), key(Key::F1)),
        (Action::TogglePanel(Panel::Settings), key(Key::Comma).command()),
        (Action::TogglePanel(Panel::Log), key(Key::L).command().shift()),
        (Action::ZoomIn, key(Key::Plus)),
        (Action::ZoomIn, key(Key::Equals)),
        (Action::ZoomOut, key(Key::Minus)),
        (Action::ZoomFit, key(Key::Backspace)),
        (Action::ZoomActual, key(Key::Backspace).command()),
        (Action::ToggleOutlineOnly, key(Key::G)),
        (Action::ToggleOverlay, key(Key::M)),
        (Action::Cancel, key(Key::Escape)),
    ]
}

fn cvat() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::Step(1), key(Key::F)),
        (Action::Step(1), key(Key::ArrowRight)),
        (Action::Step(-1), key(Key::D)),
        (Action::Step(-1), key(Key::ArrowLeft)),
        (Action::Step(10), key(Key::V)),
        (Action::Step(-10), key(Key::C)),
        (Action::PreviousPrompted, key(Key::E)),
        (Action::NextPrompted, key(Key::R)),
        (Action::Track(TrackScope::StaleOrMissing), key(Key::B).command()),
        (Action::Track(TrackScope::From(TrackDirection::Forward)), key(Key::E).command()),
        (Action::CycleCandidate, key(Key::C).shift()),
        (Action::UseTool(Tool::Select), key(Key::V).shift()),
        (Action::UseTool(Tool::Eraser), key(Key::E).shift()),
        (Action::UseTool(Tool::Box), key(Key::R).shift()),
        (Action::TogglePanel(Panel::Settings), key(Key::F2)),
        (Action::StartRename, key(Key::F2).shift()),
        (Action::TogglePanel(Panel::Help), key(Key::F1)),
    ]
}

fn x_anylabeling() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::Step(1), key(Key::D)),
        (Action::Step(1), key(Key::ArrowRight)),
        (Action::Step(-1), key(Key::A)),
        (Action::Step(-1), key(Key::ArrowLeft)),
        (Action::UseTool(Tool::Points), key(Key::Q)),
        (Action::UseTool(Tool::Box), key(Key::R)),
        (Action::UseTool(Tool::Select), key(Key::J).command()),
        (Action::ClearPrompts, key(Key::B)),
        (Action::UseTool(Tool::Brush), key(Key::B).shift()),
        (Action::NewObject, key(Key::F)),
        (Action::ToggleHidden(None), key(Key::S)),
        (Action::Track(TrackScope::StaleOrMissing), key(Key::I).command()),
        (Action::Track(TrackScope::From(TrackDirection::Forward)), key(Key::F).command()),
        (Action::TogglePanel(Panel::Settings), key(Key::Num0).command()),
    ]
}

fn cutie() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::Track(TrackScope::From(TrackDirection::Forward)), key(Key::F)),
        (Action::Track(TrackScope::From(TrackDirection::Forward)), key(Key::Space)),
        (Action::Track(TrackScope::From(TrackDirection::Backward)), key(Key::B)),
        (Action::ToggleApproved, key(Key::C)),
        (Action::First, key(Key::ArrowLeft).alt()),
        (Action::Last, key(Key::ArrowRight).alt()),
        (Action::MoveCrosshair(-CROSSHAIR_STEP, 0), key(Key::ArrowLeft).command()),
        (Action::MoveCrosshair(CROSSHAIR_STEP, 0), key(Key::ArrowRight).command()),
        (Action::PlayPause, key(Key::K)),
        (Action::ShuttleStop, key(Key::K).shift()),
        (Action::UseTool(Tool::Brush), key(Key::B).shift()),
        (Action::CycleCandidate, key(Key::C).shift()),
    ]
}

fn nle() -> Vec<(Action, KeyChord)> {
    vec![
        (Action::PreviousPrompted, key(Key::ArrowUp)),
        (Action::NextPrompted, key(Key::ArrowDown)),
        (Action::ClearInOut, key(Key::X).alt()),
        (Action::ToggleLoop, key(Key::Slash).command()),
        (Action::ZoomFit, key(Key::Z).shift()),
    ]
}

//! Every intent a labeller can have, in one enum.
//!
//! Buttons, menus, keys, gamepad, command palette and tests all send an [`Action`]; `apply` is the only place that acts
//! on one. An action knows its name, what it is called, and why it cannot be done just now. What happens is not here.

mod kinds;
mod words;

use std::path::PathBuf;

use crate::engine::{ModelChoice, TrackDirection};
use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel, Rgb};

use super::export::ExportRequest;
use super::facts::AppFacts;

/// What the pointer does on the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tool {
    /// Choose objects, drag markers.
    Select,
    /// Positive and negative clicks.
    #[default]
    Points,
    /// A box by dragging.
    Box,
    /// Paint mask.
    Brush,
    /// Erase mask.
    Eraser,
}

impl Tool {
    /// All of them, in the toolbar's order.
    pub const ALL: [Tool; 5] = [Tool::Select, Tool::Points, Tool::Box, Tool::Brush, Tool::Eraser];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Tool::Select => "Select",
            Tool::Points => "Points",
            Tool::Box => "Box",
            Tool::Brush => "Brush",
            Tool::Eraser => "Eraser",
        }
    }
}

/// What a tracking run covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackScope {
    /// From the current frame this way to the end of the in/out range.
    From(TrackDirection),
    /// The whole in/out range, both ways, where masks are stale or missing.
    StaleOrMissing,
    /// The same, and the model runs on damaged frames as on others.
    DamagedToo,
    /// The current frame only.
    ThisFrame,
    /// The whole in/out range again from the same prompts, as after a larger model was loaded. What was painted or
    /// approved stays.
    Anew,
    /// What an earlier run covered.
    Again(TrackSpan),
}

/// What a run covers, whatever is selected or on screen by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrackSpan {
    /// The only object; `None` is all that are not locked.
    pub only: Option<ObjectId>,
    /// First frame, included.
    pub first: FrameIdx,
    /// Last frame, included.
    pub last: FrameIdx,
    /// Which way.
    pub direction: TrackDirection,
    /// Whether the model runs on damaged frames as on others.
    pub uses_damaged: bool,
    /// Whether everything but what was painted or approved is made again.
    pub is_anew: bool,
}

/// Windows and panels that can be shown and hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Panel {
    /// Search all actions.
    CommandPalette,
    /// The key sheet.
    Help,
    /// Settings.
    Settings,
    /// Notices and errors so far.
    Log,
    /// A dataset is to be written.
    Export,
}

/// A dialog of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileQuestion {
    /// A video file.
    OpenClip,
    /// A folder of images.
    OpenFolder,
    /// A checkpoint.
    OpenModel,
    /// A text file with one class a line.
    ImportClasses,
    /// Where masks are written.
    SaveMasksTo,
    /// Where a copy of the project goes.
    SaveProjectCopy,
    /// Where a dataset goes.
    ExportTo,
    /// A file of a dataset.
    ImportLabels,
    /// The folder of a dataset.
    ImportLabelsFolder,
}

/// Which project a clip is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProjectChoice {
    /// The one beside it.
    Own,
    /// This file, although it was another clip's: the labels are linked to this one.
    Relink(PathBuf),
    /// One of its own in the program's data folder; what lies beside the clip is left alone.
    Separate,
    /// This file, wherever it lies.
    At(PathBuf),
}

/// Moves of the first-run tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TourMove {
    /// From the beginning.
    Start,
    /// On to the next step; after the last it is over.
    Next,
    /// No more of it.
    End,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Dark grey.
    #[default]
    Dark,
    /// Light grey.
    Light,
}

/// One intent.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    // Files.
    /// Asks for a file.
    Ask(FileQuestion),
    /// Opens a video file, a folder of images, or a project with its clip.
    Open(PathBuf),
    /// The same with this video stream of the file, as its container counts (`None`: the one it shows by itself), and with
    /// this project.
    OpenWith(PathBuf, Option<u32>, ProjectChoice),
    /// The same, although something of the open clip is lost by it.
    OpenAnyway(PathBuf, Option<u32>, ProjectChoice),
    /// Tries again to write what could not be written.
    RetryWriting,
    /// Writes the whole project to another file.
    SaveProjectCopy(PathBuf),
    /// Opens the clip that ships with the program.
    OpenSample,
    /// Opens the next clip of the folder, by name.
    NextClip,
    /// Says that everything is saved, and where: the answer to the save key of other programs.
    TellSaved,
    /// Writes the masks to the folder of the tool this one replaces, `<clip>_masks`.
    SaveMasks,
    /// Writes the masks to a folder.
    SaveMasksTo(PathBuf),
    /// The same, although another clip's masks that lie there are replaced.
    SaveMasksAnyway(PathBuf),
    /// Ends that; the masks that are written stay.
    StopSaving,
    /// Reads class names, one a line.
    ImportClasses(PathBuf),
    /// Writes a dataset.
    Export(Box<ExportRequest>),
    /// The folder for the export that is being prepared.
    SetExportFolder(PathBuf),
    /// Reads the labels of a dataset, as new objects.
    ImportLabels(PathBuf),
    /// Ends an export or import; nothing of it stays.
    StopExport,
    /// Ends the program.
    Quit,
    /// The same, although labels are not saved.
    QuitAnyway,

    // Edits.
    /// Takes the latest edit back.
    Undo,
    /// Makes it again.
    Redo,
    /// Removes all objects, prompts and masks.
    ResetAll,

    // Going through time.
    /// So many frames on; back when negative.
    Step(i32),
    /// To a frame.
    GoTo(FrameIdx),
    /// To the first frame.
    First,
    /// To the last frame.
    Last,
    /// To the next frame with a prompt of any object.
    NextPrompted,
    /// To the one before.
    PreviousPrompted,
    /// To the next frame whose mask of the selected object wants a look: stale or doubtful, and not approved.
    NextToReview,
    /// To the one before.
    PreviousToReview,
    /// Starts or stops playing.
    PlayPause,
    /// Plays backward; again: faster.
    ShuttleBack,
    /// Stops playing.
    ShuttleStop,
    /// Plays forward; again: faster.
    ShuttleForward,
    /// Plays round and round.
    ToggleLoop,
    /// The in/out range starts here.
    SetIn,
    /// The in/out range ends here.
    SetOut,
    /// The in/out range, both ends included.
    SetInOut(FrameIdx, FrameIdx),
    /// The in/out range is the whole clip.
    ClearInOut,

    // Objects.
    /// A new object, selected.
    NewObject,
    /// Selects object 1 to 10: the digit's place on the keyboard, from 0.
    SelectNth(u8),
    /// Selects an object.
    Select(ObjectId),
    /// Selects the next object.
    NextObject,
    /// Selects the one before.
    PreviousObject,
    /// Removes an object with its prompts and masks; `None` is the selected one.
    DeleteObject(Option<ObjectId>),
    /// Opens the selected object's name for typing.
    StartRename,
    /// Names an object.
    Rename(ObjectId, String),
    /// Gives an object a class.
    SetClass(ObjectId, Option<String>),
    /// Adds to the list of classes.
    AddClass(String),
    /// Gives a class another name, in the list and on the objects that have it.
    RenameClass(String, String),
    /// Takes a class that no object has from the list.
    RemoveClass(String),
    /// Colours an object.
    SetColour(ObjectId, Rgb),
    /// Hides or shows an object; `None` is the selected one.
    ToggleHidden(Option<ObjectId>),
    /// Shows only one object, or all again; `None` is the selected one.
    ToggleSolo(Option<ObjectId>),
    /// Locks or unlocks an object; `None` is the selected one.
    ToggleLock(Option<ObjectId>),

    // Prompts, on the current frame for the selected object.
    /// A click.
    AddPoint(Point),
    /// Moves a click.
    MovePoint {
        /// Its place in the list.
        index: usize,
        /// To.
        x: f32,
        /// To.
        y: f32,
    },
    /// Removes a click.
    DeletePoint {
        /// Its place in the list.
        index: usize,
    },
    /// A box.
    SetBox(BoxPrompt),
    /// Replaces what was said by a painted mask, whole.
    Paint(Mask),
    /// Makes the mask here, wherever it came from, what was said.
    UseMaskAsPrompt,
    /// Removes all that was said here.
    ClearPrompts,
    /// Says that the object is not in the frame.
    MarkAbsent,
    /// The same for all frames from in to out.
    MarkRangeAbsent,
    /// Removes the mask here, with what was said.
    ClearMask,
    /// The same for all frames from in to out.
    ClearRangeMasks,
    /// Asks the model again about what is said of an object on a frame, after it failed.
    AskAgain(ObjectId, FrameIdx),
    /// The next of the candidates of a first click.
    CycleCandidate,
    /// Fixes the mask here against changes, or frees it.
    ToggleApproved,
    /// The same for all objects' masks here.
    ToggleAllApproved,
    /// The same for the in/out range.
    ToggleRangeApproved,

    // The crosshair: the pointer of keyboard and gamepad.
    /// Moves it so many points to the right and down.
    MoveCrosshair(i16, i16),
    /// A click where it stands.
    ClickCrosshair(PointLabel),

    // Tools.
    /// Takes up a tool.
    UseTool(Tool),
    /// A larger brush.
    BrushLarger,
    /// A smaller brush.
    BrushSmaller,

    // The model.
    /// Tracks all objects that are not locked.
    Track(TrackScope),
    /// Tracks the selected object alone.
    TrackSelected(TrackScope),
    /// Ends the run; what is done stays.
    StopTracking,
    /// Loads a model.
    LoadModel(ModelChoice),
    /// Loads the model that failed once more.
    RetryModel,
    /// Loads a model of the registry that is here.
    UseModel(String),
    /// Downloads a model of the registry. Whoever sends it has shown its address, size and licence.
    GetModel(String),
    /// Reads all of a downloaded model's file and says whether it is what it claims to be.
    CheckModel(String),
    /// Measures what a model that is here costs on this machine.
    MeasureModel(String),
    /// Stops the download, check or measurement of a model; what has come of a download is kept.
    StopModelJob,
    /// Removes a downloaded model's file.
    RemoveModel(String),
    /// Asks whether a model file that nobody knows is to be loaded.
    OfferModel(PathBuf),

    // The view.
    /// Closer, around the middle of the view.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// The whole picture.
    ZoomFit,
    /// One picture pixel on one screen pixel.
    ZoomActual,
    /// Masks as outlines only, or filled.
    ToggleOutlineOnly,
    /// All masks shown or none.
    ToggleOverlay,
    /// Opacity of mask fills, 0 to 1, relative to the default.
    SetFillOpacity(f32),
    /// Width of outlines relative to the default.
    SetOutlineWidth(f32),
    /// Size of the user interface, 1 is the system's own.
    SetUiScale(f32),
    /// Light or dark.
    SetTheme(Theme),
    /// Shows or hides a panel.
    TogglePanel(Panel),
    /// The first-run tour.
    Tour(TourMove),
    /// Takes a notice away.
    DismissNotice(u64),
    /// Lets go: a drag, a panel, the selection.
    Cancel,
}

/// How far a key press moves the crosshair, in points.
pub const CROSSHAIR_STEP: i16 = 24;
/// The same with Shift held.
pub const CROSSHAIR_FINE_STEP: i16 = 2;

impl Action {
    /// Whether it makes an [`Edit`](crate::label::Edit) that undo takes back.
    pub fn is_undoable(&self) -> bool {
        match self {
            Action::ResetAll
            | Action::SetIn
            | Action::SetOut
            | Action::SetInOut(..)
            | Action::ClearInOut
            | Action::NewObject
            | Action::DeleteObject(_)
            | Action::Rename(..)
            | Action::SetClass(..)
            | Action::AddClass(_)
            | Action::RenameClass(..)
            | Action::RemoveClass(_)
            | Action::ImportClasses(_)
            | Action::SetColour(..)
            | Action::ToggleHidden(_)
            | Action::ToggleLock(_)
            | Action::AddPoint(_)
            | Action::MovePoint { .. }
            | Action::DeletePoint { .. }
            | Action::SetBox(_)
            | Action::Paint(_)
            | Action::ImportLabels(_)
            | Action::UseMaskAsPrompt
            | Action::ClearPrompts
            | Action::CycleCandidate
            | Action::MarkAbsent
            | Action::MarkRangeAbsent
            | Action::ClearMask
            | Action::ClearRangeMasks
            | Action::ToggleApproved
            | Action::ToggleAllApproved
            | Action::ToggleRangeApproved
            | Action::Track(_)
            | Action::TrackSelected(_) => true,
            Action::Ask(_)
            | Action::Open(_)
            | Action::OpenAnyway(..)
            | Action::OpenWith(..)
            | Action::RetryWriting
            | Action::SaveProjectCopy(_)
            | Action::Export(_)
            | Action::SetExportFolder(_)
            | Action::StopExport
            | Action::OpenSample
            | Action::NextClip
            | Action::TellSaved
            | Action::SaveMasks
            | Action::SaveMasksTo(_)
            | Action::SaveMasksAnyway(_)
            | Action::StopSaving
            | Action::Quit
            | Action::QuitAnyway
            | Action::Undo
            | Action::Redo
            | Action::Step(_)
            | Action::GoTo(_)
            | Action::AskAgain(..)
            | Action::First
            | Action::Last
            | Action::NextPrompted
            | Action::PreviousPrompted
            | Action::NextToReview
            | Action::PreviousToReview
            | Action::PlayPause
            | Action::ShuttleBack
            | Action::ShuttleStop
            | Action::ShuttleForward
            | Action::ToggleLoop
            | Action::SelectNth(_)
            | Action::Select(_)
            | Action::NextObject
            | Action::PreviousObject
            | Action::StartRename
            | Action::ToggleSolo(_)
            | Action::MoveCrosshair(..)
            // The click it becomes is an action of its own.
            | Action::ClickCrosshair(_)
            | Action::UseTool(_)
            | Action::BrushLarger
            | Action::BrushSmaller
            | Action::StopTracking
            | Action::LoadModel(_)
            | Action::RetryModel
            | Action::UseModel(_)
            | Action::GetModel(_)
            | Action::CheckModel(_)
            | Action::MeasureModel(_)
            | Action::StopModelJob
            | Action::RemoveModel(_)
            | Action::OfferModel(_)
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::ZoomFit
            | Action::ZoomActual
            | Action::ToggleOutlineOnly
            | Action::ToggleOverlay
            | Action::SetFillOpacity(_)
            | Action::SetOutlineWidth(_)
            | Action::SetUiScale(_)
            | Action::SetTheme(_)
            | Action::TogglePanel(_)
            | Action::Tour(_)
            | Action::DismissNotice(_)
            | Action::Cancel => false,
        }
    }

    /// Why it cannot be done just now; `None` when it can. What greys a button out and what a key press is told.
    pub fn unavailable_because(&self, facts: &AppFacts) -> Option<&'static str> {
        facts.why_not(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_an_id_of_its_own() {
        let all = Action::all();
        let ids: BTreeSet<_> = all.iter().map(Action::id).collect();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().all(|action| !action.label().is_empty()));
    }
}

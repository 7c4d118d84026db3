//! Every intent a labeller can have, in one enum.
//!
//! Buttons, menus, keys, gamepad, command palette and tests all send an [`Action`]; `apply` is the only place that acts
//! on one. An action knows its name, what it is called, and why it cannot be done just now. What happens is not here.

use std::borrow::Cow;
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
    /// The current frame only.
    ThisFrame,
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
    /// The one beside it, although it was another clip's: the labels are linked to this one.
    Relink,
    /// One of its own in the program's data folder; what lies beside the clip is left alone.
    Separate,
    /// This file, wherever it lies.
    At(PathBuf),
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
    /// The same, although labels of the open clip are not saved.
    OpenAnyway(PathBuf),
    /// The same with this project.
    OpenWith(PathBuf, ProjectChoice),
    /// Tries again to write what could not be written.
    RetryWriting,
    /// Writes the whole project to another file.
    SaveProjectCopy(PathBuf),
    /// Opens the next clip of the folder, by name.
    NextClip,
    /// Writes the masks to the folder of the tool this one replaces, `<clip>_masks`.
    SaveMasks,
    /// Writes the masks to a folder.
    SaveMasksTo(PathBuf),
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
    /// The next of the readings of a first click.
    CycleCandidate,
    /// Fixes the mask here against changes, or frees it.
    ToggleApproved,
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
    /// Takes a notice away.
    DismissNotice(u64),
    /// Lets go: a drag, a panel, the selection.
    Cancel,
}

/// What a run in this scope is called.
fn track_label(scope: TrackScope) -> &'static str {
    match scope {
        TrackScope::From(TrackDirection::Forward) => "Track forward",
        TrackScope::From(TrackDirection::Backward) => "Track backward",
        TrackScope::From(TrackDirection::Both) => "Track both ways",
        TrackScope::StaleOrMissing => "Track what is stale or missing",
        TrackScope::ThisFrame => "Track this frame only",
    }
}

/// How far a key press moves the crosshair, in points.
pub const CROSSHAIR_STEP: i16 = 24;
/// The same with Shift held.
pub const CROSSHAIR_FINE_STEP: i16 = 2;

fn crosshair_label(dx: i16, dy: i16) -> String {
    let direction = match (dx.signum(), dy.signum()) {
        (-1, 0) => "left",
        (1, 0) => "right",
        (0, -1) => "up",
        (0, 1) => "down",
        _ => "along",
    };
    let is_fine = dx.abs().max(dy.abs()) <= CROSSHAIR_FINE_STEP;
    format!("Crosshair {direction}{}", if is_fine { ", a little" } else { "" })
}

impl Action {
    /// One example of every kind, for sweeps, the palette and the key sheet.
    pub fn all() -> Vec<Action> {
        let mut all = Self::without_arguments();
        let id = ObjectId(1);
        let point = Point { x: 1.0, y: 1.0, label: PointLabel::Positive };
        let size = crate::label::FrameSize { width: 2, height: 2 };
        all.extend([
            Action::Open(PathBuf::from("clip.mp4")),
            Action::OpenAnyway(PathBuf::from("clip.mp4")),
            Action::OpenWith(PathBuf::from("clip.mp4"), ProjectChoice::Own),
            Action::RetryWriting,
            Action::SaveProjectCopy(PathBuf::from("copy.labelhub")),
            Action::Export(Box::new(ExportRequest {
                format: crate::formats::FormatId::Coco,
                folder: PathBuf::from("dataset"),
                frames: crate::formats::FramesWith::Anything,
                every: 1,
                is_in_range: false,
                is_selected_only: false,
                images: crate::formats::ImageChoice::None,
                overlay: crate::formats::OverlayStyle::default(),
                overwrite: false,
            })),
            Action::SetExportFolder(PathBuf::from("dataset")),
            Action::ImportLabels(PathBuf::from("dataset")),
            Action::QuitAnyway,
            Action::SaveMasksTo(PathBuf::from("masks")),
            Action::ImportClasses(PathBuf::from("classes.txt")),
            Action::GoTo(FrameIdx(0)),
            Action::SetInOut(FrameIdx(0), FrameIdx(1)),
            Action::Select(id),
            Action::Rename(id, "name".to_owned()),
            Action::SetClass(id, Some("class".to_owned())),
            Action::AddClass("class".to_owned()),
            Action::SetColour(id, [255, 0, 0]),
            Action::AddPoint(point),
            Action::MovePoint { index: 0, x: 1.0, y: 1.0 },
            Action::DeletePoint { index: 0 },
            Action::SetBox(BoxPrompt { x0: 0.0, y0: 0.0, x1: 2.0, y1: 2.0 }),
            Action::Paint(Mask::from_fn(size, |i| i == 0)),
            Action::LoadModel(ModelChoice {
                source: crate::engine::ModelSource::TestEngine,
                device: crate::engine::DeviceChoice::Cpu,
                resolution: None,
            }),
            Action::SetFillOpacity(1.0),
            Action::SetOutlineWidth(1.0),
            Action::SetUiScale(1.0),
            Action::SetTheme(Theme::Dark),
            Action::DismissNotice(0),
        ]);
        all
    }

    /// Those that need nothing more said: what keys, pad and palette can send.
    pub fn without_arguments() -> Vec<Action> {
        use TrackDirection::{Backward, Both, Forward};
        let mut all = vec![
            Action::Ask(FileQuestion::OpenClip),
            Action::Ask(FileQuestion::OpenFolder),
            Action::NextClip,
            Action::SaveMasks,
            Action::Ask(FileQuestion::SaveMasksTo),
            Action::Ask(FileQuestion::SaveProjectCopy),
            Action::TogglePanel(Panel::Export),
            Action::Ask(FileQuestion::ImportLabels),
            Action::Ask(FileQuestion::ImportLabelsFolder),
            Action::StopExport,
            Action::Ask(FileQuestion::OpenModel),
            Action::Ask(FileQuestion::ImportClasses),
            Action::RetryModel,
            Action::Undo,
            Action::Redo,
            Action::ResetAll,
            Action::Step(1),
            Action::Step(-1),
            Action::Step(10),
            Action::Step(-10),
            Action::First,
            Action::Last,
            Action::NextPrompted,
            Action::PreviousPrompted,
            Action::PlayPause,
            Action::ShuttleBack,
            Action::ShuttleStop,
            Action::ShuttleForward,
            Action::ToggleLoop,
            Action::SetIn,
            Action::SetOut,
            Action::ClearInOut,
            Action::NewObject,
            Action::NextObject,
            Action::PreviousObject,
        ];
        all.extend((0..10).map(Action::SelectNth));
        all.extend([
            Action::StartRename,
            Action::DeleteObject(None),
            Action::ToggleHidden(None),
            Action::ToggleSolo(None),
            Action::ToggleLock(None),
            Action::UseMaskAsPrompt,
            Action::ClearPrompts,
            Action::CycleCandidate,
            Action::ToggleApproved,
            Action::ToggleRangeApproved,
        ]);
        all.extend([Action::ClickCrosshair(PointLabel::Positive), Action::ClickCrosshair(PointLabel::Negative)]);
        for step in [CROSSHAIR_STEP, CROSSHAIR_FINE_STEP] {
            all.extend([(-step, 0), (step, 0), (0, -step), (0, step)].map(|(dx, dy)| Action::MoveCrosshair(dx, dy)));
        }
        all.extend(Tool::ALL.map(Action::UseTool));
        all.extend([Action::BrushLarger, Action::BrushSmaller]);
        let scopes = [
            TrackScope::StaleOrMissing,
            TrackScope::From(Forward),
            TrackScope::From(Backward),
            TrackScope::From(Both),
            TrackScope::ThisFrame,
        ];
        all.extend(scopes.map(Action::Track));
        all.extend(scopes.map(Action::TrackSelected));
        all.extend([
            Action::StopTracking,
            Action::ZoomIn,
            Action::ZoomOut,
            Action::ZoomFit,
            Action::ZoomActual,
            Action::ToggleOutlineOnly,
            Action::ToggleOverlay,
            Action::TogglePanel(Panel::CommandPalette),
            Action::TogglePanel(Panel::Help),
            Action::TogglePanel(Panel::Settings),
            Action::TogglePanel(Panel::Log),
            Action::Cancel,
            Action::Quit,
        ]);
        all
    }

    /// A name for files of key bindings; arguments that come from elsewhere are not part of it.
    pub fn id(&self) -> Cow<'static, str> {
        let scope_id = |scope: &TrackScope| match scope {
            TrackScope::From(TrackDirection::Forward) => "forward",
            TrackScope::From(TrackDirection::Backward) => "backward",
            TrackScope::From(TrackDirection::Both) => "both",
            TrackScope::StaleOrMissing => "stale",
            TrackScope::ThisFrame => "frame",
        };
        let name = match self {
            Action::Ask(FileQuestion::OpenClip) => "open",
            Action::Ask(FileQuestion::OpenFolder) => "open_folder",
            Action::Ask(FileQuestion::OpenModel) => "open_model",
            Action::Ask(FileQuestion::ImportClasses) => "import_classes",
            Action::Ask(FileQuestion::SaveMasksTo) => "save_masks_to",
            Action::Ask(FileQuestion::SaveProjectCopy) => "save_project_copy",
            Action::Ask(FileQuestion::ExportTo) => "choose_export_folder",
            Action::Ask(FileQuestion::ImportLabels) => "import_labels",
            Action::Ask(FileQuestion::ImportLabelsFolder) => "import_labels_folder",
            Action::Export(_) => "export_now",
            Action::SetExportFolder(_) => "set_export_folder",
            Action::ImportLabels(_) => "import_labels_path",
            Action::StopExport => "stop_export",
            Action::Open(_) => "open_path",
            Action::OpenAnyway(_) => "open_path_anyway",
            Action::OpenWith(..) => "open_path_with",
            Action::RetryWriting => "retry_writing",
            Action::SaveProjectCopy(_) => "save_project_copy_path",
            Action::NextClip => "next_clip",
            Action::SaveMasks => "save_masks",
            Action::SaveMasksTo(_) => "save_masks_to_path",
            Action::ImportClasses(_) => "import_classes_path",
            Action::Quit => "quit",
            Action::QuitAnyway => "quit_anyway",
            Action::Undo => "undo",
            Action::Redo => "redo",
            Action::ResetAll => "reset_all",
            Action::Step(by) => return Cow::Owned(format!("step_{by}")),
            Action::GoTo(_) => "go_to",
            Action::First => "first_frame",
            Action::Last => "last_frame",
            Action::NextPrompted => "next_prompted",
            Action::PreviousPrompted => "previous_prompted",
            Action::PlayPause => "play",
            Action::ShuttleBack => "shuttle_back",
            Action::ShuttleStop => "shuttle_stop",
            Action::ShuttleForward => "shuttle_forward",
            Action::ToggleLoop => "loop",
            Action::SetIn => "set_in",
            Action::SetOut => "set_out",
            Action::SetInOut(..) => "set_in_out",
            Action::ClearInOut => "clear_in_out",
            Action::NewObject => "new_object",
            Action::SelectNth(place) => return Cow::Owned(format!("select_{}", u32::from(*place) + 1)),
            Action::Select(_) => "select_object",
            Action::NextObject => "next_object",
            Action::PreviousObject => "previous_object",
            Action::DeleteObject(_) => "delete_object",
            Action::StartRename => "start_rename",
            Action::Rename(..) => "rename",
            Action::SetClass(..) => "set_class",
            Action::AddClass(_) => "add_class",
            Action::SetColour(..) => "set_colour",
            Action::ToggleHidden(_) => "hide",
            Action::ToggleSolo(_) => "solo",
            Action::ToggleLock(_) => "lock",
            Action::AddPoint(_) => "add_point",
            Action::MovePoint { .. } => "move_point",
            Action::DeletePoint { .. } => "delete_point",
            Action::SetBox(_) => "set_box",
            Action::Paint(_) => "paint",
            Action::UseMaskAsPrompt => "mask_as_prompt",
            Action::ClearPrompts => "clear_prompts",
            Action::CycleCandidate => "cycle_candidate",
            Action::ToggleApproved => "approve",
            Action::ToggleRangeApproved => "approve_range",
            Action::MoveCrosshair(dx, dy) => return Cow::Owned(format!("crosshair_{dx}_{dy}")),
            Action::ClickCrosshair(PointLabel::Positive) => "crosshair_add",
            Action::ClickCrosshair(PointLabel::Negative) => "crosshair_exclude",
            Action::UseTool(tool) => return Cow::Owned(format!("tool_{}", tool.label().to_lowercase())),
            Action::BrushLarger => "brush_larger",
            Action::BrushSmaller => "brush_smaller",
            Action::Track(scope) => return Cow::Owned(format!("track_{}", scope_id(scope))),
            Action::TrackSelected(scope) => return Cow::Owned(format!("track_selected_{}", scope_id(scope))),
            Action::StopTracking => "stop_tracking",
            Action::LoadModel(_) => "load_model",
            Action::RetryModel => "retry_model",
            Action::ZoomIn => "zoom_in",
            Action::ZoomOut => "zoom_out",
            Action::ZoomFit => "zoom_fit",
            Action::ZoomActual => "zoom_actual",
            Action::ToggleOutlineOnly => "outline_only",
            Action::ToggleOverlay => "overlay",
            Action::SetFillOpacity(_) => "fill_opacity",
            Action::SetOutlineWidth(_) => "outline_width",
            Action::SetUiScale(_) => "ui_scale",
            Action::SetTheme(_) => "theme",
            Action::TogglePanel(Panel::CommandPalette) => "command_palette",
            Action::TogglePanel(Panel::Help) => "help",
            Action::TogglePanel(Panel::Settings) => "settings",
            Action::TogglePanel(Panel::Log) => "log",
            Action::TogglePanel(Panel::Export) => "export",
            Action::DismissNotice(_) => "dismiss_notice",
            Action::Cancel => "cancel",
        };
        Cow::Borrowed(name)
    }

    /// What menus, palette and key sheet call it.
    pub fn label(&self) -> Cow<'static, str> {
        let label = match self {
            Action::Ask(FileQuestion::OpenClip) => "Open video…",
            Action::Ask(FileQuestion::OpenFolder) => "Open folder of images…",
            Action::Ask(FileQuestion::OpenModel) => "Load model…",
            Action::Ask(FileQuestion::ImportClasses) => "Import class list…",
            Action::Ask(FileQuestion::SaveMasksTo) => "Save masks to…",
            Action::Ask(FileQuestion::SaveProjectCopy) => "Save a copy of the project…",
            Action::Ask(FileQuestion::ExportTo) => "Choose the folder…",
            Action::Ask(FileQuestion::ImportLabels) => "Import labels from a file…",
            Action::Ask(FileQuestion::ImportLabelsFolder) => "Import labels from a folder…",
            Action::Export(request) => return Cow::Owned(format!("Export as {}", request.format)),
            Action::SetExportFolder(_) => "Set the export's folder",
            Action::ImportLabels(path) => return Cow::Owned(format!("Import labels from {}", path.display())),
            Action::StopExport => "Stop the export or import",
            Action::Open(path) => return Cow::Owned(format!("Open {}", path.display())),
            Action::OpenAnyway(path) => return Cow::Owned(format!("Open {} without saving", path.display())),
            Action::OpenWith(path, ProjectChoice::Own) => return Cow::Owned(format!("Open {}", path.display())),
            Action::OpenWith(path, ProjectChoice::Relink) => {
                return Cow::Owned(format!("Open {} and link the labels to it", path.display()));
            }
            Action::OpenWith(path, ProjectChoice::Separate) => {
                return Cow::Owned(format!("Open {} with a separate project", path.display()));
            }
            Action::OpenWith(_, ProjectChoice::At(project)) => {
                return Cow::Owned(format!("Open {}", project.display()));
            }
            Action::RetryWriting => "Try to save again",
            Action::SaveProjectCopy(path) => return Cow::Owned(format!("Copy the project to {}", path.display())),
            Action::NextClip => "Next clip in this folder",
            Action::SaveMasks => "Save masks",
            Action::SaveMasksTo(path) => return Cow::Owned(format!("Save masks to {}", path.display())),
            Action::ImportClasses(path) => return Cow::Owned(format!("Import classes from {}", path.display())),
            Action::Quit => "Quit",
            Action::QuitAnyway => "Quit without saving",
            Action::Undo => "Undo",
            Action::Redo => "Redo",
            Action::ResetAll => "Reset all",
            Action::Step(1) => "Next frame",
            Action::Step(-1) => "Previous frame",
            Action::Step(by) if *by >= 0 => return Cow::Owned(format!("Forward {by} frames")),
            Action::Step(by) => return Cow::Owned(format!("Back {} frames", by.unsigned_abs())),
            Action::GoTo(frame) => return Cow::Owned(format!("Go to frame {frame}")),
            Action::First => "First frame",
            Action::Last => "Last frame",
            Action::NextPrompted => "Next prompted frame",
            Action::PreviousPrompted => "Previous prompted frame",
            Action::PlayPause => "Play or pause",
            Action::ShuttleBack => "Shuttle back",
            Action::ShuttleStop => "Stop playing",
            Action::ShuttleForward => "Shuttle forward",
            Action::ToggleLoop => "Loop the in/out range",
            Action::SetIn => "Set in point",
            Action::SetOut => "Set out point",
            Action::SetInOut(..) => "Set in/out range",
            Action::ClearInOut => "Clear in and out points",
            Action::NewObject => "New object",
            Action::SelectNth(place) => return Cow::Owned(format!("Select object {}", u32::from(*place) + 1)),
            Action::Select(id) => return Cow::Owned(format!("Select object {id}")),
            Action::NextObject => "Next object",
            Action::PreviousObject => "Previous object",
            Action::DeleteObject(_) => "Delete object",
            Action::StartRename => "Rename object",
            Action::Rename(..) => "Name object",
            Action::SetClass(..) => "Set class",
            Action::AddClass(_) => "Add class",
            Action::SetColour(..) => "Set colour",
            Action::ToggleHidden(_) => "Hide or show object",
            Action::ToggleSolo(_) => "Show only this object",
            Action::ToggleLock(_) => "Lock or unlock object",
            Action::AddPoint(_) => "Click",
            Action::MovePoint { .. } => "Move point",
            Action::DeletePoint { .. } => "Delete point",
            Action::SetBox(_) => "Draw box",
            Action::Paint(_) => "Paint mask",
            Action::UseMaskAsPrompt => "Use this mask as a prompt",
            Action::ClearPrompts => "Clear this frame's prompts",
            Action::CycleCandidate => "Next reading of the click",
            Action::ToggleApproved => "Approve frame",
            Action::ToggleRangeApproved => "Approve in/out range",
            Action::MoveCrosshair(dx, dy) => return Cow::Owned(crosshair_label(*dx, *dy)),
            Action::ClickCrosshair(PointLabel::Positive) => "Click at the crosshair",
            Action::ClickCrosshair(PointLabel::Negative) => "Exclude at the crosshair",
            Action::UseTool(tool) => return Cow::Owned(format!("{} tool", tool.label())),
            Action::BrushLarger => "Larger brush",
            Action::BrushSmaller => "Smaller brush",
            Action::Track(scope) => track_label(*scope),
            Action::TrackSelected(scope) => return Cow::Owned(format!("{} (selected object)", track_label(*scope))),
            Action::StopTracking => "Stop tracking",
            Action::LoadModel(_) => "Load model",
            Action::RetryModel => "Load the model again",
            Action::ZoomIn => "Zoom in",
            Action::ZoomOut => "Zoom out",
            Action::ZoomFit => "Zoom to fit",
            Action::ZoomActual => "Zoom to actual pixels",
            Action::ToggleOutlineOnly => "Outlines only",
            Action::ToggleOverlay => "Show or hide all masks",
            Action::SetFillOpacity(_) => "Set fill opacity",
            Action::SetOutlineWidth(_) => "Set outline width",
            Action::SetUiScale(_) => "Set interface scale",
            Action::SetTheme(Theme::Dark) => "Dark theme",
            Action::SetTheme(Theme::Light) => "Light theme",
            Action::TogglePanel(Panel::CommandPalette) => "Command palette",
            Action::TogglePanel(Panel::Help) => "Keys",
            Action::TogglePanel(Panel::Settings) => "Settings",
            Action::TogglePanel(Panel::Log) => "Log",
            Action::TogglePanel(Panel::Export) => "Export…",
            Action::DismissNotice(_) => "Dismiss notice",
            Action::Cancel => "Cancel",
        };
        Cow::Borrowed(label)
    }

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
            | Action::ToggleApproved
            | Action::ToggleRangeApproved
            | Action::Track(_)
            | Action::TrackSelected(_) => true,
            Action::Ask(_)
            | Action::Open(_)
            | Action::OpenAnyway(_)
            | Action::OpenWith(..)
            | Action::RetryWriting
            | Action::SaveProjectCopy(_)
            | Action::Export(_)
            | Action::SetExportFolder(_)
            | Action::StopExport
            | Action::NextClip
            | Action::SaveMasks
            | Action::SaveMasksTo(_)
            | Action::Quit
            | Action::QuitAnyway
            | Action::Undo
            | Action::Redo
            | Action::Step(_)
            | Action::GoTo(_)
            | Action::First
            | Action::Last
            | Action::NextPrompted
            | Action::PreviousPrompted
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

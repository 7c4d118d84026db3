//! Which actions there are: one example of every kind, and those that need nothing more said. A new action is added here,
//! to the enum and to `words.rs`.

use std::path::PathBuf;

use crate::engine::{ModelChoice, TrackDirection};
use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel};

use super::super::export::ExportRequest;
use super::{
    Action, CROSSHAIR_FINE_STEP, CROSSHAIR_STEP, FileQuestion, Panel, ProjectChoice, Theme, Tool, TourMove, TrackScope,
};

impl Action {
    /// One example of every kind, for sweeps, the palette and the key sheet.
    pub fn all() -> Vec<Action> {
        let mut all = Self::without_arguments();
        let id = ObjectId(1);
        let point = Point { x: 1.0, y: 1.0, label: PointLabel::Positive };
        let size = crate::label::FrameSize { width: 2, height: 2 };
        all.extend([
            Action::Open(PathBuf::from("clip.mp4")),
            Action::OpenAnyway(PathBuf::from("clip.mp4"), None, ProjectChoice::Own),
            Action::OpenWith(PathBuf::from("clip.mp4"), Some(1), ProjectChoice::Own),
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
            Action::SaveMasksAnyway(PathBuf::from("masks")),
            Action::ImportClasses(PathBuf::from("classes.txt")),
            Action::GoTo(FrameIdx(0)),
            Action::AskAgain(id, FrameIdx(0)),
            Action::SetInOut(FrameIdx(0), FrameIdx(1)),
            Action::Select(id),
            Action::Rename(id, "name".to_owned()),
            Action::SetClass(id, Some("class".to_owned())),
            Action::AddClass("class".to_owned()),
            Action::RenameClass("class".to_owned(), "kind".to_owned()),
            Action::RemoveClass("class".to_owned()),
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
            Action::UseModel("starter".to_owned()),
            Action::GetModel("sam2.1_hiera_tiny".to_owned()),
            Action::CheckModel("sam2.1_hiera_tiny".to_owned()),
            Action::MeasureModel("sam2.1_hiera_tiny".to_owned()),
            Action::RemoveModel("sam2.1_hiera_tiny".to_owned()),
            Action::OfferModel(PathBuf::from("mine.pt")),
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
            Action::OpenSample,
            Action::NextClip,
            Action::TellSaved,
            Action::SaveMasks,
            Action::Ask(FileQuestion::SaveMasksTo),
            Action::StopSaving,
            Action::Ask(FileQuestion::SaveProjectCopy),
            Action::TogglePanel(Panel::Export),
            Action::Ask(FileQuestion::ImportLabels),
            Action::Ask(FileQuestion::ImportLabelsFolder),
            Action::StopExport,
            Action::Ask(FileQuestion::OpenModel),
            Action::Ask(FileQuestion::ImportClasses),
            Action::RetryModel,
            Action::StopModelJob,
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
            Action::NextToReview,
            Action::PreviousToReview,
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
            Action::MarkAbsent,
            Action::MarkRangeAbsent,
            Action::ClearMask,
            Action::ClearRangeMasks,
            Action::CycleCandidate,
            Action::ToggleApproved,
            Action::ToggleAllApproved,
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
            TrackScope::DamagedToo,
            TrackScope::Anew,
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
            Action::Tour(TourMove::Start),
            Action::Tour(TourMove::Next),
            Action::Tour(TourMove::End),
            Action::Cancel,
            Action::Quit,
        ]);
        all
    }
}

//! What actions and panels need to know of the app's state, gathered once per update as plain data.
//!
//! Panels and availability read this instead of the world, so both can be tested without one.

use bevy::ecs::resource::Resource;

use crate::label::{FrameIdx, ObjectId, Prompt};

use super::action::{Action, Panel, Tool, TourMove};

/// How the open clip stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClipState {
    /// None is open.
    #[default]
    None,
    /// Being indexed.
    Opening,
    /// Open.
    Open,
}

/// How the model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelState {
    /// None was chosen.
    #[default]
    None,
    /// Being loaded.
    Loading,
    /// Ready.
    Ready,
    /// Could not be loaded, or died.
    Failed,
}

/// The facts.
#[derive(Debug, Clone, PartialEq, Default, Resource)]
pub struct AppFacts {
    /// The clip.
    pub clip: ClipState,
    /// Frames of the clip; 0 without one.
    pub frame_count: u32,
    /// The current frame.
    pub frame: FrameIdx,
    /// Whether the current frame is damaged.
    pub is_damaged: bool,
    /// Whether it could not be read at all: there is no picture to click on.
    pub is_unreadable: bool,
    /// The longest side of a picture that can be shown, where the clip's is longer: there is no picture to click on.
    pub largest_side: Option<u32>,
    /// The in/out range, both ends included.
    pub in_out: Option<(FrameIdx, FrameIdx)>,
    /// Whether it plays.
    pub is_playing: bool,
    /// The objects, in order.
    pub objects: Vec<ObjectId>,
    /// Those that are locked.
    pub locked: Vec<ObjectId>,
    /// The selected object.
    pub selected: Option<ObjectId>,
    /// Whether it is locked.
    pub is_selected_locked: bool,
    /// Whether it is hidden.
    pub is_selected_hidden: bool,
    /// Whether any object has a prompt on any frame.
    pub has_prompts: bool,
    /// What is said about the selected object on the current frame.
    pub prompt_here: Option<std::sync::Arc<Prompt>>,
    /// Whether the selected object has a mask on the current frame.
    pub has_mask_here: bool,
    /// Whether that mask is approved.
    pub is_approved_here: bool,
    /// Whether the selected object has masks in the in/out range.
    pub has_masks_in_range: bool,
    /// Whether any object that is not locked has a mask on the current frame.
    pub has_free_mask_here: bool,
    /// Candidates of a first click to choose among, on the current frame.
    pub candidates_here: usize,
    /// Frames with prompts before and after the current one.
    pub prompted_before: bool,
    /// After.
    pub prompted_after: bool,
    /// Whether any mask exists.
    pub has_masks: bool,
    /// Whether a model is being downloaded, checked or measured.
    pub has_model_job: bool,
    /// Whether the first-run tour is going on.
    pub is_touring: bool,
    /// Whether a run has made any mask; known while touring.
    pub has_tracked: bool,
    /// Whether an object has prompts on more than one frame; known while touring.
    pub has_correction: bool,
    /// Whether any mask is stale; known while touring.
    pub has_stale: bool,
    /// What undo would take back.
    pub undo: Option<String>,
    /// What redo would make again.
    pub redo: Option<String>,
    /// The model.
    pub model: ModelState,
    /// Whether a run is going on.
    pub is_tracking: bool,
    /// Whether masks are being written.
    pub is_saving: bool,
    /// Whether a dataset is being written or read.
    pub is_exporting: bool,
    /// Whether the project can only be read.
    pub is_read_only: bool,
    /// Whether there is a project.
    pub has_project: bool,
    /// The tool in hand.
    pub tool: Tool,
    /// Whether the crosshair of keyboard and gamepad is in use.
    pub is_crosshair_shown: bool,
    /// Whether it has set the first corner of a box.
    pub has_first_corner: bool,
    /// Whether a next clip lies in the folder.
    pub has_next_clip: bool,
    /// Whether a model was chosen that could be loaded again.
    pub can_retry_model: bool,
    /// The open panel.
    pub panel: Option<Panel>,
    /// Whether all masks are out of sight.
    pub is_overlay_off: bool,
    /// The only object that is shown.
    pub solo: Option<ObjectId>,
}

const NO_CLIP: Option<&str> = Some("Open a clip first");
const OPENING: Option<&str> = Some("The clip is still being opened");

impl AppFacts {
    /// Why `action` cannot be done; see [`Action::unavailable_because`].
    pub(super) fn why_not(&self, action: &Action) -> Option<&'static str> {
        if self.is_read_only && (action.is_undoable() || matches!(action, Action::Undo | Action::Redo)) {
            return Some("This project is open for reading only; save a copy of it and open that");
        }
        if self.clip == ClipState::Opening
            && (action.is_undoable() || matches!(action, Action::Undo | Action::Redo | Action::Select(_)))
        {
            // The labels of the clip before are still there, and out of sight.
            return OPENING;
        }
        match action {
            Action::Ask(super::action::FileQuestion::SaveProjectCopy)
            | Action::SaveProjectCopy(_)
            | Action::RetryWriting => if_none(self.has_project, "No project is open"),
            Action::TogglePanel(super::action::Panel::Export)
            | Action::Ask(super::action::FileQuestion::ExportTo)
            | Action::Export(_)
            | Action::Ask(
                super::action::FileQuestion::ImportLabels | super::action::FileQuestion::ImportLabelsFolder,
            )
            | Action::ImportLabels(_) => {
                self.needs_clip().or(if_none(!self.is_exporting, "A dataset is being written or read; stop that first"))
            }
            Action::StopExport => if_none(self.is_exporting, "No dataset is being written or read"),
            Action::UseMaskAsPrompt => self
                .needs_selected()
                .or(if_none(self.has_mask_here, "The selected object has no mask on this frame"))
                .or(self.why_not_change_here()),
            Action::Ask(super::action::FileQuestion::SaveMasksTo)
            | Action::SaveMasks
            | Action::SaveMasksTo(_)
            | Action::SaveMasksAnyway(_) => self.needs_clip().or(self.why_not_save()),
            Action::TellSaved => self.needs_clip(),
            Action::StopSaving => if_none(self.is_saving, "No masks are being written"),
            Action::NextClip => {
                self.needs_clip().or(if self.has_next_clip { None } else { Some("This is the folder's last clip") })
            }
            Action::Undo => if_none(self.undo.is_some(), "Nothing to undo"),
            Action::Redo => if_none(self.redo.is_some(), "Nothing to redo"),
            Action::ResetAll => if_none(!self.objects.is_empty(), "There is nothing to reset"),
            Action::Step(_)
            | Action::GoTo(_)
            | Action::First
            | Action::Last
            | Action::PlayPause
            | Action::ShuttleBack
            | Action::ShuttleStop
            | Action::ShuttleForward
            | Action::ToggleLoop
            | Action::SetIn
            | Action::SetOut
            | Action::SetInOut(..)
            | Action::NewObject
            | Action::MoveCrosshair(..)
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::ZoomFit
            | Action::ZoomActual => self.needs_clip(),
            Action::ClearInOut => self.needs_clip().or(if_none(self.in_out.is_some(), "No in or out point is set")),
            Action::NextToReview | Action::PreviousToReview => {
                self.needs_clip().or(if_none(self.has_masks, "There are no masks yet"))
            }
            Action::NextPrompted => if_none(self.prompted_after, "No prompted frame after this one"),
            Action::PreviousPrompted => if_none(self.prompted_before, "No prompted frame before this one"),
            Action::SelectNth(place) => self.needs(ObjectId(u32::from(*place) + 1)),
            Action::Select(id) => self.needs(*id),
            Action::NextObject | Action::PreviousObject => if_none(!self.objects.is_empty(), "There is no object yet"),
            Action::DeleteObject(which) => {
                let is_locked = which.or(self.selected).is_some_and(|id| self.locked.contains(&id));
                self.needs_target(*which).or(if_none(!is_locked, "The object is locked; unlock it first"))
            }
            Action::StartRename => {
                self.needs_selected().or(if_none(!self.is_selected_locked, "The object is locked; unlock it first"))
            }
            Action::ToggleHidden(which) | Action::ToggleSolo(which) | Action::ToggleLock(which) => {
                self.needs_target(*which)
            }
            Action::Rename(id, _) | Action::SetClass(id, _) | Action::SetColour(id, _) => self.needs(*id),
            // Clicking, drawing and painting make an object when there is none.
            Action::ClickCrosshair(_) if self.tool == Tool::Select => self.needs_clip(),
            Action::ClickCrosshair(_) | Action::AddPoint(_) | Action::SetBox(_) | Action::Paint(_) => {
                self.needs_clip().or(self.why_not_change_here())
            }
            Action::MovePoint { .. } | Action::DeletePoint { .. } => {
                let has_points =
                    matches!(self.prompt_here.as_deref(), Some(Prompt::Clicks { points, .. }) if !points.is_empty());
                self.needs_selected().or(if_none(has_points, "There is no point here")).or(self.why_not_change_here())
            }
            Action::ClearPrompts => self
                .needs_selected()
                .or(if_none(self.prompt_here.is_some(), "The selected object has no prompt on this frame"))
                .or(self.why_not_change_here()),
            Action::MarkAbsent => self.needs_selected().or(self.why_not_change_here()),
            Action::ClearMask => self
                .needs_selected()
                .or(if_none(
                    self.has_mask_here || self.prompt_here.is_some(),
                    "The selected object has no mask on this frame",
                ))
                .or(self.why_not_change_here()),
            // Of a range, approved frames are left out.
            Action::MarkRangeAbsent => self.needs_selected().or(self.needs_range()).or(self.why_not_edit()),
            Action::ClearRangeMasks => self
                .needs_selected()
                .or(self.needs_range())
                .or(if_none(self.has_masks_in_range, "The selected object has no masks in the range"))
                .or(self.why_not_edit()),
            Action::CycleCandidate => self
                .needs_selected()
                .or(if_none(self.candidates_here > 1, "Only a single first click has several candidates"))
                .or(self.why_not_change_here()),
            Action::ToggleApproved => self
                .needs_selected()
                .or(if_none(self.has_mask_here, "The selected object has no mask on this frame"))
                .or(if_none(!self.is_selected_locked, "The object is locked")),
            Action::ToggleAllApproved => {
                self.needs_clip().or(if_none(self.has_free_mask_here, "No object that is not locked has a mask here"))
            }
            Action::ToggleRangeApproved => self
                .needs_selected()
                .or(if_none(self.has_masks_in_range, "The selected object has no masks in the range"))
                .or(if_none(!self.is_selected_locked, "The object is locked")),
            Action::AskAgain(id, _) => self.needs_clip().or(self.needs(*id)),
            Action::Track(_) => self.why_not_track(),
            Action::TrackSelected(_) => self.needs_selected().or(self.why_not_track()),
            Action::StopTracking => if_none(self.is_tracking, "Nothing is being tracked"),
            Action::RetryModel => if_none(self.can_retry_model, "No model has failed"),
            Action::StopModelJob => if_none(self.has_model_job, "Nothing is going on with a model's file"),
            Action::GetModel(_) | Action::CheckModel(_) => {
                if_none(!self.has_model_job, "One model at a time: something is going on with a model's file")
            }
            Action::MeasureModel(_) => if_none(!self.has_model_job, "One model at a time")
                .or(if_none(!self.is_tracking, "A run is going on: it and the measurement would slow each other down")),
            Action::Tour(TourMove::Next | TourMove::End) => if_none(self.is_touring, "The tour is over"),
            Action::Ask(_)
            | Action::Open(_)
            | Action::OpenAnyway(..)
            | Action::OpenWith(..)
            | Action::OpenSample
            | Action::ImportClasses(_)
            | Action::Quit
            | Action::QuitAnyway
            | Action::AddClass(_)
            | Action::RenameClass(..)
            | Action::RemoveClass(_)
            | Action::UseTool(_)
            | Action::BrushLarger
            | Action::BrushSmaller
            | Action::LoadModel(_)
            | Action::UseModel(_)
            | Action::RemoveModel(_)
            | Action::OfferModel(_)
            | Action::ToggleOutlineOnly
            | Action::ToggleOverlay
            | Action::SetFillOpacity(_)
            | Action::SetOutlineWidth(_)
            | Action::SetUiScale(_)
            | Action::SetTheme(_)
            | Action::TogglePanel(_)
            | Action::SetExportFolder(_)
            | Action::Tour(TourMove::Start)
            | Action::DismissNotice(_)
            | Action::Cancel => None,
        }
    }

    fn needs_clip(&self) -> Option<&'static str> {
        match self.clip {
            ClipState::Open => None,
            ClipState::None => NO_CLIP,
            ClipState::Opening => OPENING,
        }
    }

    fn needs(&self, id: ObjectId) -> Option<&'static str> {
        if_none(self.objects.contains(&id), "There is no such object")
    }

    fn needs_selected(&self) -> Option<&'static str> {
        let reason = if self.objects.is_empty() { "Make an object first" } else { "Select an object first" };
        if self.selected.is_some() { None } else { self.needs_clip().or(Some(reason)) }
    }

    fn needs_target(&self, which: Option<ObjectId>) -> Option<&'static str> {
        which.map_or_else(|| self.needs_selected(), |id| self.needs(id))
    }

    fn why_not_edit(&self) -> Option<&'static str> {
        if_none(!self.is_selected_locked, "The object is locked; unlock it first")
    }

    fn why_not_change_here(&self) -> Option<&'static str> {
        self.why_not_edit().or(if_none(!self.is_approved_here, "This frame is approved; take that back first"))
    }

    fn needs_range(&self) -> Option<&'static str> {
        if_none(self.in_out.is_some(), "Set in and out points first")
    }

    fn why_not_save(&self) -> Option<&'static str> {
        if_none(!self.is_saving, "Masks are being written").or(if_none(self.has_masks, "There are no masks yet"))
    }

    fn why_not_track(&self) -> Option<&'static str> {
        self.needs_clip()
            .or(match self.model {
                ModelState::Ready => None,
                ModelState::None => Some("Load a model first"),
                ModelState::Loading => Some("The model is still loading"),
                ModelState::Failed => Some("The model failed; load it again or choose another"),
            })
            .or(if_none(self.has_prompts, "Click an object first"))
    }
}

/// `None` when `holds`, else the reason.
fn if_none(holds: bool, reason: &'static str) -> Option<&'static str> {
    if holds { None } else { Some(reason) }
}

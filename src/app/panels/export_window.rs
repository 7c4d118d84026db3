//! The export dialog: as what, which frames and objects, where to. Says in one line what the chosen format is.

use std::path::PathBuf;

use bevy_egui::egui::{Button, ComboBox, DragValue, Grid, RichText, TextEdit, Ui, Vec2};

use super::super::action::{Action, FileQuestion, TrackScope};
use super::super::export::ExportRequest;
use super::UiContext;
use crate::formats::{FormatId, FrameChoice, FramesWith, ImageChoice, OverlayStyle};
use crate::label::ObjectId;

/// What was chosen so far.
#[derive(Debug)]
pub struct ExportDraft {
    format: FormatId,
    /// What was typed or picked; the proposal follows the format until then.
    folder: Option<String>,
    frames: FramesWith,
    every: u32,
    is_in_range: bool,
    is_selected_only: bool,
    images: ImageChoice,
    overlay: OverlayStyle,
    overwrite: bool,
}

impl Default for ExportDraft {
    fn default() -> Self {
        ExportDraft {
            format: FormatId::Coco,
            folder: None,
            frames: FramesWith::Anything,
            every: 1,
            is_in_range: false,
            is_selected_only: false,
            images: ImageChoice::None,
            overlay: OverlayStyle::default(),
            overwrite: false,
        }
    }
}

impl ExportDraft {
    /// For another clip: a folder that was chosen for one, and leave to replace what is there, mean nothing for the next.
    pub fn begin_clip(&mut self) {
        (self.folder, self.overwrite) = (None, false);
    }

    /// A folder was picked.
    pub fn set_folder(&mut self, folder: PathBuf) {
        self.folder = Some(folder.display().to_string());
    }
}

/// What it shows of the clip and its labels.
pub struct ExportView<'a> {
    /// The folder for a format when none was chosen.
    pub proposed: &'a dyn Fn(FormatId) -> PathBuf,
    /// How many masks of an object, of all without one, are stale on the frames of a choice.
    pub stale: &'a dyn Fn(Option<ObjectId>, FrameChoice) -> usize,
}

/// Draws it.
pub fn export_ui(ui: &mut Ui, cx: &UiContext, view: &ExportView, draft: &mut ExportDraft, actions: &mut Vec<Action>) {
    Grid::new("export").num_columns(2).spacing([24.0, 8.0]).show(ui, |ui| {
        ui.label("Format");
        ComboBox::from_id_salt("format").selected_text(draft.format.name()).width(220.0).show_ui(ui, |ui| {
            for format in FormatId::ALL {
                ui.selectable_value(&mut draft.format, format, format.name()).on_hover_text(format.description());
            }
        });
        ui.end_row();
        ui.label("");
        ui.label(RichText::new(draft.format.description()).color(cx.colours().quiet));
        ui.end_row();
        ui.label("Frames");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut draft.frames, FramesWith::Anything, "all");
            ui.selectable_value(&mut draft.frames, FramesWith::Masks, "with masks");
            ui.selectable_value(&mut draft.frames, FramesWith::Approved, "approved");
            ui.label("every");
            ui.add(DragValue::new(&mut draft.every).range(1..=10_000)).on_hover_text("Every n-th frame, from frame 0");
        });
        ui.end_row();
        ui.label("");
        ui.add_enabled_ui(cx.facts.in_out.is_some(), |ui| ui.checkbox(&mut draft.is_in_range, "In/out range only"));
        ui.end_row();
        ui.label("Objects");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut draft.is_selected_only, false, "all");
            ui.add_enabled_ui(cx.facts.selected.is_some(), |ui| {
                ui.selectable_value(&mut draft.is_selected_only, true, "the selected one");
            });
        });
        ui.end_row();
        ui.label("Pictures");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut draft.images, ImageChoice::None, "none");
            ui.selectable_value(&mut draft.images, ImageChoice::Png, "PNG, exact");
            ui.selectable_value(&mut draft.images, ImageChoice::Jpeg, "JPEG, smaller");
        });
        ui.end_row();
        if draft.format == FormatId::Overlay {
            ui.label("Shows");
            ui.horizontal(|ui| {
                ui.selectable_value(&mut draft.overlay, OverlayStyle::Tint, "tinted objects");
                ui.selectable_value(&mut draft.overlay, OverlayStyle::Matte, "white on black");
                ui.selectable_value(&mut draft.overlay, OverlayStyle::CutOut, "objects cut out");
            });
            ui.end_row();
        }
        ui.label("Folder");
        folder_ui(ui, cx, draft, view.proposed, actions);
        ui.end_row();
        ui.label("");
        ui.checkbox(&mut draft.overwrite, "Replace an earlier export there");
        ui.end_row();
    });
    let range = cx.facts.in_out.filter(|_| draft.is_in_range);
    let selected = cx.facts.selected.filter(|_| draft.is_selected_only);
    stale_ui(ui, cx, (view.stale)(selected, FrameChoice { with: draft.frames, every: draft.every, range }));
    ui.add_space(16.0);
    let folder = draft.folder.clone().map_or_else(|| (view.proposed)(draft.format), PathBuf::from);
    let request = ExportRequest {
        format: draft.format,
        folder,
        frames: draft.frames,
        every: draft.every,
        is_in_range: draft.is_in_range && cx.facts.in_out.is_some(),
        is_selected_only: draft.is_selected_only && cx.facts.selected.is_some(),
        images: draft.images,
        overlay: draft.overlay,
        overwrite: draft.overwrite,
    };
    let button = Button::new(RichText::new("Export").color(cx.colours().on_accent)).fill(cx.colours().accent);
    // In a row, so that the button's text stands in its middle.
    ui.horizontal(|ui| {
        cx.action_widget(ui, button.min_size(Vec2::new(120.0, 32.0)), Action::Export(Box::new(request)), actions);
    });
}

/// Masks that would go out other than the prompts say.
fn stale_ui(ui: &mut Ui, cx: &UiContext, stale: usize) {
    if stale == 0 {
        return;
    }
    let key = (cx.shortcut)(&Action::Track(TrackScope::StaleOrMissing)).map(|keys| format!(" ({keys})"));
    let be = if stale == 1 { "is" } else { "are" };
    let key = key.unwrap_or_default();
    let text = format!("{stale} of these masks {be} stale: the prompts have changed since. Track first{key}.");
    ui.add_space(8.0);
    ui.label(RichText::new(text).color(cx.colours().amber));
}

fn folder_ui(
    ui: &mut Ui,
    cx: &UiContext,
    draft: &mut ExportDraft,
    proposed: &dyn Fn(FormatId) -> PathBuf,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        let mut text = draft.folder.clone().unwrap_or_else(|| proposed(draft.format).display().to_string());
        if ui.add(TextEdit::singleline(&mut text).desired_width(360.0)).changed() {
            draft.folder = Some(text);
        }
        cx.action_widget(ui, Button::new("Browse…"), Action::Ask(FileQuestion::ExportTo), actions);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_clip_keeps_the_format_and_nothing_that_could_overwrite() {
        let mut draft = ExportDraft { format: FormatId::Yolo, overwrite: true, ..ExportDraft::default() };
        draft.set_folder(PathBuf::from("first_clip"));
        draft.begin_clip();
        assert_eq!((draft.format, draft.folder, draft.overwrite), (FormatId::Yolo, None, false));
    }
}

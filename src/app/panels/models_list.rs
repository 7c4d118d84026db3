//! The models in the settings: what each is good for, whether it is here, and the way to get it.

use bevy_egui::egui::{Align, Button, Label, Layout, ProgressBar, Response, RichText, Ui, Vec2};
use egui_phosphor::regular as icon;

use super::super::action::Action;
use super::super::model_files::{ModelJob, in_words, secs};
use super::UiContext;
use crate::models::{Progress, Speed};

/// A model of the list.
pub struct ModelRow<'a> {
    /// Its name.
    pub id: &'a str,
    /// What it is good for.
    pub good_for: &'a str,
    /// Size in megabytes; `None` when it ships in the program.
    pub megabytes: Option<f64>,
    /// Whether it can be used now.
    pub is_here: bool,
    /// Whether it is the one in use.
    pub is_in_use: bool,
    /// What it costs here, where it was measured.
    pub speed: Option<Speed>,
    /// Where it comes from, to be read before it is downloaded.
    pub terms: Option<String>,
}

/// What it shows.
pub struct ModelsView<'a> {
    /// The models.
    pub rows: Vec<ModelRow<'a>>,
    /// What is being done with one.
    pub job: Option<ModelJob<'a>>,
}

/// What is being asked about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// Whether to download it; its terms are being read.
    Get(String),
    /// Whether to remove its file.
    Remove(String),
}

/// Draws it. `asking` is the question that is open.
pub fn models_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &ModelsView,
    asking: &mut Option<Asking>,
    actions: &mut Vec<Action>,
) {
    for row in &view.rows {
        ui.horizontal(|ui| {
            ui.set_min_height(24.0);
            let mark = if row.is_in_use { icon::CHECK } else { " " };
            cell(ui, 16.0, RichText::new(mark).color(cx.colours().accent));
            cell(ui, 168.0, RichText::new(row.id));
            let size = row.megabytes.map_or_else(|| "ships with it".to_owned(), |mb| format!("{mb:.0} MB"));
            cell(ui, 76.0, RichText::new(size).color(cx.colours().quiet));
            let (cost, hint) = match row.speed {
                Some(speed) => (format!("{} a frame", secs(speed.tracked_frame_ms)), Some(in_words(speed))),
                None => (String::new(), None),
            };
            let cost = cell(ui, 92.0, RichText::new(cost).color(cx.colours().quiet));
            if let Some(hint) = hint {
                cost.on_hover_text(hint);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                buttons_ui(ui, cx, view, row, asking, actions);
                let text = RichText::new(row.good_for).color(cx.colours().quiet);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(text).truncate()).on_hover_text(row.good_for);
                });
            });
        });
        if let Some(job) = view.job.as_ref().filter(|job| job.id == row.id) {
            job_ui(ui, cx, job, actions);
        }
        let question = match asking {
            Some(Asking::Get(id)) if id == row.id => {
                row.terms.clone().map(|terms| (terms, "Download", Action::GetModel(id.clone())))
            }
            Some(Asking::Remove(id)) if id == row.id && row.is_here => {
                let size = row.megabytes.map_or_else(String::new, |mb| format!(" {mb:.0} MB,"));
                let text = format!(
                    "This deletes the file,{size} from this computer. To use the model again it must be downloaded again."
                );
                Some((text, "Remove", Action::RemoveModel(id.clone())))
            }
            Some(Asking::Get(_) | Asking::Remove(_)) | None => None,
        };
        let Some((text, verb, action)) = question else { continue };
        ui.indent(row.id, |ui| {
            ui.label(text);
            ui.horizontal(|ui| {
                if cx.action_widget(ui, Button::new(verb), action, actions).clicked() || ui.button("Cancel").clicked() {
                    *asking = None;
                }
            });
        });
    }
}

/// A text at the left of a column of this width.
fn cell(ui: &mut Ui, width: f32, text: RichText) -> Response {
    let column = |ui: &mut Ui| {
        ui.set_min_width(width);
        ui.add(Label::new(text).truncate())
    };
    ui.allocate_ui_with_layout(Vec2::new(width, 16.0), Layout::left_to_right(Align::Center), column).inner
}

fn buttons_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &ModelsView,
    row: &ModelRow,
    asking: &mut Option<Asking>,
    actions: &mut Vec<Action>,
) {
    let is_under_way = view.job.as_ref().is_some_and(|job| job.id == row.id);
    let id = || row.id.to_owned();
    if row.is_here {
        if row.megabytes.is_some() {
            if !row.is_in_use {
                // Hundreds of megabytes are not to go by a slip of the hand: this click only asks.
                let remove = Action::RemoveModel(id());
                let trash = Button::new(RichText::new(icon::TRASH).size(16.0)).frame(false).min_size(Vec2::splat(24.0));
                let trash = ui.add(trash).on_hover_text(remove.label());
                cx.name(&trash, &remove);
                if trash.clicked() {
                    *asking = Some(Asking::Remove(id()));
                }
            }
            cx.icon_button(ui, icon::SEAL_CHECK, Action::CheckModel(id()), actions);
        }
        cx.icon_button(ui, icon::GAUGE, Action::MeasureModel(id()), actions);
        if !row.is_in_use {
            cx.action_widget(ui, Button::new("Use"), Action::UseModel(id()), actions);
        }
    } else if !is_under_way {
        // The terms come first; nothing is downloaded by this click.
        let get = ui.add_enabled(view.job.is_none(), Button::new("Get…"));
        if get.clicked() {
            *asking = Some(Asking::Get(id()));
        }
    }
}

fn job_ui(ui: &mut Ui, cx: &UiContext, job: &ModelJob, actions: &mut Vec<Action>) {
    let measuring = || (None, "measuring it, which takes up to a minute…".to_owned());
    let (share, text) = job.progress.map_or_else(measuring, progress_text);
    ui.horizontal(|ui| {
        ui.add_space(24.0);
        if let Some(share) = share {
            ui.add(ProgressBar::new(share).fill(cx.colours().accent).desired_width(160.0).desired_height(12.0));
        }
        ui.label(RichText::new(text).color(cx.colours().quiet));
        cx.action_widget(ui, Button::new("Stop"), Action::StopModelJob, actions);
    });
}

/// The share that is done, and what is going on.
pub fn progress_text(progress: &Progress) -> (Option<f32>, String) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match progress {
        Progress::Connecting => (None, "asking the server…".to_owned()),
        Progress::Downloading { done, total, bytes_per_second } => {
            let speed =
                if *bytes_per_second > 0.0 { format!(", {:.1} MB/s", bytes_per_second / 1e6) } else { String::new() };
            match total {
                Some(total) => (
                    Some(*done as f32 / (*total).max(1) as f32),
                    format!("{:.0} of {:.0} MB{speed}", megabytes(*done), megabytes(*total)),
                ),
                None => (None, format!("{:.0} MB{speed}", megabytes(*done))),
            }
        }
        Progress::Retrying { reason, wait } => {
            (None, format!("{reason}; trying again in {:.0} s", wait.as_secs_f32().ceil()))
        }
        Progress::Checking { done, total } => {
            (Some(*done as f32 / (*total).max(1) as f32), "checking the file…".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_megabytes() {
        let half = Progress::Downloading { done: 78_000_000, total: Some(156_000_000), bytes_per_second: 2.5e6 };
        assert_eq!(progress_text(&half), (Some(0.5), "78 of 156 MB, 2.5 MB/s".to_owned()));
        let unknown = Progress::Downloading { done: 1_000_000, total: None, bytes_per_second: 0.0 };
        assert_eq!(progress_text(&unknown), (None, "1 MB".to_owned()));
    }
}

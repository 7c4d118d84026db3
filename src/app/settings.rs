use bevy::prelude::Resource;
use std::path::Path;
#[derive(Resource, Debug, Clone, Default)]
pub struct Settings { pub theme: super::action::Theme, pub ui_scale: f32, pub fill_opacity: f32, pub outline_width: f32, pub outline_only: bool }
impl Settings { pub fn add_recent(&mut self, _: &Path) {} pub fn remember_model(&mut self, _: &crate::engine::ModelChoice) {} }

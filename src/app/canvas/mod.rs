//! The picture and the masks, on the GPU.
//!
//! The app writes what is to be seen into [`Canvas`] in each update; the systems of [`CanvasSet`] compare it with what is
//! on the GPU and upload only what differs: planes of the frame (`planes.rs`), one label map of all masks
//! (`label_map.rs`), a preview mask. One quad and one shader (`material.rs`, `overlay.wgsl`) put them together, so
//! recolouring, selecting, zooming and panning upload no pixels at all; a second quad is the minimap.
//!
//! Draws nothing but picture, masks and pixel grid: markers, boxes and the minimap's frame are egui's. Must not read
//! input, and must not know actions, the engine or the video thread.

mod colour_transform;
mod label_map;
mod material;
mod planes;
mod textures;
mod view;

use std::sync::Arc;

use bevy::asset::AssetEventSystems;
use bevy::camera::visibility::{NoFrustumCulling, RenderLayers};
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::prelude::*;
use bevy::render::renderer::RenderDevice;
use bevy::sprite_render::Material2dPlugin;

pub use colour_transform::{ColourTransform, chroma_placement};
pub use label_map::{LabelMap, MAX_DEPTH, MAX_SLOT};
pub use view::{FrameRect, TexelsFromPixels, ViewTransform};

use crate::label::{FrameSize, Mask, ObjectId};
use crate::video::{Frame, RgbImage};
use material::{OverlayMaterial, update_materials};
use textures::{CanvasTextures, upload_frame, upload_label_map, upload_preview};

/// The render layer of the canvas's camera and quads. Other cameras on the window, egui's for one, do not see it and so
/// do not draw the picture a second time over what the canvas camera drew.
pub const CANVAS_RENDER_LAYER: usize = 1;

/// One object's mask on the shown frame.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Whose it is.
    pub object: ObjectId,
    /// Where it is. Compared by pointer: a changed mask is another `Arc`.
    pub mask: Arc<Mask>,
    /// sRGB.
    pub colour: [u8; 3],
    /// Hidden layers are as if they were not there.
    pub is_visible: bool,
    /// Fuller fill, wider outline with a dark halo.
    pub is_selected: bool,
    /// Brighter.
    pub is_hovered: bool,
    /// Stale, or another object is soloed: fainter, hatched.
    pub is_dimmed: bool,
}

/// How masks look. Opacities from 0 to 1, widths in points, colours in sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct CanvasStyle {
    /// Fill of objects that are not selected.
    pub fill_opacity: f32,
    /// Fill of the selected object.
    pub selected_fill_opacity: f32,
    /// All outlines.
    pub outline_opacity: f32,
    /// Outline of objects that are not selected.
    pub outline_width: f32,
    /// Outline of the selected object; its halo adds one point.
    pub selected_outline_width: f32,
    /// No fills at all.
    pub is_outline_only: bool,
    /// Lines between frame pixels where those are large enough.
    pub is_grid_shown: bool,
    /// Around the picture.
    pub background: [u8; 3],
    /// The hover preview; `None` takes the selected layer's colour, or white without one.
    pub preview_colour: Option<[u8; 3]>,
}

impl Default for CanvasStyle {
    fn default() -> Self {
        CanvasStyle {
            fill_opacity: 0.25,
            selected_fill_opacity: 0.45,
            outline_opacity: 1.0,
            outline_width: 1.0,
            selected_outline_width: 2.0,
            is_outline_only: false,
            is_grid_shown: true,
            background: [24, 24, 26],
            preview_colour: None,
        }
    }
}

/// What is to be seen. Written by the app in each update, read by the systems of [`CanvasSet`].
#[derive(Resource, Debug, Clone, Default)]
pub struct Canvas {
    /// The picture; the last good one stays while the next is decoded. Compared by pointer.
    pub frame: Option<Arc<Frame>>,
    /// The same as RGB, where the shader cannot make that of its planes: HDR. Without it the canvas makes it itself, which
    /// holds the window up.
    pub rgb: Option<Arc<RgbImage>>,
    /// Masks on that frame, bottom first. Beyond [`MAX_SLOT`] the lowest are not drawn.
    pub layers: Vec<Layer>,
    /// What a click here would give. Compared by pointer.
    pub preview: Option<Arc<Mask>>,
    /// How masks look.
    pub style: CanvasStyle,
    /// Which part of the frame is shown. The canvas places it with `rect` and `pixels_per_point` before it draws.
    pub view: ViewTransform,
    /// The canvas in logical window pixels; empty hides it.
    pub rect: Rect,
    /// Physical pixels per logical one; 0 counts as 1.
    pub pixels_per_point: f32,
    /// The wanted frame is still being decoded: what is shown is dimmed a little.
    pub is_waiting: bool,
    /// The frame is damaged: hatched.
    pub is_damaged: bool,
    /// Where the minimap goes, in logical window pixels.
    pub minimap: Option<Rect>,
}

/// The longest side of a picture that the graphics device can hold, in pixels. A larger one would take the program down,
/// so it is not shown; whoever writes [`Canvas`] says why.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargestPicture(pub u32);

impl LargestPicture {
    /// Whether a picture of this size can be shown.
    pub fn fits(self, size: FrameSize) -> bool {
        size.width.max(size.height) <= self.0
    }
}

/// Uploads since the start, for tests and the debug panel.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadCounts {
    /// Pictures.
    pub frames: u64,
    /// Label maps.
    pub label_maps: u64,
    /// Hover previews.
    pub previews: u64,
    /// Changes of the palette: colours, selection, hover, dimming.
    pub palettes: u64,
}

/// The canvas's systems, in `PostUpdate`; write [`Canvas`] before.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CanvasSet;

/// The camera the canvas is drawn by. Covers the whole window at order 0; panels are drawn by a camera of higher order,
/// which must also be without multisampling to share this one's picture.
#[derive(Component, Debug, Clone, Copy)]
pub struct CanvasCamera;

/// The two quads.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quad {
    /// The canvas.
    Main,
    /// The whole frame, small, in a corner.
    Minimap,
}

/// Adds [`Canvas`], [`UploadCounts`], the camera and the systems. Add it after the default plugins, or, without a GPU,
/// after `AssetPlugin`: then everything but the drawing happens.
pub struct CanvasPlugin;

impl Plugin for CanvasPlugin {
    fn build(&self, app: &mut App) {
        material::embed_shader(app);
        if !app.world().contains_resource::<Assets<Image>>() {
            app.init_asset::<Image>();
        }
        if !app.world().contains_resource::<Assets<Mesh>>() {
            app.init_asset::<Mesh>();
        }
        app.add_plugins(Material2dPlugin::<OverlayMaterial>::default())
            .init_resource::<Canvas>()
            .init_resource::<UploadCounts>()
            // Without a device nothing is drawn, so nothing is too large; what the device holds is known at the end.
            .insert_resource(LargestPicture(u32::MAX))
            .init_resource::<CanvasTextures>()
            .add_systems(Startup, spawn_canvas)
            .add_systems(
                PostUpdate,
                (upload_frame, upload_label_map, upload_preview, update_materials)
                    .chain()
                    .in_set(CanvasSet)
                    // What is changed after them reaches the GPU an update later.
                    .before(AssetEventSystems)
                    .before(bevy::camera::visibility::VisibilitySystems::VisibilityPropagate),
            );
    }

    fn finish(&self, app: &mut App) {
        if let Some(device) = app.world().get_resource::<RenderDevice>() {
            let largest = LargestPicture(device.limits().max_texture_dimension_2d);
            app.insert_resource(largest);
        }
    }
}

fn spawn_canvas(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<OverlayMaterial>>,
    textures: Res<CanvasTextures>,
) {
    let [r, g, b] = CanvasStyle::default().background;
    commands.spawn((
        CanvasCamera,
        Camera2d,
        Camera { order: 0, clear_color: ClearColorConfig::Custom(Color::srgb_u8(r, g, b)), ..default() },
        Msaa::Off,
        Tonemapping::None,
        RenderLayers::layer(CANVAS_RENDER_LAYER),
    ));
    let mesh = meshes.add(Rectangle::new(1.0, 1.0));
    for quad in [Quad::Main, Quad::Minimap] {
        commands.spawn((
            quad,
            Mesh2d(mesh.clone()),
            MeshMaterial2d(materials.add(OverlayMaterial::new(&textures))),
            RenderLayers::layer(CANVAS_RENDER_LAYER),
            // The shader places the quad; its transform means nothing.
            NoFrustumCulling,
            Visibility::Hidden,
        ));
    }
}

//! The persistent textures, and the systems that bring them up to date.
//!
//! A texture stays the same on the GPU while size and format stay, so a new frame costs one copy of its planes and no
//! allocation there. Where one had to be made anew, the materials must be told, for they hold on to the old one.

use std::sync::Arc;

use bevy::asset::RenderAssetUsages;
use bevy::image::{ImageSampler, TextureFormatPixelInfo};
use bevy::prelude::*;
use bevy::render::render_resource::{
    Extent3d, TextureDimension, TextureFormat, TextureViewDescriptor, TextureViewDimension,
};

use super::label_map::{LabelMap, MAX_SLOT};
use super::planes::{FrameReading, Texels, texels_of};
use super::{Canvas, LargestPicture, Layer, UploadCounts};
use crate::label::{FrameSize, Mask};
use crate::video::Frame;

/// The textures, and what is in them.
#[derive(Resource)]
pub(super) struct CanvasTextures {
    pub planes: [Handle<Image>; 3],
    pub label_map: Handle<Image>,
    pub preview: Handle<Image>,
    /// How the shader reads the planes.
    pub reading: FrameReading,
    /// Levels of the label map in use; 0 when no mask is visible.
    pub label_depth: usize,
    /// A texture was made anew, and the materials still hold the old one.
    pub is_any_new: bool,
    frame: Option<Arc<Frame>>,
    composed: Vec<(u8, Arc<Mask>)>,
    preview_mask: Option<Arc<Mask>>,
}

impl FromWorld for CanvasTextures {
    fn from_world(world: &mut World) -> Self {
        let mut images = world.resource_mut::<Assets<Image>>();
        let mut plane = || images.add(texture(TextureFormat::R8Unorm));
        let planes = [plane(), plane(), plane()];
        let mut label_map = texture(TextureFormat::R8Uint);
        label_map.texture_view_descriptor =
            Some(TextureViewDescriptor { dimension: Some(TextureViewDimension::D2Array), ..default() });
        CanvasTextures {
            planes,
            label_map: images.add(label_map),
            preview: images.add(texture(TextureFormat::R8Uint)),
            reading: FrameReading::default(),
            label_depth: 0,
            is_any_new: false,
            frame: None,
            composed: Vec::new(),
            preview_mask: None,
        }
    }
}

impl CanvasTextures {
    /// Whether there is a picture to show.
    pub fn frame_size(&self) -> Option<FrameSize> {
        self.frame.as_ref().map(|frame| frame.size())
    }

    /// Whether there is a preview to show.
    pub fn has_preview(&self) -> bool {
        self.preview_mask.is_some()
    }
}

/// One black texel; `RENDER_WORLD` moves pixels out to the GPU instead of keeping a second copy here.
fn texture(format: TextureFormat) -> Image {
    let size = Extent3d { width: 1, height: 1, depth_or_array_layers: 1 };
    let texel = vec![0; format.pixel_size().expect("our formats have texels of whole bytes")];
    let mut image = Image::new(size, TextureDimension::D2, texel, format, RenderAssetUsages::RENDER_WORLD);
    image.sampler = ImageSampler::linear();
    image
}

/// Puts texels into a texture; says whether that made the texture anew.
fn fill(images: &mut Assets<Image>, handle: &Handle<Image>, texels: Texels, level_count: usize) -> bool {
    let image = images.get_mut(handle).expect("the canvas holds on to its textures").into_inner();
    let FrameSize { width, height } = texels.size;
    let size = Extent3d { width, height, depth_or_array_layers: level_count as u32 };
    let is_new = image.texture_descriptor.size != size || image.texture_descriptor.format != texels.format;
    image.texture_descriptor.size = size;
    image.texture_descriptor.format = texels.format;
    image.data = Some(texels.bytes);
    is_new
}

fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Uploads the frame's planes when the frame is another one. One larger than the graphics device allows is not shown.
pub(super) fn upload_frame(
    canvas: Res<Canvas>,
    largest: Res<LargestPicture>,
    mut textures: ResMut<CanvasTextures>,
    mut images: ResMut<Assets<Image>>,
    mut counts: ResMut<UploadCounts>,
) {
    let frame = canvas.frame.as_ref().filter(|frame| largest.fits(frame.size()));
    if is_same(frame, textures.frame.as_ref()) {
        return;
    }
    textures.frame = frame.cloned();
    let Some(frame) = frame else { return };
    let (planes, reading) = texels_of(frame, canvas.rgb.as_deref());
    textures.reading = reading;
    for (number, texels) in planes.into_iter().enumerate() {
        let is_new = fill(&mut images, &textures.planes[number], texels, 1);
        textures.is_any_new |= is_new;
    }
    counts.frames += 1;
}

/// Composes and uploads the label map when a visible mask, the order or the visibility is another.
pub(super) fn upload_label_map(
    canvas: Res<Canvas>,
    mut textures: ResMut<CanvasTextures>,
    mut images: ResMut<Assets<Image>>,
    mut counts: ResMut<UploadCounts>,
) {
    let Some(size) = textures.frame_size() else {
        textures.label_depth = 0;
        textures.composed.clear();
        return;
    };
    let is_drawn = |layer: &Layer| layer.is_visible && !layer.mask.is_empty() && layer.mask.size() == size;
    let drawn = || slots(&canvas.layers).filter(|(_, layer)| is_drawn(layer));
    let is_composed = textures.composed.len() == drawn().count()
        && textures
            .composed
            .iter()
            .zip(drawn())
            .all(|((old_slot, old), (slot, layer))| *old_slot == slot && Arc::ptr_eq(old, &layer.mask));
    if is_composed {
        return;
    }
    textures.composed = drawn().map(|(slot, layer)| (slot, layer.mask.clone())).collect();
    if textures.composed.is_empty() {
        // The shader does not look at a map of no levels; the old one may stay.
        textures.label_depth = 0;
        return;
    }
    let map = LabelMap::compose(size, textures.composed.iter().map(|(slot, mask)| (*slot, mask.as_ref())));
    textures.label_depth = map.depth;
    let texels = Texels { size, format: TextureFormat::R8Uint, bytes: map.slots };
    let is_new = fill(&mut images, &textures.label_map, texels, map.depth);
    textures.is_any_new |= is_new;
    counts.label_maps += 1;
}

/// Uploads the hover preview when it is another one.
pub(super) fn upload_preview(
    canvas: Res<Canvas>,
    mut textures: ResMut<CanvasTextures>,
    mut images: ResMut<Assets<Image>>,
    mut counts: ResMut<UploadCounts>,
) {
    let size = textures.frame_size();
    let preview = canvas.preview.as_ref().filter(|mask| Some(mask.size()) == size && !mask.is_empty());
    if is_same(preview, textures.preview_mask.as_ref()) {
        return;
    }
    textures.preview_mask = preview.cloned();
    let Some(mask) = preview else { return };
    let texels = Texels { size: mask.size(), format: TextureFormat::R8Uint, bytes: mask.to_pixels() };
    let is_new = fill(&mut images, &textures.preview, texels, 1);
    textures.is_any_new |= is_new;
    counts.previews += 1;
}

/// Layers with their slots in label map and palette: the place in the list, from 1. The lowest go without one when there
/// are too many.
pub(super) fn slots(layers: &[Layer]) -> impl Iterator<Item = (u8, &Layer)> {
    let surplus = layers.len().saturating_sub(usize::from(MAX_SLOT));
    (1..=MAX_SLOT).zip(&layers[surplus..])
}

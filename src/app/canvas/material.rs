//! What the shader is told: the material of the two quads, and the system that keeps it up to date.
//!
//! `overlay.wgsl` reads [`OverlayParams`] field by field; change both together. Must not touch pixels.

use bevy::asset::embedded_asset;
use bevy::mesh::MeshVertexBufferLayoutRef;
use bevy::prelude::*;
use bevy::render::render_resource::{AsBindGroup, RenderPipelineDescriptor, ShaderType, SpecializedMeshPipelineError};
use bevy::shader::ShaderRef;
use bevy::sprite_render::{AlphaMode2d, Material2d, Material2dKey};

use super::planes::{FrameReading, PlaneKind};
use super::textures::{CanvasTextures, slots};
use super::view::{TexelsFromPixels, ViewTransform};
use super::{Canvas, Layer, Quad, UploadCounts};

const SHADER: &str = "embedded://label_hub/app/canvas/overlay.wgsl";

/// Frame pixels at least this many physical pixels wide are drawn as squares.
const NEAREST_FROM_PIXELS: f64 = 2.0;
/// A shrunken picture is averaged over at most this many samples across and down.
const MAX_TAPS: f64 = 4.0;
/// The preview's place in the palette.
const PREVIEW_SLOT: usize = 255;

/// The bits of a palette entry's fourth number.
const SELECTED: u32 = 1;
const HOVERED: u32 = 2;
const DIMMED: u32 = 4;

/// The bits of `switches.y`.
const HAS_FRAME: u32 = 1;
const HAS_PREVIEW: u32 = 2;
const GRID: u32 = 4;
const DAMAGED: u32 = 8;
const WAITING: u32 = 16;
const MINIMAP: u32 = 32;
const NEAREST: u32 = 64;

/// All the shader is told but textures. Lengths are physical pixels unless they say texels.
#[derive(ShaderType, Debug, Clone, PartialEq)]
pub(crate) struct OverlayParams {
    /// The quad on the window: left, top, right, bottom.
    rect: Vec4,
    /// Texel coordinate at the quad's corner, and texels per pixel.
    texels_from_pixels: Vec4,
    /// Texels across and down, and pixels per texel across and down.
    frame: Vec4,
    /// Samples to red, green and blue.
    rgb_rows: [Vec4; 3],
    /// Frame texels to chroma texels: scale, offset.
    chroma: Vec4,
    /// Weights of a sample's two bytes, and samples averaged per pixel across and down.
    sampling: Vec4,
    /// Fill opacities: others, selected, what hovering adds, what dimming leaves.
    fills: Vec4,
    /// Outline widths of others and selected, halo, opacity.
    lines: Vec4,
    /// Red, green, blue; pixels per point.
    background: Vec4,
    /// Levels of the label map, and switches.
    switches: UVec2,
    /// Colour and bits of each slot.
    palette: [Vec4; 256],
}

/// What the shader is compiled for: the shape of a clip's planes. Everything that may change while a clip is open is a
/// parameter instead, for a shader being compiled draws nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlaneShape {
    kind: PlaneKind,
    has_two_byte_samples: bool,
}

impl From<&OverlayMaterial> for PlaneShape {
    fn from(material: &OverlayMaterial) -> Self {
        material.shape
    }
}

/// The canvas's material: parameters and textures.
#[derive(Asset, AsBindGroup, TypePath, Debug, Clone)]
#[bind_group_data(PlaneShape)]
pub(crate) struct OverlayMaterial {
    shape: PlaneShape,
    #[uniform(0)]
    params: OverlayParams,
    #[texture(1)]
    #[sampler(2)]
    plane_0: Handle<Image>,
    #[texture(3)]
    plane_1: Handle<Image>,
    #[texture(4)]
    plane_2: Handle<Image>,
    #[texture(5, sample_type = "u_int", dimension = "2d_array")]
    label_map: Handle<Image>,
    #[texture(6, sample_type = "u_int")]
    preview: Handle<Image>,
}

impl Material2d for OverlayMaterial {
    fn vertex_shader() -> ShaderRef {
        SHADER.into()
    }

    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }

    fn alpha_mode(&self) -> AlphaMode2d {
        AlphaMode2d::Opaque
    }

    fn specialize(
        descriptor: &mut RenderPipelineDescriptor,
        _layout: &MeshVertexBufferLayoutRef,
        key: Material2dKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        let PlaneShape { kind, has_two_byte_samples } = key.bind_group_data;
        if let Some(fragment) = &mut descriptor.fragment {
            fragment.shader_defs.push(kind.shader_def().into());
            if has_two_byte_samples {
                fragment.shader_defs.push("TWO_BYTE_SAMPLES".into());
            }
        }
        Ok(())
    }
}

impl OverlayMaterial {
    pub fn new(textures: &CanvasTextures) -> Self {
        let canvas = Canvas::default();
        OverlayMaterial {
            shape: shape(&textures.reading),
            params: params(&canvas, textures, canvas.rect, &canvas.view, [Vec4::ZERO; 256], 0),
            plane_0: textures.planes[0].clone(),
            plane_1: textures.planes[1].clone(),
            plane_2: textures.planes[2].clone(),
            label_map: textures.label_map.clone(),
            preview: textures.preview.clone(),
        }
    }
}

/// Puts overlay.wgsl into the program.
pub(super) fn embed_shader(app: &mut App) {
    embedded_asset!(app, "overlay.wgsl");
}

/// Brings both materials up to date, and hides quads that have no place.
pub(super) fn update_materials(
    canvas: Res<Canvas>,
    mut textures: ResMut<CanvasTextures>,
    mut materials: ResMut<Assets<OverlayMaterial>>,
    mut counts: ResMut<UploadCounts>,
    mut quads: Query<(&Quad, &MeshMaterial2d<OverlayMaterial>, &mut Visibility)>,
    mut shown_palette: Local<Option<Box<[Vec4; 256]>>>,
) {
    let palette = palette(&canvas);
    if shown_palette.as_deref() != Some(&palette) {
        *shown_palette = Some(Box::new(palette));
        counts.palettes += 1;
    }
    let must_rebind = std::mem::take(&mut textures.is_any_new);
    for (quad, material, mut visibility) in &mut quads {
        let (rect, view, switches) = match quad {
            Quad::Main => {
                let mut view = canvas.view;
                view.set_layout(canvas.rect, canvas.pixels_per_point);
                (Some(canvas.rect), view, main_switches(&canvas))
            }
            Quad::Minimap => {
                let rect = canvas.minimap.unwrap_or_default();
                (canvas.minimap, canvas.view.fitted_into(rect, canvas.pixels_per_point), MINIMAP)
            }
        };
        let rect = rect.filter(|rect| !rect.is_empty());
        visibility.set_if_neq(if rect.is_some() { Visibility::Inherited } else { Visibility::Hidden });
        let Some(mut material) = materials.get_mut(&material.0) else { continue };
        let params = params(&canvas, &textures, rect.unwrap_or_default(), &view, palette, switches);
        // Touching the material rebuilds its bind group, with the textures as they now are.
        if must_rebind || material.params != params || material.shape != shape(&textures.reading) {
            material.params = params;
            material.shape = shape(&textures.reading);
        }
    }
}

fn shape(reading: &FrameReading) -> PlaneShape {
    PlaneShape { kind: reading.kind, has_two_byte_samples: reading.has_two_byte_samples }
}

fn main_switches(canvas: &Canvas) -> u32 {
    [(canvas.style.is_grid_shown, GRID), (canvas.is_damaged, DAMAGED), (canvas.is_waiting, WAITING)]
        .into_iter()
        .filter_map(|(is_on, bit)| is_on.then_some(bit))
        .sum()
}

fn params(
    canvas: &Canvas,
    textures: &CanvasTextures,
    rect: Rect,
    view: &ViewTransform,
    palette: [Vec4; 256],
    switches: u32,
) -> OverlayParams {
    let style = &canvas.style;
    let pixels_per_point = if canvas.pixels_per_point > 0.0 { canvas.pixels_per_point } else { 1.0 };
    let TexelsFromPixels { origin, scale } = view.texels_from_pixels();
    let pixels_per_texel = scale.recip();
    let reading = &textures.reading;
    let size = textures.frame_size();
    let mut switches = switches;
    for (is_on, bit) in [
        (size.is_some(), HAS_FRAME),
        (textures.has_preview() && switches & MINIMAP == 0, HAS_PREVIEW),
        (pixels_per_texel.min_element() >= NEAREST_FROM_PIXELS, NEAREST),
    ] {
        switches |= if is_on { bit } else { 0 };
    }
    // A linear sample covers two texels.
    let taps = (scale / 2.0 - 0.01).ceil().clamp(bevy::math::DVec2::ONE, bevy::math::DVec2::splat(MAX_TAPS));
    let is_minimap = switches & MINIMAP != 0;
    // The minimap has no outlines, so it keeps its fills.
    let is_filled = if style.is_outline_only && !is_minimap { 0.0 } else { 1.0 };
    let line = |width: f32| if is_minimap { 0.0 } else { width * pixels_per_point };
    OverlayParams {
        rect: Vec4::new(rect.min.x, rect.min.y, rect.max.x, rect.max.y) * pixels_per_point,
        texels_from_pixels: Vec4::from((origin.as_vec2(), scale.as_vec2())),
        frame: Vec4::from((
            size.map_or(Vec2::ONE, |size| Vec2::new(size.width as f32, size.height as f32)),
            pixels_per_texel.as_vec2(),
        )),
        rgb_rows: reading.transform.rows,
        chroma: Vec4::from((reading.chroma_scale, reading.chroma_offset)),
        sampling: Vec4::from((reading.byte_weights, taps.as_vec2())),
        fills: Vec4::new(style.fill_opacity, style.selected_fill_opacity, 0.15, 0.45)
            * Vec4::new(is_filled, is_filled, is_filled, 1.0),
        lines: Vec4::new(
            line(style.outline_width),
            line(style.selected_outline_width),
            line(1.0),
            style.outline_opacity,
        ),
        background: Vec4::from((codes(style.background), pixels_per_point)),
        switches: UVec2::new(textures.label_depth as u32, switches),
        palette,
    }
}

fn codes(colour: [u8; 3]) -> Vec3 {
    Vec3::from(colour.map(f32::from)) / 255.0
}

fn palette(canvas: &Canvas) -> [Vec4; 256] {
    let mut palette = [Vec4::ZERO; 256];
    for (slot, layer) in slots(&canvas.layers) {
        palette[usize::from(slot)] = Vec4::from((codes(layer.colour), bits(layer) as f32));
    }
    let selected = || canvas.layers.iter().find(|layer| layer.is_selected).map(|layer| layer.colour);
    let preview = canvas.style.preview_colour.or_else(selected).unwrap_or([255; 3]);
    palette[PREVIEW_SLOT] = Vec4::from((codes(preview), (SELECTED | HOVERED) as f32));
    palette
}

fn bits(layer: &Layer) -> u32 {
    [(layer.is_selected, SELECTED), (layer.is_hovered, HOVERED), (layer.is_dimmed, DIMMED)]
        .into_iter()
        .filter_map(|(is_on, bit)| is_on.then_some(bit))
        .sum()
}

//! For the canvas tests: frames with chosen samples, and a stage that draws the canvas into an image and reads it back.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bevy::asset::RenderAssetUsages;
use bevy::camera::{ImageRenderTarget, RenderTarget};
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat, TextureUsages};
use bevy::render::renderer::initialize_renderer;
use bevy::render::settings::{Backends, RenderCreation, RenderResources, WgpuSettings};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;
use label_hub::app::canvas::{Canvas, CanvasCamera, CanvasPlugin, Layer, UploadCounts};
use label_hub::label::{FrameIdx, FrameSize, Mask, ObjectId};
use label_hub::video::{Frame, RgbImage};

use crate::video_support::{self, made, text};

/// A frame with these samples, planes one after another, by way of a lossless clip. `colorspace` and `range` are words of
/// ffmpeg's `setparams` filter.
pub fn frame_of(
    name: &str,
    pixel_format: &str,
    size: FrameSize,
    samples: &[u8],
    colorspace: &str,
    range: &str,
) -> Arc<Frame> {
    let path = made(name, |path| {
        let raw = path.with_extension("raw");
        fs::write(&raw, samples).expect("the target folder is writable");
        let (size, out) = (format!("{}x{}", size.width, size.height), text(path));
        let raw_text = text(&raw);
        let mut arguments =
            vec!["-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", &size, "-i", &raw_text];
        let params = format!("setparams=colorspace={colorspace}:range={range}");
        arguments.extend(["-vf", &params, "-c:v", "ffv1", "-pix_fmt", pixel_format, "-frames:v", "1", &out]);
        video_support::ffmpeg(&arguments);
        fs::remove_file(&raw).expect("just written");
    });
    video_support::open(&path).reader().expect("a reader").frame(FrameIdx(0)).expect("the frame")
}

/// A visible layer.
pub fn layer(object: u32, mask: Mask, colour: [u8; 3]) -> Layer {
    Layer {
        object: ObjectId(object),
        mask: Arc::new(mask),
        colour,
        is_visible: true,
        is_selected: false,
        is_hovered: false,
        is_dimmed: false,
    }
}

/// A mask of the pixels for which `is_inside` holds.
pub fn mask(size: FrameSize, is_inside: impl Fn(i32, i32) -> bool) -> Mask {
    let width = size.width as usize;
    Mask::from_fn(size, |at| is_inside((at % width) as i32, (at / width) as i32))
}

fn renderer() -> Option<RenderResources> {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    let make = || {
        let settings = WgpuSettings::default();
        let backends = settings.backends.unwrap_or(Backends::VULKAN);
        // Bevy panics where there is no adapter.
        std::panic::catch_unwind(|| bevy::tasks::block_on(initialize_renderer(backends, None, &settings))).ok()
    };
    let made = (*IS_THERE.get_or_init(|| {
        let first = make();
        if let Some(resources) = &first {
            eprintln!("drawn by {} ({:?})", resources.2.name, resources.2.backend);
        }
        first.is_some()
    }))
    .then(make)
    .flatten();
    if made.is_none() {
        eprintln!("SKIPPED: there is no graphics adapter here (scripts/setup installs a software one)");
    }
    made
}

/// An app without a window whose canvas camera draws into an image.
pub struct Stage {
    pub app: App,
    target: Handle<Image>,
    size: UVec2,
}

#[derive(Resource, Clone, Default)]
struct Arrived(Arc<Mutex<Option<Vec<u8>>>>);

impl Stage {
    /// Says why and gives `None` where nothing can be drawn. The width must be a multiple of 64: rows are read back in
    /// steps of 256 bytes.
    pub fn new(size: UVec2) -> Option<Stage> {
        assert_eq!(size.x % 64, 0);
        let resources = renderer()?;
        let mut app = App::new();
        app.add_plugins(
            DefaultPlugins
                .set(WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() })
                .set(RenderPlugin {
                    render_creation: RenderCreation::Manual(resources),
                    synchronous_pipeline_compilation: true,
                    ..default()
                })
                .disable::<WinitPlugin>()
                .disable::<PipelinedRenderingPlugin>()
                .disable::<bevy::log::LogPlugin>(),
        )
        .add_plugins(CanvasPlugin)
        .init_resource::<Arrived>();
        app.finish();
        app.cleanup();
        let target = app.world_mut().resource_mut::<Assets<Image>>().add(target_image(size));
        let mut stage = Stage { app, target, size };
        stage.app.update();
        stage.aim_camera();
        stage.canvas().rect = Rect::from_corners(Vec2::ZERO, size.as_vec2());
        stage.canvas().pixels_per_point = 1.0;
        stage.wait_for_shader();
        Some(stage)
    }

    fn aim_camera(&mut self) {
        let world = self.app.world_mut();
        let camera = world.query_filtered::<Entity, With<CanvasCamera>>().single(world).expect("one canvas camera");
        let target = ImageRenderTarget { handle: self.target.clone(), scale_factor: 1.0 };
        world.entity_mut(camera).insert(RenderTarget::Image(target));
    }

    /// The shader is read in the background; the quad's own background colour tells that it has arrived.
    fn wait_for_shader(&mut self) {
        let usual = std::mem::replace(&mut self.canvas().style.background, [200, 10, 90]);
        let start = Instant::now();
        while self.shot().pixel(1, 1) != [200, 10, 90] {
            assert!(start.elapsed() < Duration::from_secs(60), "the canvas was not drawn: does its shader compile?");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.canvas().style.background = usual;
    }

    /// What is to be seen.
    pub fn canvas(&mut self) -> Mut<'_, Canvas> {
        self.app.world_mut().resource_mut::<Canvas>()
    }

    /// Shows a frame, fitted.
    pub fn show(&mut self, frame: Arc<Frame>) {
        let mut canvas = self.canvas();
        canvas.view.set_frame(frame.size(), 1.0);
        canvas.view.fit();
        canvas.frame = Some(frame);
        canvas.layers.clear();
        canvas.preview = None;
    }

    /// Uploads so far.
    pub fn counts(&self) -> UploadCounts {
        *self.app.world().resource::<UploadCounts>()
    }

    /// Draws and reads back the very next update: what changed must be seen at once.
    pub fn shot(&mut self) -> RgbImage {
        let arrived = self.app.world().resource::<Arrived>().clone();
        let take = || arrived.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        take();
        let world = self.app.world_mut();
        let reading = world
            .spawn(Readback::texture(self.target.clone()))
            .observe(|event: On<ReadbackComplete>, arrived: Res<Arrived>| {
                *arrived.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.data.clone());
            })
            .id();
        let start = Instant::now();
        let bytes = loop {
            self.app.update();
            if let Some(bytes) = take() {
                break bytes;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "nothing was read back");
        };
        self.app.world_mut().despawn(reading);
        let pixels = bytes.chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
        RgbImage { size: FrameSize { width: self.size.x, height: self.size.y }, pixels }
    }
}

fn target_image(size: UVec2) -> Image {
    let extent = Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 };
    let format = TextureFormat::Rgba8UnormSrgb;
    let mut image = Image::new_fill(extent, TextureDimension::D2, &[0; 4], format, RenderAssetUsages::default());
    image.texture_descriptor.usage |= TextureUsages::RENDER_ATTACHMENT | TextureUsages::COPY_SRC;
    image
}

/// Writes a PNG into the folder `LABEL_HUB_SHOTS` names, to be looked at.
pub fn keep(image: &RgbImage, name: &str) {
    if let Some(folder) = std::env::var_os("LABEL_HUB_SHOTS") {
        let path = std::path::Path::new(&folder).join(name);
        let FrameSize { width, height } = image.size;
        image::save_buffer(&path, &image.pixels, width, height, image::ColorType::Rgb8)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The largest difference of two colours in any channel.
pub fn difference(a: [u8; 3], b: [u8; 3]) -> u8 {
    (0..3).map(|channel| a[channel].abs_diff(b[channel])).max().unwrap_or(0)
}

/// `share` of the way from one colour to another.
pub fn mixed(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|i| (f32::from(from[i]) * (1.0 - share) + f32::from(to[i]) * share).round() as u8)
}

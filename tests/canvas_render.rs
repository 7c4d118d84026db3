//! What the canvas draws, read back from a graphics adapter (a software one will do) and compared pixel by pixel.

#![cfg(all(feature = "gui", feature = "video"))]

mod canvas_support;
mod video_support;

use std::sync::Arc;

use bevy::math::{DVec2, Rect, UVec2, Vec2};
use canvas_support::{Stage, difference, frame_of, layer, mask, mixed};
use label_hub::label::{FrameSize, Mask};
use label_hub::video::{Frame, RgbImage};
use video_support::Seeded;

const SIZE: FrameSize = FrameSize { width: 320, height: 180 };
const RED: [u8; 3] = [230, 60, 50];
const BLUE: [u8; 3] = [50, 110, 240];

/// Flat blocks of colours that exist, as planes of this shape.
fn coloured_blocks(bit_depth: u32, chroma_shift: (u32, u32)) -> Vec<u8> {
    let mut seeded = Seeded(0xb10c);
    let mut bytes = Vec::new();
    let unit = 1 << (bit_depth - 8);
    for plane in 0..3 {
        let (across, down) = if plane == 0 { (0, 0) } else { chroma_shift };
        let codes: Vec<u32> =
            (0..80).map(|_| if plane == 0 { 70 + seeded.below(100) } else { 100 + seeded.below(56) } * unit).collect();
        for y in 0..SIZE.height.div_ceil(1 << down) {
            for x in 0..SIZE.width.div_ceil(1 << across) {
                let code = codes[((y << down) / 20 % 8 * 10 + (x << across) / 32) as usize] as u16;
                bytes.extend_from_slice(&code.to_le_bytes()[..if bit_depth > 8 { 2 } else { 1 }]);
            }
        }
    }
    bytes
}

fn blocks_frame() -> Arc<Frame> {
    frame_of("canvas-blocks.mkv", "yuv420p", SIZE, &coloured_blocks(8, (1, 1)), "bt709", "tv")
}

/// A frame of one grey.
fn grey_frame() -> Arc<Frame> {
    let mut samples = vec![126; SIZE.area()];
    samples.resize(SIZE.area() * 3 / 2, 128);
    frame_of("canvas-grey.mkv", "yuv420p", SIZE, &samples, "bt709", "tv")
}

fn disc(centre: (i32, i32), radius: i32) -> Mask {
    mask(SIZE, |x, y| (x - centre.0).pow(2) + (y - centre.1).pow(2) <= radius * radius)
}

fn square(x0: i32, y0: i32, x1: i32, y1: i32) -> Mask {
    mask(SIZE, |x, y| (x0..x1).contains(&x) && (y0..y1).contains(&y))
}

/// Where the middle of a frame pixel is drawn.
fn place(stage: &mut Stage, x: i32, y: i32) -> (u32, u32) {
    let point = stage.canvas().view.screen_from_frame(DVec2::new(f64::from(x), f64::from(y)));
    (point.x as u32, point.y as u32)
}

/// The canvas 1:1 at the window's top left, so that pixels of the frame and of the window are the same.
fn one_to_one(stage: &mut Stage) {
    let mut canvas = stage.canvas();
    canvas.rect = Rect::from_corners(Vec2::ZERO, Vec2::new(SIZE.width as f32, SIZE.height as f32));
    let rect = canvas.rect;
    canvas.view.set_layout(rect, 1.0);
    canvas.view.fit();
}

#[track_caller]
fn assert_colour(shot: &RgbImage, x: u32, y: u32, expected: [u8; 3], what: &str) {
    let found = shot.pixel(x, y);
    assert!(difference(found, expected) <= 3, "{what} at ({x}, {y}): {found:?}, expected {expected:?}");
}

#[test]
fn colours_equal_to_rgb() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    // Name, ffmpeg's pixel format, depth, chroma shift, matrix, range.
    type Case = (&'static str, &'static str, u32, (u32, u32), &'static str, &'static str);
    let cases: [Case; 7] = [
        ("canvas-blocks.mkv", "yuv420p", 8, (1, 1), "bt709", "tv"),
        ("canvas-blocks-nv12.mkv", "nv12", 8, (1, 1), "smpte170m", "tv"),
        ("canvas-blocks-422.mkv", "yuv422p", 8, (1, 0), "smpte170m", "pc"),
        ("canvas-blocks-444.mkv", "yuv444p", 8, (0, 0), "smpte240m", "tv"),
        ("canvas-blocks-10.mkv", "yuv420p10le", 10, (1, 1), "bt2020nc", "tv"),
        ("canvas-blocks-12.mkv", "yuv444p12le", 12, (0, 0), "bt709", "pc"),
        ("canvas-blocks-rgb.mkv", "rgb24", 8, (0, 0), "gbr", "pc"),
    ];
    for (name, pixel_format, bit_depth, shift, colorspace, range) in cases {
        let mut samples = coloured_blocks(bit_depth, shift);
        if pixel_format == "nv12" {
            let (luma, chroma) = samples.split_at(SIZE.area());
            let (u, v) = chroma.split_at(chroma.len() / 2);
            let pairs = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]);
            samples = luma.iter().copied().chain(pairs).collect();
        }
        let frame = frame_of(name, pixel_format, SIZE, &samples, colorspace, range);
        let rgb = frame.to_rgb();
        stage.show(frame);
        let shot = stage.shot();
        for y in (10..SIZE.height).step_by(20) {
            for x in (16..SIZE.width).step_by(32) {
                assert_colour(&shot, x, y, rgb.pixel(x, y), name);
            }
        }
    }
}

#[test]
fn a_picture_shown_one_to_one_is_exact_everywhere() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let mut seeded = Seeded(0xd07);
    let noise: Vec<u8> = (0..SIZE.area()).map(|_| 16 + seeded.below(220) as u8).collect();
    let frame = frame_of("canvas-noise.mkv", "gray", SIZE, &noise, "bt709", "tv");
    let rgb = frame.to_rgb();
    stage.show(frame);
    let shot = stage.shot();
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            assert_colour(&shot, x, y, rgb.pixel(x, y), "noise");
        }
    }
}

#[test]
fn fills_and_outlines_are_where_the_mask_is() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let frame = grey_frame();
    let grey = frame.to_rgb().pixel(5, 5);
    stage.show(frame);
    stage.canvas().layers = vec![layer(1, square(40, 40, 120, 120), RED)];
    let shot = stage.shot();
    assert_colour(&shot, 80, 80, mixed(grey, RED, 0.25), "fill");
    assert_colour(&shot, 41, 80, mixed(grey, RED, 0.25), "fill beside the outline");
    assert_colour(&shot, 40, 80, RED, "outline");
    assert_colour(&shot, 119, 119, RED, "corner");
    assert_colour(&shot, 39, 80, grey, "outside");
    assert_colour(&shot, 120, 80, grey, "outside");

    stage.canvas().layers[0].is_selected = true;
    let shot = stage.shot();
    assert_colour(&shot, 80, 80, mixed(grey, RED, 0.45), "selected fill");
    assert_colour(&shot, 40, 80, RED, "selected outline");
    assert_colour(&shot, 41, 80, RED, "selected outline, second pixel");
    assert_colour(&shot, 42, 80, mixed(grey, RED, 0.45), "fill beside it");
    assert!(shot.pixel(39, 80)[1] < grey[1] - 40, "a dark halo: {:?}", shot.pixel(39, 80));
    assert_colour(&shot, 38, 80, grey, "outside the halo");

    stage.canvas().style.is_outline_only = true;
    let shot = stage.shot();
    assert_colour(&shot, 80, 80, grey, "no fill");
    assert_colour(&shot, 40, 80, RED, "outline only");
    stage.canvas().style.is_outline_only = false;

    stage.canvas().layers[0].is_visible = false;
    let shot = stage.shot();
    for x in 30..130 {
        assert_colour(&shot, x, 80, grey, "hidden");
    }
}

#[test]
fn a_covered_object_keeps_its_outline() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let frame = grey_frame();
    let grey = frame.to_rgb().pixel(5, 5);
    stage.show(frame);
    let (below, above) = (square(40, 40, 120, 120), square(80, 20, 200, 160));
    stage.canvas().layers = vec![layer(1, below, RED), layer(2, above, BLUE)];
    let shot = stage.shot();
    let both = mixed(mixed(grey, RED, 0.25), BLUE, 0.25);
    assert_colour(&shot, 100, 80, both, "where both are");
    assert_colour(&shot, 119, 80, mixed(both, RED, 0.75), "the covered edge");
    assert_colour(&shot, 80, 80, BLUE, "the covering edge");
    stage.canvas().layers[0].is_selected = true;
    let shot = stage.shot();
    assert_colour(&shot, 119, 80, RED, "the covered edge of the selected object");
    assert_colour(&shot, 118, 80, RED, "its second pixel");
}

#[test]
fn eightfold_pixels_are_squares() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    let frame = blocks_frame();
    let rgb = frame.to_rgb();
    stage.show(frame);
    let mut canvas = stage.canvas();
    canvas.rect = Rect::from_corners(Vec2::ZERO, Vec2::new(320.0, 192.0));
    canvas.style.is_grid_shown = false;
    let rect = canvas.rect;
    canvas.view.set_layout(rect, 1.0);
    canvas.view.one_to_one();
    canvas.view.centre_on(DVec2::new(32.0, 20.0));
    canvas.view.zoom_at(DVec2::new(160.0, 96.0), 8.0);
    assert!((canvas.view.percent() - 800.0).abs() < 1e-9);
    canvas.layers = vec![layer(1, square(32, 20, 36, 24), RED)];
    let shot = stage.shot();
    // All 64 window pixels of a frame pixel are the same, also beside an edge of luma.
    for (x, y) in [(30, 18), (31, 18), (31, 19), (28, 25)] {
        let (left, top) = place(&mut stage, x, y);
        let first = shot.pixel(left, top);
        assert!(difference(first, rgb.pixel(x as u32, y as u32)) <= 16, "chroma is smooth, luma is not");
        for (dx, dy) in [(-3, -3), (3, 3), (-3, 2), (2, -3)] {
            assert_eq!(shot.pixel((left as i32 + dx) as u32, (top as i32 + dy) as u32), first, "({x}, {y})");
        }
    }
    // The outline is one window pixel along the frame pixel's edge.
    let (left, top) = place(&mut stage, 32, 22);
    assert_colour(&shot, left - 4, top, RED, "edge");
    assert!(difference(shot.pixel(left - 3, top), RED) > 40, "the outline stays thin: {:?}", shot.pixel(left - 3, top));
    stage.canvas().style.is_grid_shown = true;
    let (with_grid, (left, top)) = (stage.shot(), place(&mut stage, 30, 18));
    assert_eq!(with_grid.pixel(left, top), shot.pixel(left, top), "inside a pixel");
    assert_ne!(with_grid.pixel(left - 4, top), shot.pixel(left - 4, top), "a line at its left edge");
}

#[test]
fn recolouring_selecting_and_zooming_upload_no_pixels() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    stage.show(blocks_frame());
    stage.canvas().layers = vec![layer(1, disc((100, 90), 40), RED), layer(2, disc((130, 90), 40), BLUE)];
    stage.canvas().preview = Some(Arc::new(disc((250, 90), 20)));
    stage.shot();
    let before = stage.counts();
    assert_eq!((before.frames, before.label_maps, before.previews), (1, 1, 1));
    stage.canvas().layers[0].colour = [10, 200, 10];
    let shot = stage.shot();
    assert!(difference(shot.pixel(60, 90), [10, 200, 10]) <= 3, "the new colour shows: {:?}", shot.pixel(60, 90));
    stage.canvas().layers[1].is_selected = true;
    stage.canvas().layers[1].is_hovered = true;
    stage.canvas().layers[0].is_dimmed = true;
    stage.shot();
    stage.canvas().view.zoom_at(DVec2::new(50.0, 50.0), 3.0);
    stage.canvas().style.fill_opacity = 0.6;
    stage.shot();
    let after = stage.counts();
    assert_eq!((after.frames, after.label_maps, after.previews), (1, 1, 1));
    assert_eq!(after.palettes, before.palettes + 2);
    // Order and visibility do.
    stage.canvas().layers.swap(0, 1);
    stage.shot();
    stage.canvas().layers[1].is_visible = false;
    stage.shot();
    assert_eq!(stage.counts().label_maps, 3);
}

#[test]
fn another_size_makes_new_textures_that_are_drawn() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    stage.show(blocks_frame());
    stage.shot();
    let small = FrameSize { width: 64, height: 36 };
    let mut samples = vec![200; small.area()];
    samples.resize(small.area() * 3 / 2, 128);
    let frame = frame_of("canvas-small.mkv", "yuv420p", small, &samples, "bt709", "tv");
    let white = frame.to_rgb().pixel(3, 3);
    stage.show(frame);
    stage.canvas().layers = vec![layer(1, mask(small, |x, _| x < 32), RED)];
    let shot = stage.shot();
    assert_colour(&shot, 300, 150, white, "the new picture");
    assert_colour(&shot, 20, 90, mixed(white, RED, 0.25), "the new mask");
    // And back: overlap makes the label map deeper.
    stage.show(blocks_frame());
    stage.canvas().layers = vec![layer(1, disc((100, 90), 60), RED), layer(2, disc((130, 90), 60), BLUE)];
    let shot = stage.shot();
    let expected = blocks_frame().to_rgb().pixel(115, 90);
    assert_colour(&shot, 115, 90, mixed(mixed(expected, RED, 0.25), BLUE, 0.25), "two levels");
}

#[test]
fn hover_dimming_preview_and_states_show() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let frame = grey_frame();
    let grey = frame.to_rgb().pixel(5, 5);
    stage.show(frame);
    stage.canvas().layers = vec![layer(1, square(40, 40, 120, 120), RED)];
    stage.canvas().layers[0].is_hovered = true;
    assert_colour(&stage.shot(), 80, 80, mixed(grey, RED, 0.4), "hovered fill");
    stage.canvas().layers[0].is_hovered = false;
    stage.canvas().layers[0].is_dimmed = true;
    let shot = stage.shot();
    let reddest = (60..100).map(|x| shot.pixel(x, 80)[0]).max().expect("40 pixels");
    let greyest = (60..100).map(|x| shot.pixel(x, 80)[0]).min().expect("40 pixels");
    assert!(reddest >= greyest + 8 && reddest < mixed(grey, RED, 0.25)[0], "a faint hatch: {greyest} to {reddest}");
    stage.canvas().layers.clear();

    // The preview takes the selected layer's colour, or what the style says.
    stage.canvas().style.preview_colour = Some(BLUE);
    stage.canvas().preview = Some(Arc::new(square(200, 40, 280, 120)));
    let shot = stage.shot();
    let bright = mixed(BLUE, [255; 3], 0.35);
    assert_colour(&shot, 240, 80, mixed(grey, bright, 0.45), "preview fill");
    let edge: Vec<u8> = (50..110).map(|y| shot.pixel(200, y)[1]).collect();
    assert!(edge.iter().any(|&v| v > 180) && edge.iter().any(|&v| v < 60), "a dashed edge: {edge:?}");
    stage.canvas().preview = None;
    assert_colour(&stage.shot(), 240, 80, grey, "the preview is gone");

    stage.canvas().is_waiting = true;
    assert_colour(&stage.shot(), 20, 20, mixed(grey, [0; 3], 0.2), "waiting");
    stage.canvas().is_waiting = false;
    stage.canvas().is_damaged = true;
    let shot = stage.shot();
    let found: std::collections::BTreeSet<u8> = (20..60).map(|x| shot.pixel(x, 20)[0]).collect();
    assert!(found.len() > 2, "hatched: {found:?}");
}

#[test]
fn the_minimap_shows_the_whole_frame_whatever_the_view() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let frame = grey_frame();
    let grey = frame.to_rgb().pixel(5, 5);
    stage.show(frame);
    stage.canvas().layers = vec![layer(1, square(0, 0, 160, 180), RED)];
    stage.canvas().style.is_grid_shown = false;
    stage.canvas().view.zoom_at(DVec2::new(300.0, 90.0), 20.0);
    stage.canvas().minimap = Some(Rect::new(200.0, 100.0, 280.0, 145.0));
    let shot = stage.shot();
    assert_colour(&shot, 220, 120, mixed(grey, RED, 0.25), "its left half");
    assert_colour(&shot, 260, 120, grey, "its right half");
    assert_colour(&shot, 100, 90, grey, "the view is elsewhere");
    stage.canvas().minimap = None;
    assert_colour(&stage.shot(), 220, 120, grey, "gone");
}

#[test]
fn three_objects_on_one_pixel_keep_their_outlines_on_a_dense_screen() {
    let Some(mut stage) = Stage::new(UVec2::new(640, 384)) else { return };
    let frame = grey_frame();
    stage.show(frame);
    let mut canvas = stage.canvas();
    canvas.pixels_per_point = 2.0;
    canvas.rect = Rect::new(0.0, 0.0, 320.0, 180.0);
    let rect = canvas.rect;
    canvas.view.set_layout(rect, 2.0);
    canvas.view.fit();
    canvas.style.is_outline_only = true;
    canvas.style.is_grid_shown = false;
    let green = [40, 200, 80];
    canvas.layers = vec![
        layer(1, square(40, 40, 120, 120), RED),
        layer(2, square(50, 50, 140, 140), BLUE),
        layer(3, square(60, 60, 160, 160), green),
    ];
    canvas.layers[0].is_selected = true;
    let shot = stage.shot();
    // The right edge of the lowest, under both others: 2 points are 4 pixels.
    for x in 236..240 {
        assert_colour(&shot, x, 200, RED, "the lowest object's edge");
    }
    assert!(difference(shot.pixel(234, 200), RED) > 60, "no wider: {:?}", shot.pixel(234, 200));
    assert_colour(&shot, 120, 300, green, "the topmost edge");
    assert_colour(&shot, 121, 300, green, "1 point is 2 pixels");
    assert!(difference(shot.pixel(122, 300), green) > 60, "no wider: {:?}", shot.pixel(122, 300));
}

#[test]
fn hdr_is_shown_as_to_rgb_has_it() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    one_to_one(&mut stage);
    let path = video_support::made("canvas-hdr.mkv", |path| {
        let source = "testsrc2=size=320x180:rate=1:duration=1,format=yuv420p10le,setparams=color_trc=smpte2084";
        let path = video_support::text(path);
        let arguments = ["-f", "lavfi", "-i", source, "-c:v", "ffv1", "-color_trc", "smpte2084", &path];
        video_support::ffmpeg(&arguments);
    });
    let clip = video_support::open(&path);
    let frame = clip.reader().expect("a reader").frame(label_hub::label::FrameIdx(0)).expect("the frame");
    assert!(frame.colour().is_hdr());
    let rgb = frame.to_rgb();
    stage.show(frame);
    let shot = stage.shot();
    for (x, y) in [(5, 5), (100, 60), (200, 120), (310, 170), (160, 90)] {
        assert_colour(&shot, x, y, rgb.pixel(x, y), "tone mapped");
    }
    // What was tone mapped elsewhere is taken as it is.
    let again = clip.reader().expect("a reader").frame(label_hub::label::FrameIdx(0)).expect("the frame");
    let green = RgbImage { size: SIZE, pixels: [20, 200, 40].repeat(SIZE.area()) };
    stage.canvas().rgb = Some(Arc::new(green));
    stage.show(again);
    assert_colour(&stage.shot(), 160, 90, [20, 200, 40], "given");
}

#[test]
fn a_picture_the_device_refuses_is_left_out() {
    let Some(mut stage) = Stage::new(UVec2::new(320, 192)) else { return };
    let device = stage.app.world().resource::<bevy::render::renderer::RenderDevice>();
    let width = device.limits().max_texture_dimension_2d + 2;
    let size = FrameSize { width, height: 2 };
    if width > 32_768 {
        eprintln!("SKIPPED: this device takes every picture the video room does");
        return;
    }
    let name = format!("canvas-wide-{width}.mkv");
    stage.show(frame_of(&name, "gray", size, &vec![255; size.area()], "bt709", "pc"));
    stage.canvas().layers = vec![layer(1, mask(size, |_, _| true), RED)];
    let background = stage.canvas().style.background;
    let shot = stage.shot();
    assert_colour(&shot, 160, 96, background, "nothing but background");
    assert_eq!((stage.counts().frames, stage.counts().label_maps), (0, 0));
}

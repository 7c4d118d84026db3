//! The canvas without a graphics adapter: what it does on the main thread, and what that costs.

#![cfg(all(feature = "gui", feature = "video"))]

mod canvas_support;
mod video_support;

use std::sync::Arc;
use std::time::Instant;

use bevy::prelude::*;
use canvas_support::{layer, mask};
use label_hub::app::canvas::{Canvas, CanvasPlugin, UploadCounts};
use label_hub::label::{FrameIdx, FrameSize};
use label_hub::video::Frame;

const SIZE: FrameSize = FrameSize { width: 3840, height: 2160 };

fn frames() -> [Arc<Frame>; 2] {
    let path = video_support::made("canvas-4k.mkv", |path| {
        let source = "testsrc2=size=3840x2160:rate=2:duration=1,format=yuv420p";
        let arguments = ["-f", "lavfi", "-i", source, "-c:v", "ffv1", &video_support::text(path)];
        video_support::ffmpeg(&arguments);
    });
    let mut reader = video_support::open(&path).reader().expect("a reader");
    [0, 1].map(|idx| reader.frame(FrameIdx(idx)).expect("the frame"))
}

/// Median of the milliseconds an update takes after `change`.
fn median_ms(app: &mut App, mut change: impl FnMut(&mut Canvas, usize)) -> f64 {
    let mut times: Vec<f64> = (0..21)
        .map(|round| {
            change(&mut app.world_mut().resource_mut::<Canvas>(), round);
            let start = Instant::now();
            app.update();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[10]
}

#[test]
fn everything_but_drawing_works_without_a_gpu() {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, AssetPlugin::default(), CanvasPlugin));
    let frames = frames();
    let layers: Vec<_> = (0..20)
        .map(|i| {
            let (cx, cy) = (300 + i % 7 * 540, 400 + i / 7 * 660);
            let disc = mask(SIZE, |x, y| (x - cx).pow(2) + (y - cy).pow(2) < 280 * 280);
            layer(i as u32, disc, [i as u8 * 12, 200, 90])
        })
        .collect();
    let mut canvas = app.world_mut().resource_mut::<Canvas>();
    canvas.rect = Rect::new(0.0, 0.0, 1280.0, 720.0);
    canvas.view.set_frame(SIZE, 1.0);
    canvas.frame = Some(frames[0].clone());
    canvas.layers = layers.clone();
    app.update();
    let counts = || UploadCounts { frames: 1, label_maps: 1, previews: 0, palettes: 1 };
    assert_eq!(*app.world().resource::<UploadCounts>(), counts());

    let idle = median_ms(&mut app, |_, _| {});
    assert_eq!(*app.world().resource::<UploadCounts>(), counts(), "nothing changed, nothing was uploaded");
    let recolour = median_ms(&mut app, |canvas, round| canvas.layers[3].colour[0] = round as u8);
    let frame = median_ms(&mut app, |canvas, round| canvas.frame = Some(frames[(round + 1) % 2].clone()));
    let hide = median_ms(&mut app, |canvas, round| canvas.layers[3].is_visible = round % 2 == 1);
    let counts = *app.world().resource::<UploadCounts>();
    assert_eq!((counts.frames, counts.label_maps, counts.previews), (22, 22, 0));
    eprintln!(
        "main thread, 4K, 20 objects, median: idle {idle:.3} ms, recolour {recolour:.3} ms, new frame {frame:.3} ms, \
         hide {hide:.3} ms"
    );
}

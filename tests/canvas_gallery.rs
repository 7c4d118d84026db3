//! Draws a scene in every look the canvas has, for eyes, and says how long a picture takes.

#![cfg(all(feature = "gui", feature = "video"))]

mod canvas_support;
mod video_support;

use std::sync::Arc;

use bevy::math::{DVec2, Rect, UVec2};
use canvas_support::{Stage, keep, layer, mask};
use label_hub::label::FrameSize;

/// Pictures to look at: `LABEL_HUB_SHOTS=/tmp/shots cargo test --test canvas_gallery -- --nocapture`.
#[test]
fn gallery() {
    if std::env::var_os("LABEL_HUB_SHOTS").is_none() {
        return;
    }
    let Some(mut stage) = Stage::new(UVec2::new(1280, 720)) else { return };
    let size = FrameSize { width: 1920, height: 1080 };
    let path = video_support::made("canvas-gallery.mkv", |path| {
        let source = "mandelbrot=size=1920x1080:rate=1:start_scale=0.6,hue=s=0.5,format=yuv420p";
        let path = video_support::text(path);
        video_support::ffmpeg(&["-f", "lavfi", "-i", source, "-frames:v", "1", "-c:v", "ffv1", &path]);
    });
    let frame = video_support::open(&path).reader().expect("a reader").frame(label_hub::label::FrameIdx(0));
    stage.show(frame.expect("the frame"));
    let blob = |cx: i32, cy: i32, radius: i32| {
        mask(size, move |x, y| {
            let (dx, dy) = (f64::from(x - cx), f64::from(y - cy));
            dx.hypot(dy) < f64::from(radius) * (1.0 + 0.18 * (dy.atan2(dx) * 5.0).sin())
        })
    };
    let mut canvas = stage.canvas();
    canvas.layers = vec![
        layer(1, blob(500, 420, 260), [244, 96, 54]),
        layer(2, blob(800, 560, 240), [64, 160, 255]),
        layer(3, blob(1300, 400, 200), [90, 210, 90]),
        layer(4, blob(1600, 760, 180), [220, 90, 220]),
        layer(5, blob(1180, 860, 140), [255, 214, 60]),
        layer(6, mask(size, |x, y| (x - y / 3 - 200).abs() < 3), [120, 255, 230]),
    ];
    canvas.layers[0].is_selected = true;
    canvas.layers[2].is_hovered = true;
    canvas.layers[3].is_dimmed = true;
    canvas.preview = Some(Arc::new(blob(350, 850, 110)));
    canvas.minimap = Some(Rect::new(1060.0, 588.0, 1268.0, 708.0));
    let rect = canvas.rect;
    canvas.view.set_layout(rect, 1.0);
    let fitted = canvas.view;
    keep(&stage.shot(), "fit.png");
    for (what, layers) in [("6 objects and a preview", stage.canvas().layers.clone()), ("the frame alone", Vec::new())]
    {
        let kept = (stage.canvas().layers.clone(), stage.canvas().preview.clone());
        stage.canvas().preview = kept.1.clone().filter(|_| !layers.is_empty());
        stage.canvas().layers = layers;
        stage.shot();
        let start = std::time::Instant::now();
        (0..10).for_each(|_| stage.app.update());
        stage.shot();
        eprintln!("drawn at 1280x720, {what}: about {:.0} ms a picture", start.elapsed().as_secs_f64() * 1e3 / 11.0);
        (stage.canvas().layers, stage.canvas().preview) = kept;
    }
    for (name, x, y, factor) in
        [("closer.png", 430.0, 330.0, 1.5), ("three.png", 430.0, 330.0, 4.5), ("grid.png", 430.0, 330.0, 27.0)]
    {
        stage.canvas().view = fitted;
        stage.canvas().view.zoom_at(DVec2::new(x, y), factor);
        let shot = stage.shot();
        keep(&shot, name);
    }
    stage.canvas().view = fitted;
    stage.canvas().style.is_outline_only = true;
    stage.canvas().is_damaged = true;
    keep(&stage.shot(), "damaged.png");
    stage.canvas().style.is_outline_only = false;
    stage.canvas().is_damaged = false;
    stage.canvas().is_waiting = true;
    // A dense screen: the same points on twice the pixels.
    stage.canvas().pixels_per_point = 2.0;
    stage.canvas().rect = Rect::new(0.0, 0.0, 640.0, 360.0);
    stage.canvas().minimap = None;
    keep(&stage.shot(), "dense.png");
}

//! Which part of the frame is on screen, and how large: pure f64 maths.
//!
//! Used by the canvas, the minimap, markers and pointer handling alike, so that all agree to the last digit. Positions on
//! the frame have the centre of the top-left pixel at (0, 0), as [`crate::label::Point`] says; its picture therefore
//! reaches from (−0.5, −0.5) to (width − 0.5, height − 0.5). Positions on screen are logical window pixels ("points").
//! Must not use the ECS, read input or round to pixels (but for [`ViewTransform::texels_from_pixels`], which feeds the
//! shader).

use bevy::math::{DVec2, Rect};

use crate::label::FrameSize;

/// The largest magnification: physical pixels per frame pixel.
const MAX_SCALE: f64 = 64.0;
/// The smallest, as a share of the fitting one.
const MIN_SHARE_OF_FIT: f64 = 0.25;

/// Who decides on the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The canvas: the whole picture is shown, also after a resize.
    Fitting,
    /// The user.
    Free,
}

/// The way from frame pixels to screen points and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewTransform {
    frame_size: FrameSize,
    /// Width of a frame pixel over its height, as shown.
    pixel_aspect: f64,
    /// The canvas in points.
    rect_min: DVec2,
    rect_size: DVec2,
    pixels_per_point: f64,
    mode: Mode,
    /// Points per frame row.
    scale: f64,
    /// The frame position shown at the canvas's centre.
    centre: DVec2,
}

/// A rectangle on the frame, in frame positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameRect {
    /// Left and top.
    pub min: DVec2,
    /// Right and bottom.
    pub max: DVec2,
}

/// What the shader needs: texel coordinates (0 at the picture's left and top edge) of a physical pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TexelsFromPixels {
    /// Texel coordinate at the canvas rectangle's top-left corner.
    pub origin: DVec2,
    /// Texels per physical pixel.
    pub scale: DVec2,
}

impl Default for ViewTransform {
    /// A one-pixel picture on an empty canvas.
    fn default() -> Self {
        ViewTransform::new(FrameSize { width: 1, height: 1 }, 1.0)
    }
}

impl ViewTransform {
    /// A view that fits pictures of this size and sample aspect ratio (1 where it is unknown or senseless).
    pub fn new(frame_size: FrameSize, sample_aspect_ratio: f64) -> Self {
        let is_sensible = sample_aspect_ratio.is_finite() && (0.05..=20.0).contains(&sample_aspect_ratio);
        let mut view = ViewTransform {
            frame_size: FrameSize { width: frame_size.width.max(1), height: frame_size.height.max(1) },
            pixel_aspect: if is_sensible { sample_aspect_ratio } else { 1.0 },
            rect_min: DVec2::ZERO,
            rect_size: DVec2::ONE,
            pixels_per_point: 1.0,
            mode: Mode::Fitting,
            scale: 1.0,
            centre: DVec2::ZERO,
        };
        view.fit();
        view
    }

    /// Takes another clip; fits it unless it has the size and shape of the one before.
    pub fn set_frame(&mut self, frame_size: FrameSize, sample_aspect_ratio: f64) {
        let mut fresh = ViewTransform::new(frame_size, sample_aspect_ratio);
        if fresh.frame_size != self.frame_size || fresh.pixel_aspect != self.pixel_aspect {
            fresh.place(self.rect_min, self.rect_size, self.pixels_per_point);
            *self = fresh;
        }
    }

    /// Takes the canvas rectangle, in points, and the screen's density. A fitting view fits again; a free one keeps its
    /// scale and what is at its centre.
    pub fn set_layout(&mut self, rect: Rect, pixels_per_point: f32) {
        self.place(rect.min.as_dvec2(), rect.size().as_dvec2(), f64::from(pixels_per_point));
    }

    fn place(&mut self, rect_min: DVec2, rect_size: DVec2, pixels_per_point: f64) {
        self.rect_min = rect_min;
        // A canvas folded away to nothing must not make the maths senseless.
        self.rect_size = rect_size.max(DVec2::ONE);
        self.pixels_per_point = if pixels_per_point > 0.0 { pixels_per_point } else { 1.0 };
        match self.mode {
            Mode::Fitting => self.fit(),
            Mode::Free => self.clamp(),
        }
    }

    /// Shows the whole picture, and goes on doing so when the window changes.
    pub fn fit(&mut self) {
        self.mode = Mode::Fitting;
        self.scale = self.fitting_scale();
        self.centre = self.frame_extent() / 2.0 - 0.5;
    }

    /// Whether the view follows the window.
    pub fn is_fitting(&self) -> bool {
        self.mode == Mode::Fitting
    }

    /// One frame pixel on one physical pixel (rows, where pixels are not square), around what is at the centre.
    pub fn one_to_one(&mut self) {
        self.mode = Mode::Free;
        self.scale = 1.0 / self.pixels_per_point;
        self.clamp();
    }

    /// Magnifies by `factor`, keeping what is under `cursor` (points) there. The point gives way only where the picture
    /// would otherwise leave the canvas's centre.
    pub fn zoom_at(&mut self, cursor: DVec2, factor: f64) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let kept = self.frame_from_screen(cursor);
        self.mode = Mode::Free;
        self.scale = self.allowed_scale(self.scale * factor);
        self.centre = kept - (cursor - self.rect_centre()) / self.points_per_texel();
        self.clamp();
    }

    /// Moves the picture by this many points.
    pub fn pan(&mut self, delta: DVec2) {
        self.mode = Mode::Free;
        self.centre -= delta / self.points_per_texel();
        self.clamp();
    }

    /// Brings a frame position to the canvas's centre, for clicks on the minimap.
    pub fn centre_on(&mut self, frame_position: DVec2) {
        self.mode = Mode::Free;
        self.centre = frame_position;
        self.clamp();
    }

    /// Where a frame position is on screen, in points.
    pub fn screen_from_frame(&self, frame_position: DVec2) -> DVec2 {
        self.rect_centre() + (frame_position - self.centre) * self.points_per_texel()
    }

    /// Which frame position is at a point of the screen. May lie outside the picture; see [`Self::is_on_picture`].
    pub fn frame_from_screen(&self, screen_point: DVec2) -> DVec2 {
        self.centre + (screen_point - self.rect_centre()) / self.points_per_texel()
    }

    /// Whether a frame position is on the picture.
    pub fn is_on_picture(&self, frame_position: DVec2) -> bool {
        let from_edge = frame_position + 0.5;
        from_edge.cmpge(DVec2::ZERO).all() && from_edge.cmplt(self.frame_extent()).all()
    }

    /// Points per frame pixel, across and down; they differ where pixels are not square.
    pub fn points_per_texel(&self) -> DVec2 {
        DVec2::new(self.scale * self.pixel_aspect, self.scale)
    }

    /// Magnification for the status line: 100 is one frame row on one row of physical pixels.
    pub fn percent(&self) -> f64 {
        self.scale * self.pixels_per_point * 100.0
    }

    /// The part of the picture inside the canvas. Never empty.
    pub fn visible_frame_rect(&self) -> FrameRect {
        let (low, high) = (DVec2::splat(-0.5), self.frame_extent() - 0.5);
        FrameRect {
            min: self.frame_from_screen(self.rect_min).clamp(low, high),
            max: self.frame_from_screen(self.rect_min + self.rect_size).clamp(low, high),
        }
    }

    /// Whether the whole picture is on the canvas: then a minimap would tell nothing.
    pub fn is_all_visible(&self) -> bool {
        let visible = self.visible_frame_rect();
        (visible.max - visible.min).cmpge(self.frame_extent() - 1e-6).all()
    }

    /// The view that fits the same picture into another rectangle: the minimap's.
    pub fn fitted_into(&self, rect: Rect, pixels_per_point: f32) -> ViewTransform {
        let mut view = *self;
        view.mode = Mode::Fitting;
        view.set_layout(rect, pixels_per_point);
        view
    }

    /// Texel coordinates for the shader. Where a frame pixel takes a whole number of physical pixels, the picture is moved
    /// by less than half of one so that edges coincide and 1:1 is exact.
    pub fn texels_from_pixels(&self) -> TexelsFromPixels {
        let pixels_per_texel = self.points_per_texel() * self.pixels_per_point;
        let corner = self.rect_min * self.pixels_per_point;
        let mut picture = self.screen_from_frame(DVec2::splat(-0.5)) * self.pixels_per_point;
        let whole = pixels_per_texel.round();
        if whole.cmpge(DVec2::ONE).all() && (pixels_per_texel - whole).abs().max_element() < 1e-6 {
            picture = picture.round();
        }
        TexelsFromPixels { origin: (corner - picture) / pixels_per_texel, scale: pixels_per_texel.recip() }
    }

    fn frame_extent(&self) -> DVec2 {
        DVec2::new(f64::from(self.frame_size.width), f64::from(self.frame_size.height))
    }

    fn rect_centre(&self) -> DVec2 {
        self.rect_min + self.rect_size / 2.0
    }

    fn fitting_scale(&self) -> f64 {
        let shown = self.frame_extent() * DVec2::new(self.pixel_aspect, 1.0);
        (self.rect_size / shown).min_element()
    }

    fn allowed_scale(&self, scale: f64) -> f64 {
        let (fit, one_to_one) = (self.fitting_scale(), 1.0 / self.pixels_per_point);
        let smallest = (fit * MIN_SHARE_OF_FIT).min(one_to_one);
        let largest = (MAX_SCALE * one_to_one).max(fit);
        scale.clamp(smallest, largest)
    }

    /// Keeps the scale within bounds and the canvas's centre on the picture, so that the picture cannot be lost.
    fn clamp(&mut self) {
        self.scale = self.allowed_scale(self.scale);
        self.centre = self.centre.clamp(DVec2::splat(-0.5), self.frame_extent() - 0.5);
    }
}

#[cfg(test)]
mod tests {
    use bevy::math::Vec2;
    use proptest::prelude::*;

    use super::*;

    const HD: FrameSize = FrameSize { width: 1920, height: 1080 };

    fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect::from_corners(Vec2::new(x, y), Vec2::new(x + width, y + height))
    }

    fn close(a: DVec2, b: DVec2, tolerance: f64) -> bool {
        (a - b).abs().max_element() <= tolerance
    }

    fn view_on(rect: Rect, pixels_per_point: f32) -> ViewTransform {
        let mut view = ViewTransform::new(HD, 1.0);
        view.set_layout(rect, pixels_per_point);
        view
    }

    #[test]
    fn fitting_shows_all_and_keeps_doing_so() {
        let mut view = view_on(rect(40.0, 30.0, 960.0, 800.0), 2.0);
        assert!(view.is_fitting() && view.is_all_visible());
        assert!(close(
            view.screen_from_frame(DVec2::splat(-0.5)),
            DVec2::new(40.0, 30.0 + (800.0 - 540.0) / 2.0),
            1e-9
        ));
        assert_eq!(view.percent(), 100.0);
        view.set_layout(rect(40.0, 30.0, 480.0, 800.0), 2.0);
        assert_eq!(view.percent(), 50.0);
        view.zoom_at(DVec2::new(200.0, 400.0), 1.5);
        view.set_layout(rect(40.0, 30.0, 960.0, 800.0), 2.0);
        assert_eq!((view.percent(), view.is_fitting()), (75.0, false));
    }

    #[test]
    fn the_top_left_pixel_has_its_centre_at_zero() {
        let mut view = view_on(rect(0.0, 0.0, 1920.0, 1080.0), 1.0);
        view.one_to_one();
        assert!(close(view.frame_from_screen(DVec2::splat(0.5)), DVec2::ZERO, 1e-9));
        assert!(view.is_on_picture(DVec2::splat(-0.5)) && !view.is_on_picture(DVec2::new(1919.5, 3.0)));
    }

    #[test]
    fn wide_pixels_are_shown_wide() {
        let mut view = ViewTransform::new(FrameSize { width: 720, height: 576 }, 64.0 / 45.0);
        view.set_layout(rect(0.0, 0.0, 1024.0, 1024.0), 1.0);
        let size = view.screen_from_frame(DVec2::new(719.5, 575.5)) - view.screen_from_frame(DVec2::splat(-0.5));
        assert!(close(size, DVec2::new(1024.0, 576.0), 1e-9), "{size}");
    }

    #[test]
    fn bounds_of_the_scale() {
        let mut view = view_on(rect(0.0, 0.0, 960.0, 540.0), 1.0);
        view.zoom_at(DVec2::new(480.0, 270.0), 1e9);
        assert_eq!(view.percent(), 6400.0);
        view.zoom_at(DVec2::new(480.0, 270.0), 1e-9);
        assert_eq!(view.percent(), 12.5);
        // A picture smaller than the canvas can still be seen 1:1, and a tiny one fits beyond the largest zoom.
        let mut tiny = ViewTransform::new(FrameSize { width: 10, height: 10 }, 1.0);
        tiny.set_layout(rect(0.0, 0.0, 1000.0, 1000.0), 1.0);
        assert_eq!(tiny.percent(), 10_000.0);
        tiny.one_to_one();
        assert_eq!(tiny.percent(), 100.0);
    }

    #[test]
    fn whole_magnifications_fall_on_whole_pixels() {
        let mut view = view_on(rect(10.3, 20.6, 801.0, 601.0), 1.5);
        view.one_to_one();
        view.pan(DVec2::new(13.37, -4.2));
        let TexelsFromPixels { origin, scale } = view.texels_from_pixels();
        assert!(close(scale, DVec2::ONE, 1e-12));
        // The rectangle's corner itself is between pixels; the picture's is not.
        let picture = DVec2::new(10.3, 20.6).as_vec2().as_dvec2() * 1.5 - origin;
        assert!(close(picture, picture.round(), 1e-4), "{picture}");
    }

    #[test]
    fn another_clip_of_the_same_shape_keeps_the_view() {
        let mut view = view_on(rect(0.0, 0.0, 960.0, 540.0), 1.0);
        view.zoom_at(DVec2::new(100.0, 100.0), 3.0);
        let before = view;
        view.set_frame(HD, 1.0);
        assert_eq!(view, before);
        view.set_frame(FrameSize { width: 640, height: 480 }, 1.0);
        assert!(view.is_fitting() && view.is_all_visible());
    }

    fn any_view() -> impl Strategy<Value = ViewTransform> {
        (
            (1_u32..8000, 1_u32..8000, 0.3_f64..3.0),
            (-50.0_f32..500.0, -50.0_f32..500.0, 1.0_f32..4000.0, 1.0_f32..3000.0, 0.5_f32..3.0),
            prop::collection::vec((0.0_f64..1.0, 0.0_f64..1.0, 0.1_f64..10.0, -900.0_f64..900.0), 0..4),
        )
            .prop_map(|((width, height, aspect), (x, y, w, h, density), moves)| {
                let mut view = ViewTransform::new(FrameSize { width, height }, aspect);
                view.set_layout(rect(x, y, w, h), density);
                for (u, v, factor, delta) in moves {
                    view.zoom_at(view.rect_min + view.rect_size * DVec2::new(u, v), factor);
                    view.pan(DVec2::new(delta, -delta / 2.0));
                }
                view
            })
    }

    proptest! {
        #[test]
        fn there_and_back(view in any_view(), x in -3000.0_f64..9000.0, y in -3000.0_f64..9000.0) {
            let point = DVec2::new(x, y);
            prop_assert!(close(view.frame_from_screen(view.screen_from_frame(point)), point, 1e-6));
            prop_assert!(close(view.screen_from_frame(view.frame_from_screen(point)), point, 1e-6));
        }

        #[test]
        fn zooming_in_keeps_the_point_under_the_cursor(view in any_view(), u in 0.0_f64..1.0, v in 0.0_f64..1.0, factor in 1.0_f64..20.0) {
            let visible = view.visible_frame_rect();
            let kept = visible.min + (visible.max - visible.min) * DVec2::new(u, v);
            let cursor = view.screen_from_frame(kept);
            let mut zoomed = view;
            zoomed.zoom_at(cursor, factor);
            prop_assert!(close(zoomed.screen_from_frame(kept), cursor, 1e-5));
        }

        #[test]
        fn zooming_out_keeps_it_unless_the_picture_would_be_lost(view in any_view(), u in 0.0_f64..1.0, v in 0.0_f64..1.0, factor in 0.05_f64..1.0) {
            let cursor = view.rect_min + view.rect_size * DVec2::new(u, v);
            let kept = view.frame_from_screen(cursor);
            let mut zoomed = view;
            zoomed.zoom_at(cursor, factor);
            let free = kept - (cursor - zoomed.rect_centre()) / zoomed.points_per_texel();
            if zoomed.is_on_picture(free) {
                prop_assert!(close(zoomed.screen_from_frame(kept), cursor, 1e-5));
            }
        }

        #[test]
        fn the_picture_is_never_lost(view in any_view(), dx in -1e5_f64..1e5, dy in -1e5_f64..1e5) {
            let mut moved = view;
            moved.pan(DVec2::new(dx, dy));
            for view in [view, moved] {
                let low = view.screen_from_frame(DVec2::splat(-0.5));
                let high = view.screen_from_frame(view.frame_extent() - 0.5);
                let centre = view.rect_centre();
                prop_assert!(low.cmple(centre + 1e-6).all() && high.cmpge(centre - 1e-6).all());
                let visible = view.visible_frame_rect();
                prop_assert!((visible.max - visible.min).cmpgt(DVec2::ZERO).all());
                prop_assert!(view.scale >= view.fitting_scale() * MIN_SHARE_OF_FIT - 1e-9 || view.percent() >= 100.0 - 1e-6);
                prop_assert!(view.percent() <= 6400.0 + 1e-6 || view.scale <= view.fitting_scale() + 1e-9);
            }
        }

        #[test]
        fn the_shader_sees_what_the_pointer_sees(view in any_view(), x in 0.0_f64..4000.0, y in 0.0_f64..3000.0) {
            let TexelsFromPixels { origin, scale } = view.texels_from_pixels();
            let pixel = DVec2::new(x, y);
            let texel = origin + (pixel - view.rect_min * view.pixels_per_point) * scale;
            let expected = view.frame_from_screen(pixel / view.pixels_per_point) + 0.5;
            // Half a physical pixel of snapping at most.
            prop_assert!((texel - expected).abs().cmple(scale * 0.5 + 1e-6).all());
        }
    }
}

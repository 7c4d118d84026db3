//! The eight ways a stored picture can be turned and mirrored for display.
//!
//! Videos bring a display matrix; it is applied once, here, when a frame is made, so that nobody else ever sees a picture
//! lying on its side. Works on planes of any sample size; knows nothing of colour.

use crate::label::FrameSize;

/// First transpose (swap x and y), then mirror. The default does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Rows become columns.
    pub transpose: bool,
    /// Left becomes right, after the transpose.
    pub flip_x: bool,
    /// Top becomes bottom, after the transpose.
    pub flip_y: bool,
}

impl Orientation {
    /// From ffmpeg's 3x3 display matrix in 16.16 fixed point. `None` when it is not a right angle.
    pub fn from_display_matrix(matrix: [i32; 9]) -> Option<Self> {
        // display x = a x + c y, display y = b x + d y, with y pointing down.
        let [a, b, _, c, d, ..] = matrix.map(i64::from);
        let is_small = |small: i64, large: i64| small.abs() * 100 <= large.abs();
        if is_small(b, a) && is_small(c, d) && a != 0 && d != 0 {
            Some(Orientation { transpose: false, flip_x: a < 0, flip_y: d < 0 })
        } else if is_small(a, c) && is_small(d, b) && b != 0 && c != 0 {
            Some(Orientation { transpose: true, flip_x: c < 0, flip_y: b < 0 })
        } else {
            None
        }
    }

    /// Whether pictures stay as they are.
    pub fn is_identity(self) -> bool {
        self == Orientation::default()
    }

    /// Clockwise turn in degrees, and whether the picture is mirrored left to right before it.
    pub fn degrees_and_mirror(self) -> (u32, bool) {
        match (self.transpose, self.flip_x, self.flip_y) {
            (false, false, false) => (0, false),
            (true, true, false) => (90, false),
            (false, true, true) => (180, false),
            (true, false, true) => (270, false),
            (false, true, false) => (0, true),
            (true, true, true) => (90, true),
            (false, false, true) => (180, true),
            (true, false, false) => (270, true),
        }
    }

    /// Size after turning.
    pub fn size(self, stored: FrameSize) -> FrameSize {
        if self.transpose { FrameSize { width: stored.height, height: stored.width } } else { stored }
    }

    /// Turns one plane of `size` samples of `N` bytes, with `stride` bytes a row, into `out` with `out_stride` bytes a row.
    pub fn apply<const N: usize>(self, data: &[u8], stride: usize, size: FrameSize, out: &mut [u8], out_stride: usize) {
        let turned = self.size(size);
        for y in 0..turned.height {
            let mirrored_y = if self.flip_y { turned.height - 1 - y } else { y } as usize;
            let row = &mut out[y as usize * out_stride..][..turned.width as usize * N];
            for (x, sample) in row.chunks_exact_mut(N).enumerate() {
                let mirrored_x = if self.flip_x { turned.width as usize - 1 - x } else { x };
                let (from_x, from_y) = if self.transpose { (mirrored_y, mirrored_x) } else { (mirrored_x, mirrored_y) };
                sample.copy_from_slice(&data[from_y * stride + from_x * N..][..N]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn turn(matrix: [i32; 4]) -> (FrameSize, Vec<u8>) {
        let [a, b, c, d] = matrix;
        let orientation = Orientation::from_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30]).expect("a right angle");
        let stored = FrameSize { width: 3, height: 2 };
        let size = orientation.size(stored);
        let mut out = vec![0; 6];
        orientation.apply::<1>(&[1, 2, 3, 4, 5, 6], 3, stored, &mut out, size.width as usize);
        (size, out)
    }

    #[test]
    fn display_matrices_turn_the_picture() {
        let wide = FrameSize { width: 3, height: 2 };
        let tall = FrameSize { width: 2, height: 3 };
        assert_eq!(turn([ONE, 0, 0, ONE]), (wide, vec![1, 2, 3, 4, 5, 6]), "as stored");
        assert_eq!(turn([0, ONE, -ONE, 0]), (tall, vec![4, 1, 5, 2, 6, 3]), "90 degrees clockwise");
        assert_eq!(turn([-ONE, 0, 0, -ONE]), (wide, vec![6, 5, 4, 3, 2, 1]), "180 degrees");
        assert_eq!(turn([0, -ONE, ONE, 0]), (tall, vec![3, 6, 2, 5, 1, 4]), "270 degrees clockwise");
        assert_eq!(turn([-ONE, 0, 0, ONE]), (wide, vec![3, 2, 1, 6, 5, 4]), "mirrored");
        assert_eq!(turn([0, ONE, ONE, 0]), (tall, vec![1, 4, 2, 5, 3, 6]), "transposed");
    }

    #[test]
    fn slanted_matrices_are_not_guessed() {
        assert_eq!(Orientation::from_display_matrix([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30]), None);
        assert_eq!(Orientation::from_display_matrix([0; 9]), None);
    }
}

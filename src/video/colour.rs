//! What the numbers in a picture mean: matrix, range, transfer; and the way from HDR to the range of a screen.
//!
//! Frames carry a [`Colour`] so that the shader and [`Frame::to_rgb`](super::Frame::to_rgb) show the same picture.
//! Knows no ffmpeg types; `ffmpeg/pixels.rs` fills it in.

use std::sync::LazyLock;

use serde::Serialize;

/// How luma and chroma become red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// Already red, green and blue.
    Rgb,
    /// BT.601, SD video and JPEG.
    Bt601,
    /// BT.709, HD video.
    Bt709,
    /// BT.2020, UHD and HDR video.
    Bt2020,
    /// FCC 73.682.
    Fcc,
    /// SMPTE 240M.
    Smpte240m,
}

/// Which codes are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// 16 to 235 (luma, of 255).
    Limited,
    /// 0 to 255.
    Full,
}

/// How codes become light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfer {
    /// Any gamma curve made for ordinary screens.
    Sdr,
    /// SMPTE ST 2084.
    Pq,
    /// Hybrid log-gamma.
    Hlg,
}

/// How to read a frame's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Colour {
    /// YUV to RGB.
    pub matrix: Matrix,
    /// Black and white.
    pub range: Range,
    /// Light.
    pub transfer: Transfer,
}

impl Colour {
    /// Plain 8-bit RGB.
    pub const RGB: Colour = Colour { matrix: Matrix::Rgb, range: Range::Full, transfer: Transfer::Sdr };

    /// Whether pictures need tone mapping.
    pub fn is_hdr(self) -> bool {
        match self.transfer {
            Transfer::Sdr => false,
            Transfer::Pq | Transfer::Hlg => true,
        }
    }
}

/// Light of paper white, in nits (BT.2408); it becomes 1.0.
const REFERENCE_WHITE_NITS: f32 = 203.0;
/// Below this share of white the picture stays as it is; above, highlights are compressed.
const KNEE: f32 = 0.7;
const TABLE_BITS: u32 = 12;
const TABLE_LENGTH: usize = 1 << TABLE_BITS;

static PQ_LIGHT: LazyLock<Vec<f32>> = LazyLock::new(|| table(pq_light));
static HLG_SCENE: LazyLock<Vec<f32>> = LazyLock::new(|| table(hlg_scene));
static SCREEN_CODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    table(|light| light.powf(1.0 / 2.4)).into_iter().map(|code| (code * 255.0).round() as u8).collect()
});

/// Turns one HDR pixel of 16-bit BT.2020 RGB codes into 8-bit BT.709 for an ordinary screen.
pub(super) fn tone_map(rgb: [u16; 3], transfer: Transfer) -> [u8; 3] {
    let light = match transfer {
        Transfer::Sdr => return rgb.map(|code| (code >> 8) as u8),
        Transfer::Pq => rgb.map(|code| PQ_LIGHT[(code >> (16 - TABLE_BITS)) as usize]),
        Transfer::Hlg => {
            let scene = rgb.map(|code| HLG_SCENE[(code >> (16 - TABLE_BITS)) as usize]);
            let luminance = 0.2627 * scene[0] + 0.678 * scene[1] + 0.0593 * scene[2];
            // The nominal 1000 nit display's system gamma is 1.2 (BT.2100).
            let gain = luminance.max(1e-6).powf(0.2) * 1000.0 / REFERENCE_WHITE_NITS;
            scene.map(|value| value * gain)
        }
    };
    let narrow = bt709_from_bt2020(light).map(|value| value.max(0.0));
    // Compress by the brightest channel, so that hues stay.
    let brightest = narrow[0].max(narrow[1]).max(narrow[2]);
    let gain = if brightest > KNEE { compress(brightest) / brightest } else { 1.0 };
    narrow.map(|value| SCREEN_CODE[((value * gain).min(1.0) * (TABLE_LENGTH - 1) as f32).round() as usize])
}

fn compress(light: f32) -> f32 {
    let over = (light - KNEE) / (1.0 - KNEE);
    KNEE + (1.0 - KNEE) * over / (1.0 + over)
}

fn table(curve: impl Fn(f32) -> f32) -> Vec<f32> {
    (0..TABLE_LENGTH).map(|code| curve(code as f32 / (TABLE_LENGTH - 1) as f32)).collect()
}

fn pq_light(code: f32) -> f32 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 32.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0);
    let root = code.powf(1.0 / m2);
    let nits = 10_000.0 * ((root - c1).max(0.0) / (c2 - c3 * root)).powf(1.0 / m1);
    nits / REFERENCE_WHITE_NITS
}

fn hlg_scene(code: f32) -> f32 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_7);
    if code <= 0.5 { code * code / 3.0 } else { (((code - c) / a as f32).exp() + b) / 12.0 }
}

fn bt709_from_bt2020([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        1.660_49 * r - 0.587_64 * g - 0.072_85 * b,
        -0.124_55 * r + 1.132_9 * g - 0.008_35 * b,
        -0.018_15 * r - 0.100_58 * g + 1.118_73 * b,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(code: f32, transfer: Transfer) -> u8 {
        let [r, g, b] = tone_map([(code * 65535.0) as u16; 3], transfer);
        assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "grey stays grey: {r} {g} {b}");
        g
    }

    #[test]
    fn hdr_greys_rise_from_black_to_white() {
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            assert_eq!(grey(0.0, transfer), 0, "{transfer:?} black");
            let steps: Vec<u8> = (0..=20).map(|step| grey(step as f32 / 20.0, transfer)).collect();
            assert!(steps.is_sorted(), "{transfer:?} {steps:?}");
            assert!(*steps.last().expect("not empty") >= 240, "{transfer:?} {steps:?}");
        }
        // Paper white is code 0.58 in PQ and 0.75 in HLG.
        for (code, transfer) in [(0.58, Transfer::Pq), (0.75, Transfer::Hlg)] {
            let white = grey(code, transfer);
            assert!((200..=250).contains(&white), "{transfer:?} paper white is {white}");
        }
    }
}

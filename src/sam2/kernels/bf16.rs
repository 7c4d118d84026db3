//! Matrix products of bf16 values summed in f32: half the bits of f32, the same range, twice the pace on processors
//! with AVX512-BF16 (Zen 4, Sapphire Rapids and later).
//!
//! The right operand is packed once into panels that a tile of the result reads in order; the left one is only rounded.
//! Elsewhere the same tiles run as plain loops, which is slow and serves the tests. Must not be used where a mask is
//! decided: rounding moves logits by about a hundredth.

use rayon::prelude::*;

use super::MatRef;

/// Columns of a panel: four registers of sixteen sums.
pub(super) const PANEL: usize = 64;
/// Sums a register holds.
const LANES: usize = 16;
/// Rows of the result that a tile holds in registers beside its four columns of them.
const TILE_ROWS: usize = 6;
/// Pairs multiplied before the next tile: a panel's share stays in the second-level cache.
const MAX_PAIRS: usize = 512;

/// Whether this processor multiplies pairs of bf16 values in one instruction.
pub fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Rounds to the nearest bf16, ties to even, and returns its bits.
#[inline(always)]
fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    // Rounding a NaN that way could carry it to infinity.
    if value.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

/// Two neighbours along the summed axis, as the instruction takes them: the first in the low half.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    round(first) | round(second) << 16
}

/// Rounds a row times `factor` into its pairs; an odd row ends in a zero.
fn round_row(values: &[f32], factor: f32, into: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    let done = if is_fast() {
        // SAFETY: the processor has the instructions.
        unsafe { round_row_fast(values, factor, into) }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    for (two, into) in values[done..].chunks(2).zip(&mut into[done / 2..]) {
        *into = pair(two[0] * factor, two.get(1).map_or(0.0, |v| v * factor));
    }
}

/// The whole registers of a row; returns how many values that was.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn round_row_fast(values: &[f32], factor: f32, into: &mut [u32]) -> usize {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    let factor = _mm512_set1_ps(factor);
    let (registers, _) = values.as_chunks::<{ 2 * LANES }>();
    for (from, into) in registers.iter().zip(into.chunks_exact_mut(LANES)) {
        // SAFETY: 32 values are read and 16 pairs, the size of one register, written.
        unsafe {
            let low = _mm512_mul_ps(_mm512_loadu_ps(from.as_ptr()), factor);
            let high = _mm512_mul_ps(_mm512_loadu_ps(from[LANES..].as_ptr()), factor);
            let rounded = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(into.as_mut_ptr().cast(), rounded);
        }
    }
    registers.len() * 2 * LANES
}

/// A left operand `[rows, terms]`, rounded, row by row; an odd row ends in a zero.
#[derive(Default)]
pub(super) struct Rows {
    pairs: Vec<u32>,
    per_row: usize,
}

impl Rows {
    /// Rounds `rows` rows of `terms` values times `factor`.
    ///
    /// # Safety
    /// `from` holds that many rows and values.
    pub(super) unsafe fn fill(&mut self, from: MatRef, rows: usize, terms: usize, factor: f32) {
        self.per_row = terms.div_ceil(2);
        self.pairs.resize(rows * self.per_row, 0);
        for (row, into) in self.pairs.chunks_exact_mut(self.per_row).enumerate() {
            // SAFETY: promised by the caller.
            round_row(unsafe { from.values(row, 0, terms) }, factor, into);
        }
    }
}

/// A right operand `[terms, columns]`: panels of 64 columns, in each of them row pairs one after the other.
#[derive(Debug)]
pub(super) struct Packed {
    pairs: Vec<u32>,
    terms: usize,
    columns: usize,
}

impl Packed {
    /// Packs `b`, `[columns, terms]`: a layer's weight, or keys.
    ///
    /// # Safety
    /// `b` holds that many rows and values.
    pub(super) unsafe fn transposed(b: MatRef, columns: usize, terms: usize) -> Packed {
        Self::by_panel(columns, terms, |first, count, panel| {
            let mut rounded = Rows::default();
            // SAFETY: promised by the caller.
            unsafe { rounded.fill(MatRef { ptr: b.values(first, 0, terms).as_ptr(), ..b }, count, terms, 1.0) };
            // A few pairs of every column at a time: what is written then stays in the first-level cache.
            for (i, rows) in panel.chunks_mut(LANES * PANEL).enumerate() {
                for (column, pairs) in rounded.pairs.chunks_exact(rounded.per_row).enumerate() {
                    for (row, pair) in rows.chunks_exact_mut(PANEL).zip(&pairs[i * LANES..]) {
                        row[column] = *pair;
                    }
                }
            }
        })
    }

    /// Packs `b`, `[terms, columns]`: attention's values.
    ///
    /// # Safety
    /// `b` holds that many rows and values.
    pub(super) unsafe fn straight(b: MatRef, terms: usize, columns: usize) -> Packed {
        Self::by_panel(columns, terms, |first, count, panel| {
            let zeros = [0.0; PANEL];
            for (i, into) in panel.chunks_exact_mut(PANEL).enumerate() {
                // SAFETY: promised by the caller; the second row of a pair may be past the end.
                let row = |row: usize| unsafe { b.values(row, first, count) };
                let second = if 2 * i + 1 < terms { row(2 * i + 1) } else { &zeros[..count] };
                for ((into, a), b) in into.iter_mut().zip(row(2 * i)).zip(second) {
                    *into = pair(*a, *b);
                }
            }
        })
    }

    /// Fills each panel by `fill(first column, columns, panel)`; what it leaves is zero.
    fn by_panel(columns: usize, terms: usize, fill: impl Fn(usize, usize, &mut [u32]) + Sync) -> Packed {
        let panel_size = terms.div_ceil(2) * PANEL;
        let mut pairs = vec![0; columns.div_ceil(PANEL) * panel_size];
        pairs.par_chunks_mut(panel_size.max(1)).enumerate().for_each(|(i, panel)| {
            fill(i * PANEL, PANEL.min(columns - i * PANEL), panel);
        });
        Packed { pairs, terms, columns }
    }

    /// Values summed for each result.
    pub(super) fn terms(&self) -> usize {
        self.terms
    }

    /// Columns of the result.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

/// A part of a product: which of the packed operand's terms and columns it uses, and whether the result is added to.
pub(super) struct Part {
    /// Rows of the left operand and of the result.
    pub rows: usize,
    /// First term in the packed operand (the left operand holds only the part's): even.
    pub first_term: usize,
    /// Terms summed.
    pub terms: usize,
    /// First column: a multiple of 64.
    pub first_column: usize,
    /// Columns of the result.
    pub columns: usize,
    /// Adds to what the result holds.
    pub keep: bool,
}

/// `dst[rows, columns] = keep * dst + a . b` on this thread.
///
/// # Safety
/// `dst` has room for the part and is initialised if `keep` is set.
pub(super) unsafe fn multiply(part: &Part, a: &Rows, b: &Packed, dst: *mut f32, dst_stride: usize) {
    let pairs = part.terms.div_ceil(2);
    let (first_pair, per_panel) = (part.first_term / 2, b.terms.div_ceil(2));
    assert!(part.first_term.is_multiple_of(2) && part.first_column.is_multiple_of(PANEL));
    assert!(a.per_row == pairs && a.pairs.len() >= part.rows * pairs);
    assert!(first_pair + pairs <= per_panel && part.first_column + part.columns <= b.columns);
    for start in (0..pairs).step_by(MAX_PAIRS) {
        let count = MAX_PAIRS.min(pairs - start);
        for column in (0..part.columns).step_by(PANEL) {
            let panel = (part.first_column + column) / PANEL;
            let tile = Tile {
                pairs: count,
                a_stride: a.per_row,
                columns: PANEL.min(part.columns - column),
                keep: part.keep || start > 0,
                dst_stride,
            };
            for row in (0..part.rows).step_by(TILE_ROWS) {
                // SAFETY: the asserts above bound both operands; the caller promised `dst`.
                unsafe {
                    tile.run(
                        TILE_ROWS.min(part.rows - row),
                        a.pairs.as_ptr().add(row * a.per_row + start),
                        b.pairs.as_ptr().add((panel * per_panel + first_pair + start) * PANEL),
                        dst.add(row * dst_stride + column),
                    );
                }
            }
        }
    }
}

/// A piece of the result of up to 6 rows and 64 columns.
struct Tile {
    pairs: usize,
    a_stride: usize,
    columns: usize,
    keep: bool,
    dst_stride: usize,
}

impl Tile {
    /// # Safety
    /// `a` holds `rows` rows of `pairs` pairs, `b` `pairs` rows of a panel, `dst` the tile's rows and columns.
    unsafe fn run(&self, rows: usize, a: *const u32, b: *const u32, dst: *mut f32) {
        #[cfg(target_arch = "x86_64")]
        if is_fast() {
            // SAFETY: the processor has the instructions; sizes are promised by the caller.
            unsafe {
                match (rows, self.columns.div_ceil(LANES)) {
                    (6, 4) => self.fast::<6, 4>(a, b, dst),
                    (6, 3) => self.fast::<6, 3>(a, b, dst),
                    (6, 2) => self.fast::<6, 2>(a, b, dst),
                    (6, _) => self.fast::<6, 1>(a, b, dst),
                    (5, _) => self.fast::<5, 4>(a, b, dst),
                    (4, _) => self.fast::<4, 4>(a, b, dst),
                    (3, _) => self.fast::<3, 4>(a, b, dst),
                    (2, _) => self.fast::<2, 4>(a, b, dst),
                    _ => self.fast::<1, 4>(a, b, dst),
                }
            }
            return;
        }
        // SAFETY: as promised by the caller.
        unsafe { self.plain(rows, a, b, dst) }
    }

    /// `ROWS` rows of `REGISTERS` times sixteen sums stay in registers while the pairs go by.
    ///
    /// # Safety
    /// As [`Tile::run`], on a processor with AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    #[allow(clippy::needless_range_loop, reason = "iterators are not always inlined into a function with features")]
    unsafe fn fast<const ROWS: usize, const REGISTERS: usize>(&self, a: *const u32, b: *const u32, dst: *mut f32) {
        use std::arch::x86_64::*;
        use std::mem::transmute;

        let mut sums = [[_mm512_setzero_ps(); REGISTERS]; ROWS];
        let mut right = [_mm512_setzero_si512(); REGISTERS];
        for p in 0..self.pairs {
            for i in 0..REGISTERS {
                // SAFETY: promised by the caller: a panel's row is 64 pairs.
                right[i] = unsafe { _mm512_loadu_si512(b.add(p * PANEL + i * LANES).cast()) };
            }
            for row in 0..ROWS {
                // SAFETY: promised by the caller.
                let left = _mm512_set1_epi32(unsafe { *a.add(row * self.a_stride + p) } as i32);
                for i in 0..REGISTERS {
                    // SAFETY: a register of 32 bf16 values is 64 bytes of any kind.
                    let (left, right) =
                        unsafe { (transmute::<__m512i, __m512bh>(left), transmute::<__m512i, __m512bh>(right[i])) };
                    sums[row][i] = _mm512_dpbf16_ps(sums[row][i], left, right);
                }
            }
        }
        for row in 0..ROWS {
            for i in 0..REGISTERS {
                let left = self.columns.saturating_sub(i * LANES).min(LANES);
                let mask = ((1_u32 << left) - 1) as __mmask16;
                // SAFETY: masked to the tile's columns, which the caller promised.
                unsafe {
                    let dst = dst.add(row * self.dst_stride + i * LANES);
                    let before = if self.keep { _mm512_maskz_loadu_ps(mask, dst) } else { _mm512_setzero_ps() };
                    _mm512_mask_storeu_ps(dst, mask, _mm512_add_ps(sums[row][i], before));
                }
            }
        }
    }

    /// The same as plain loops.
    ///
    /// # Safety
    /// As [`Tile::run`].
    unsafe fn plain(&self, rows: usize, a: *const u32, b: *const u32, dst: *mut f32) {
        let low = |pair: u32| f32::from_bits(pair << 16);
        let high = |pair: u32| f32::from_bits(pair & 0xFFFF_0000);
        for row in 0..rows {
            let mut sums = [0.0_f32; PANEL];
            for p in 0..self.pairs {
                // SAFETY: promised by the caller.
                let (a, b) =
                    unsafe { (*a.add(row * self.a_stride + p), std::slice::from_raw_parts(b.add(p * PANEL), PANEL)) };
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum += low(a) * low(*b) + high(a) * high(*b);
                }
            }
            // SAFETY: promised by the caller.
            let dst = unsafe { std::slice::from_raw_parts_mut(dst.add(row * self.dst_stride), self.columns) };
            for (into, sum) in dst.iter_mut().zip(sums) {
                *into = if self.keep { *into + sum } else { sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u32, count: usize) -> Vec<f32> {
        (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8e6 - 1.0).collect()
    }

    fn rounded(value: f32) -> f64 {
        f64::from(f32::from_bits(round(value) << 16))
    }

    #[test]
    fn rounds_to_the_nearest_even_and_keeps_what_is_no_number() {
        for (value, bits) in [(1.0, 0x3F80), (1.003_906_3, 0x3F80), (1.011_718_8, 0x3F82), (-2.5, 0xC020), (0.0, 0)] {
            assert_eq!(round(value), bits, "{value}");
            assert_eq!(round(value), u32::from(half::bf16::from_f32(value).to_bits()), "{value}");
        }
        assert!(f32::from_bits(round(f32::from_bits(0x7F80_0001)) << 16).is_nan());
        assert_eq!(f32::from_bits(round(f32::INFINITY) << 16), f32::INFINITY);
    }

    /// Every tile height, tail and way of packing, on the processor's own instructions and on plain loops.
    #[test]
    fn products_are_those_of_the_rounded_values() {
        for (rows, columns, terms) in [(1, 1, 1), (6, 64, 2), (7, 65, 33), (17, 100, 1500), (11, 130, 64), (4, 16, 9)] {
            let (a, b) = (values(1, rows * terms), values(2, terms * columns));
            let mut flipped = vec![0.0; b.len()];
            for t in 0..terms {
                for c in 0..columns {
                    flipped[c * terms + t] = b[t * columns + c];
                }
            }
            let mut left = Rows::default();
            // SAFETY: the matrices have these sizes.
            let packed = unsafe {
                left.fill(MatRef { ptr: a.as_ptr(), stride: terms }, rows, terms, 1.0);
                [
                    Packed::straight(MatRef { ptr: b.as_ptr(), stride: columns }, terms, columns),
                    Packed::transposed(MatRef { ptr: flipped.as_ptr(), stride: terms }, columns, terms),
                ]
            };
            assert_eq!(packed[0].pairs, packed[1].pairs, "{terms} by {columns}");
            for keep in [false, true] {
                let mut out = vec![if keep { 3.0 } else { f32::NAN }; rows * columns];
                let part = Part { rows, first_term: 0, terms, first_column: 0, columns, keep };
                // SAFETY: `out` holds rows * columns values.
                unsafe { multiply(&part, &left, &packed[0], out.as_mut_ptr(), columns) };
                for r in 0..rows {
                    for c in 0..columns {
                        let product = |t: usize| rounded(a[r * terms + t]) * rounded(b[t * columns + c]);
                        let expected = (0..terms).map(product).sum::<f64>() + if keep { 3.0 } else { 0.0 };
                        let got = f64::from(out[r * columns + c]);
                        assert!(
                            (got - expected).abs() < 1e-4,
                            "{rows}x{columns}x{terms} at {r},{c}: {got}, {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_reads_its_own_terms_and_columns() {
        let (terms, columns) = (10, 150);
        let b = values(3, terms * columns);
        // SAFETY: `b` has this size.
        let packed = unsafe { Packed::straight(MatRef { ptr: b.as_ptr(), stride: columns }, terms, columns) };
        let a = [1.0, 1.0, 1.0, 1.0];
        let mut left = Rows::default();
        // SAFETY: one row of four values.
        unsafe { left.fill(MatRef { ptr: a.as_ptr(), stride: 4 }, 1, 4, 2.0) };
        let mut out = vec![0.0; 70];
        let part = Part { rows: 1, first_term: 4, terms: 4, first_column: 64, columns: 70, keep: false };
        // SAFETY: `out` holds one row of 70 values.
        unsafe { multiply(&part, &left, &packed, out.as_mut_ptr(), 70) };
        for (c, got) in out.iter().enumerate() {
            let expected: f64 = (4..8).map(|t| 2.0 * rounded(b[t * columns + 64 + c])).sum();
            assert!((f64::from(*got) - expected).abs() < 1e-5, "column {c}: {got}, {expected}");
        }
    }

    #[test]
    fn the_plain_tile_agrees_with_the_fast_one() {
        let (terms, columns) = (40, 50);
        let (a, b) = (values(5, 6 * terms), values(6, terms * columns));
        let mut left = Rows::default();
        let mut out = vec![0.0; 6 * columns];
        let mut plain = out.clone();
        let tile = Tile { pairs: terms / 2, a_stride: terms / 2, columns, keep: false, dst_stride: columns };
        // SAFETY: the matrices have these sizes.
        unsafe {
            let packed = Packed::straight(MatRef { ptr: b.as_ptr(), stride: columns }, terms, columns);
            left.fill(MatRef { ptr: a.as_ptr(), stride: terms }, 6, terms, 1.0);
            tile.run(6, left.pairs.as_ptr(), packed.pairs.as_ptr(), out.as_mut_ptr());
            tile.plain(6, left.pairs.as_ptr(), packed.pairs.as_ptr(), plain.as_mut_ptr());
        }
        for (a, b) in out.iter().zip(&plain) {
            assert!((a - b).abs() < 1e-5, "{a}, {b}");
        }
    }
}

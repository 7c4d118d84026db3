//! Vector arithmetic for the CPU kernels: exponentials, GELU, row sums.
//!
//! Plain loops over slices that the compiler turns into vector code. Each is compiled twice on x86-64, once for the
//! baseline and once for AVX2, and the right one is chosen at run time, so one binary serves every machine.
//! Nothing here allocates or starts threads.

/// Declares a function compiled for the baseline and for AVX2 with run-time choice between them. In its body `FUSED`
/// says whether multiply and add are one instruction (where they are not, `mul_add` would be a slow call).
macro_rules! vectorised {
    ($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        pub fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters, reason = "not every body multiplies and adds")]
            fn body<const FUSED: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn wide($($arg: $ty),*) $(-> $ret)? {
                body::<true>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: the processor has AVX2 and FMA, checked on the line above.
                return unsafe { wide($($arg),*) };
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}

/// Lanes kept apart in reductions: enough for two AVX registers, so the adds do not wait for each other.
const LANES: usize = 16;

/// `a * b + c`, rounded once where that is one instruction.
#[inline(always)]
fn multiply_then_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// e^x, clamped to the finite range; within one unit in the last place where multiply and add are fused, else two.
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let fma = multiply_then_add::<FUSED>;
    let r = fma(-n, LN2_LOW, x - n * LN2_HIGH);
    let mut p = 1.987_569_1e-4_f32;
    p = fma(p, r, 1.398_199_9e-3);
    p = fma(p, r, 8.333_452e-3);
    p = fma(p, r, 4.166_579_6e-2);
    p = fma(p, r, 1.666_666_5e-1);
    p = fma(p, r, 0.5);
    let e = fma(p, r * r, r) + 1.0;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3F80_0000));
    e * power
}

/// The error function, absolute error below 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
fn erf<const FUSED: bool>(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let fma = multiply_then_add::<FUSED>;
    let poly = fma(fma(fma(fma(1.061_405_4, t, -1.453_152), t, 1.421_413_7), t, -0.284_496_74), t, 0.254_829_6) * t;
    let y = fma(-poly, exp::<FUSED>(-a * a), 1.0);
    y.copysign(x)
}

vectorised! {
    /// Largest value of a row; negative infinity for an empty one.
    pub fn max(row: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut largest = f32::NEG_INFINITY;
        for &v in chunks.remainder() {
            largest = if v > largest { v } else { largest };
        }
        for chunk in chunks {
            for (lane, &v) in lanes.iter_mut().zip(chunk) {
                *lane = if v > *lane { v } else { *lane };
            }
        }
        for v in lanes {
            largest = if v > largest { v } else { largest };
        }
        largest
    }
}

vectorised! {
    /// Replaces each value by `exp(value - shift)` and returns the sum.
    pub fn exp_in_place(row: &mut [f32], shift: f32) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *v = exp::<FUSED>(*v - shift);
                *lane += *v;
            }
        }
        let mut sum = 0.0;
        for v in chunks.into_remainder() {
            *v = exp::<FUSED>(*v - shift);
            sum += *v;
        }
        sum + lanes.iter().sum::<f32>()
    }
}

vectorised! {
    /// Multiplies a row by a factor.
    pub fn scale(row: &mut [f32], factor: f32) {
        for v in row {
            *v *= factor;
        }
    }
}

vectorised! {
    /// `row += bias`.
    pub fn add(row: &mut [f32], bias: &[f32]) {
        for (v, b) in row.iter_mut().zip(bias) {
            *v += b;
        }
    }
}

vectorised! {
    /// `row = max(row + bias, 0)`.
    pub fn add_relu(row: &mut [f32], bias: &[f32]) {
        for (v, b) in row.iter_mut().zip(bias) {
            let s = *v + b;
            *v = if s > 0.0 { s } else { 0.0 };
        }
    }
}

vectorised! {
    /// `row = gelu(row + bias)`, the exact (erf) form.
    pub fn add_gelu(row: &mut [f32], bias: &[f32]) {
        for (v, b) in row.iter_mut().zip(bias) {
            let s = *v + b;
            *v = 0.5 * s * (1.0 + erf::<FUSED>(s * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

vectorised! {
    /// `out = gelu(row)`.
    pub fn gelu(row: &[f32], out: &mut [f32]) {
        for (o, &s) in out.iter_mut().zip(row) {
            *o = 0.5 * s * (1.0 + erf::<FUSED>(s * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

vectorised! {
    /// `out += weight * row`, element by element.
    pub fn multiply_add(out: &mut [f32], row: &[f32], weight: &[f32]) {
        for ((o, &r), &w) in out.iter_mut().zip(row).zip(weight) {
            *o += r * w;
        }
    }
}

vectorised! {
    /// Keeps the larger of two values, element by element.
    pub fn max_with(out: &mut [f32], row: &[f32]) {
        for (o, &r) in out.iter_mut().zip(row) {
            *o = if r > *o { r } else { *o };
        }
    }
}

vectorised! {
    /// Normalises each row of `width` values to mean 0 and variance 1, then applies weight and bias. Two passes: the
    /// variance is taken about the mean, as the reference does.
    pub fn layer_norm(rows: &[f32], out: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
        let width = weight.len();
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mut lanes = [0.0_f32; LANES];
            let chunks = row.chunks_exact(LANES);
            let mut sum: f32 = chunks.remainder().iter().sum();
            for chunk in chunks {
                for (lane, v) in lanes.iter_mut().zip(chunk) {
                    *lane += v;
                }
            }
            sum += lanes.iter().sum::<f32>();
            let mean = sum / width as f32;
            let mut lanes = [0.0_f32; LANES];
            let chunks = row.chunks_exact(LANES);
            let mut sum: f32 = chunks.remainder().iter().map(|v| (v - mean) * (v - mean)).sum();
            for chunk in chunks {
                for (lane, v) in lanes.iter_mut().zip(chunk) {
                    *lane += (v - mean) * (v - mean);
                }
            }
            sum += lanes.iter().sum::<f32>();
            let inverse = 1.0 / (sum / width as f32 + eps).sqrt();
            for (((o, v), w), b) in out.iter_mut().zip(row).zip(weight).zip(bias) {
                *o = (v - mean) * inverse * w + b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_close_to_the_library() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let off = |e: f32| ((f64::from(e) - expected) / expected).abs();
            assert!(off(exp::<true>(x)) < 1.2e-7, "fused exp({x}) is off by {}", off(exp::<true>(x)));
            assert!(off(exp::<false>(x)) < 2.4e-7, "exp({x}) is off by {}", off(exp::<false>(x)));
        }
        assert_eq!(exp::<true>(-1e9), exp::<true>(-87.0));
        assert!(exp::<false>(f32::INFINITY).is_finite());
    }

    #[test]
    fn gelu_matches_known_values() {
        // 0.5 * x * (1 + erf(x / sqrt(2))) in double precision.
        let cases = [(0.0, 0.0), (1.0, 0.841_345), (-1.0, -0.158_655), (3.0, 2.995_95), (-6.0, 0.0)];
        for (x, expected) in cases {
            let mut out = [0.0];
            gelu(&[x], &mut out);
            assert!((out[0] - expected).abs() < 1e-6, "gelu({x}) = {}, not {expected}", out[0]);
        }
    }

    #[test]
    fn reductions_cover_every_tail_length() {
        for n in 0..40 {
            let row: Vec<f32> = (0..n).map(|i| ((i * 7) % 11) as f32 - 3.0).collect();
            let expected = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&row), expected);
            let mut e = row.clone();
            let sum = exp_in_place(&mut e, 1.0);
            let expected: f32 = row.iter().map(|v| (v - 1.0).exp()).sum();
            assert!((sum - expected).abs() <= 1e-5 * expected.max(1.0), "{n} values");
        }
    }
}

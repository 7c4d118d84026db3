//! Our kernels against the same operations spelt out in candle's own: f32 on the CPU takes the kernel, f64 the generic
//! path that GPUs run, so each run checks both.

use candle_core::{DType, Device, Result, Tensor};

use super::Precision;
use super::attention::attention;
use super::conv::{ConvShape, conv2d, depthwise7};
use super::linear::{Activation, Weight, linear};
use super::norm::gelu;
use super::resize::{MapSize, bilinear, double_nearest, max_pool2, pixel_shuffle2};
use super::rope::rotate;
use super::window::WindowAttention;

/// Values in -1..1 that follow from the seed.
fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a small tensor")
}

/// Runs `op` on the inputs in f32 and in f64 and compares.
fn agree(name: &str, inputs: &[Tensor], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let wide: Vec<Tensor> = inputs.iter().map(|t| t.to_dtype(DType::F64).expect("f64")).collect();
    let ours = op(inputs).unwrap_or_else(|e| panic!("{name}, kernel: {e}"));
    let generic = op(&wide).unwrap_or_else(|e| panic!("{name}, generic: {e}"));
    assert_eq!(ours.dims(), generic.dims(), "{name}");
    let ours: Vec<f32> = ours.flatten_all().and_then(|t| t.to_vec1()).expect("f32 values");
    let generic: Vec<f64> = generic.flatten_all().and_then(|t| t.to_vec1()).expect("f64 values");
    for (i, (a, b)) in ours.iter().zip(&generic).enumerate() {
        assert!((f64::from(*a) - b).abs() < 2e-5 * (1.0 + b.abs()), "{name}: value {i} is {a}, not {b}");
    }
}

#[test]
fn linear_layers() {
    let (x, w, b, r) = (noise(1, &[37, 19]), noise(2, &[23, 19]), noise(3, &[23]), noise(4, &[37, 23]));
    let inputs = [x, w, b, r];
    for activation in [Activation::None, Activation::Relu, Activation::Gelu] {
        agree(&format!("{activation:?}"), &inputs, |t| {
            linear(&t[0], &t[1].clone().into(), Some(&t[2]), activation, None)
        });
    }
    agree("no bias", &inputs, |t| linear(&t[0], &t[1].clone().into(), None, Activation::None, None));
    agree("residual", &inputs, |t| linear(&t[0], &t[1].clone().into(), Some(&t[2]), Activation::None, Some(&t[3])));
}

#[test]
fn attention_over_several_key_chunks_heads_and_widths() {
    for (queries, keys, heads, width, value_width) in [(1, 1, 1, 4, 4), (300, 1300, 1, 16, 8), (9, 513, 4, 8, 8)] {
        let inputs = [
            noise(1, &[queries, heads * width]),
            noise(2, &[keys, heads * width]),
            noise(3, &[keys, heads * value_width]),
        ];
        let inputs = inputs.map(|t| (t * 3.0).expect("scaled"));
        agree(&format!("{queries} by {keys}"), &inputs, |t| attention(&t[0], &t[1], &t[2], heads, Precision::F32));
    }
}

#[test]
fn window_attention_with_padding_pooling_and_whole_maps() {
    let cases = [
        ("whole windows", 8, 8, 4, false),
        ("padded windows", 10, 13, 4, false),
        ("padded and pooled", 10, 14, 4, true),
        ("the whole map", 6, 9, 0, false),
        ("the whole map, in more than one block", 30, 36, 0, false),
        ("the whole map, pooled", 6, 8, 0, true),
    ];
    for (name, height, width, window, pool) in cases {
        let heads = 2;
        let inputs = [noise(5, &[height * width, 3 * heads * 6]), noise(6, &[3 * heads * 6])];
        let op = WindowAttention { map: MapSize { height, width }, window, heads, pool, precision: Precision::F32 };
        agree(name, &inputs, |t| op.forward(&t[0], &t[1]));
    }
}

#[test]
fn convolutions() {
    let map = MapSize { height: 17, width: 22 };
    for (kernel, stride, padding) in [(7, 4, 3), (3, 2, 1), (4, 4, 0), (2, 2, 0)] {
        let shape = ConvShape { kernel, stride, padding };
        let inputs = [noise(1, &[map.area(), 3]), noise(2, &[5, 3, kernel, kernel]), noise(3, &[5])];
        agree(&format!("{shape:?}"), &inputs, |t| {
            conv2d(&t[0], map, shape, &ConvShape::flatten_weight(&t[1])?.into(), &t[2])
        });
        // And against candle's own convolution, which lays pictures out channel by channel.
        let reference = |t: &[Tensor]| -> Result<Tensor> {
            let x = t[0].t()?.reshape((1, 3, map.height, map.width))?.contiguous()?;
            let y = x.conv2d(&t[1], padding, stride, 1, 1)?.broadcast_add(&t[2].reshape((1, 5, 1, 1))?)?;
            let (_, channels, height, width) = y.dims4()?;
            y.reshape((channels, height * width))?.t()?.contiguous()
        };
        let ours =
            conv2d(&inputs[0], map, shape, &ConvShape::flatten_weight(&inputs[1]).expect("4d").into(), &inputs[2]);
        let difference = (ours.expect("runs") - reference(&inputs).expect("runs")).expect("same shape");
        let worst: f32 = difference.abs().and_then(|d| d.max_all()).and_then(|d| d.to_scalar()).expect("one value");
        assert!(worst < 1e-5, "{shape:?}: {worst}");
    }
}

#[test]
fn depthwise_convolution() {
    let map = MapSize { height: 9, width: 5 };
    let inputs = [noise(1, &[map.area(), 33]), noise(2, &[49, 33]), noise(3, &[33])];
    agree("depthwise", &inputs, |t| depthwise7(&t[0], map, &t[1], &t[2]));
}

#[test]
fn resizing_and_pointwise() {
    let map = MapSize { height: 7, width: 10 };
    let inputs = [noise(1, &[map.area(), 12]), noise(2, &[map.height, map.width])];
    agree("max pool", &inputs, |t| max_pool2(&t[0], map));
    agree("double", &inputs, |t| double_nearest(&t[0], map));
    agree("shuffle", &inputs, |t| pixel_shuffle2(&t[0], map));
    agree("gelu", &inputs, |t| gelu(&t[0]));
    for out in [MapSize { height: 28, width: 40 }, MapSize { height: 3, width: 4 }, map] {
        agree(&format!("bilinear to {out:?}"), &inputs, |t| bilinear(&t[1], out));
    }
}

#[test]
fn rotary_encoding_tiles_its_table_and_leaves_pointers_alone() {
    let inputs = [noise(1, &[27, 8]), noise(2, &[10, 4]), noise(3, &[10, 4])];
    for rotated in [27, 20, 10] {
        agree(&format!("{rotated} rows"), &inputs, |t| rotate(&t[0], &t[1], &t[2], rotated));
    }
}

/// Runs `op` with operands rounded to bf16 and in f64 and compares: a hundredth of the largest value is what eight bits
/// of mantissa leave.
fn agree_roughly(name: &str, inputs: &[Tensor], op: impl Fn(&[Tensor], Precision) -> Result<Tensor>) {
    let wide: Vec<Tensor> = inputs.iter().map(|t| t.to_dtype(DType::F64).expect("f64")).collect();
    let values = |t: Tensor| -> Vec<f64> {
        t.to_dtype(DType::F64).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1()).expect("values")
    };
    let rounded = values(op(inputs, Precision::Bf16).unwrap_or_else(|e| panic!("{name}, bf16: {e}")));
    let exact = values(op(&wide, Precision::F32).unwrap_or_else(|e| panic!("{name}, generic: {e}")));
    assert_eq!(rounded.len(), exact.len(), "{name}");
    let largest = exact.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
    for (i, (a, b)) in rounded.iter().zip(&exact).enumerate() {
        assert!((a - b).abs() < 0.01 * largest, "{name}: value {i} is {a}, not {b}; the largest is {largest}");
    }
    assert!(rounded != exact, "{name}: nothing was rounded");
}

#[test]
fn layers_in_bf16() {
    // More rows than one task takes, and an odd number of terms.
    let inputs = [noise(1, &[300, 131]), noise(2, &[70, 131]), noise(3, &[70]), noise(4, &[300, 70])];
    fn layer(t: &[Tensor], precision: Precision, activation: Activation, residual: Option<&Tensor>) -> Result<Tensor> {
        linear(&t[0], &Weight::new(t[1].clone(), precision)?, Some(&t[2]), activation, residual)
    }
    agree_roughly("gelu", &inputs, |t, p| layer(t, p, Activation::Gelu, None));
    agree_roughly("residual", &inputs, |t, p| layer(t, p, Activation::None, Some(&t[3])));
}

#[test]
fn attention_in_bf16() {
    for (queries, keys, heads, width, value_width) in [(1, 1, 1, 4, 4), (300, 1300, 1, 16, 8), (9, 513, 4, 8, 8)] {
        let inputs = [
            noise(1, &[queries, heads * width]),
            noise(2, &[keys, heads * width]),
            noise(3, &[keys, heads * value_width]),
        ];
        agree_roughly(&format!("{queries} by {keys}"), &inputs, |t, p| attention(&t[0], &t[1], &t[2], heads, p));
    }
    let map = MapSize { height: 30, width: 36 };
    let inputs = [noise(5, &[map.area(), 36]), noise(6, &[36])];
    agree_roughly("the whole map", &inputs, |t, precision| {
        WindowAttention { map, window: 0, heads: 2, pool: false, precision }.forward(&t[0], &t[1])
    });
}

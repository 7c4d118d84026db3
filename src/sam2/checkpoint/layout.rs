//! From stored bytes to f32 in row-major order: element types, strides, and the check that weights are finite.
//!
//! Called by `Checkpoint`. Nothing here reads files.

use half::{bf16, f16};

use super::error::TensorFault;

/// Element types weights may be stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredDtype {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    BF16,
    /// IEEE double.
    F64,
    /// 64-bit integer.
    I64,
}

impl StoredDtype {
    /// Bytes per element.
    pub fn size_bytes(self) -> u64 {
        match self {
            StoredDtype::F32 => 4,
            StoredDtype::F16 | StoredDtype::BF16 => 2,
            StoredDtype::F64 | StoredDtype::I64 => 8,
        }
    }

    /// Reads elements stored as this type.
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| decode(*chunk)).collect()
        }
        match self {
            StoredDtype::F32 => each(bytes, f32::from_le_bytes),
            StoredDtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            StoredDtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            StoredDtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            StoredDtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        }
    }
}

/// Which elements of a storage a tensor is made of. Made by [`Elements::checked`], so it always fits the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elements {
    /// First element in the storage.
    pub(super) first: u64,
    /// Elements of the storage from `first` to the last one used.
    pub(super) span: u64,
    /// `None` when the elements lie in row-major order without gaps.
    strides: Option<Vec<u64>>,
}

impl Elements {
    /// Row-major, from the storage's first element on.
    pub(super) fn contiguous(count: u64) -> Self {
        Elements { first: 0, span: count, strides: None }
    }

    /// Checks offset, shape and strides against the storage's number of elements.
    pub(super) fn checked(
        offset: u64,
        shape: &[usize],
        strides: &[u64],
        storage_elements: u64,
    ) -> Result<Self, TensorFault> {
        let outside = || TensorFault::OutsideStorage { shape: shape.to_vec(), storage: storage_elements };
        let count = shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side as u64)).ok_or_else(outside)?;
        // A tensor that repeats its storage (stride 0) could be far larger than the file; weights are never saved so.
        if count > storage_elements || offset > storage_elements {
            return Err(outside());
        }
        if count == 0 {
            return Ok(Elements { first: offset, span: 0, strides: None });
        }
        let mut reach = 0_u64;
        let mut row_major_stride = 1_u64;
        let mut is_row_major = true;
        for (&side, &stride) in shape.iter().zip(strides).rev() {
            let steps = side as u64 - 1; // count is not 0, so no side is
            reach = steps.checked_mul(stride).and_then(|far| far.checked_add(reach)).ok_or_else(outside)?;
            is_row_major &= steps == 0 || stride == row_major_stride;
            row_major_stride *= side as u64; // at most `count`
        }
        let span = reach.checked_add(1).ok_or_else(outside)?;
        if offset.checked_add(span).is_none_or(|end| end > storage_elements) {
            return Err(outside());
        }
        Ok(Elements { first: offset, span, strides: (!is_row_major).then(|| strides.to_vec()) })
    }

    /// Decodes the bytes of this span into row-major f32.
    pub(super) fn to_f32(&self, dtype: StoredDtype, bytes: &[u8], shape: &[usize]) -> Result<Vec<f32>, TensorFault> {
        let stored = dtype.decode(bytes);
        let values = match &self.strides {
            None => stored,
            Some(strides) => gather(&stored, shape, strides),
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(TensorFault::NotFinite { index, value: values[index].to_string() }),
            None => Ok(values),
        }
    }
}

/// Walks `shape` in row-major order and picks each element by `strides`.
fn gather(stored: &[f32], shape: &[usize], strides: &[u64]) -> Vec<f32> {
    let count = shape.iter().product();
    let mut values = Vec::with_capacity(count);
    let mut at = vec![0_usize; shape.len()];
    let mut position = 0_u64;
    for _ in 0..count {
        values.push(stored[position as usize]);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            // Wrapping, because an axis of side 1 may carry any stride; it is added and taken away again.
            position = position.wrapping_add(strides[axis]);
            if at[axis] < shape[axis] {
                break;
            }
            position = position.wrapping_sub(strides[axis].wrapping_mul(shape[axis] as u64));
            at[axis] = 0;
        }
    }
    values
}

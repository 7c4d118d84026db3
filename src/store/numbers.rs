//! Whole numbers in few bytes: 7 bits a byte, the lowest first; the top bit says that more follow.
//!
//! Masks and presentation times lie like this in the project file, so this is part of its format.

/// Writes a number: one byte where it is below 128, ten at the most.
pub fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front.
///
/// # Errors
/// When the bytes end within it, or it has more than `most_bytes`, which must not exceed ten.
pub fn take(bytes: &mut &[u8], most_bytes: u32) -> Result<u64, String> {
    let mut number = 0;
    for place in 0..most_bytes {
        let (&byte, rest) = bytes.split_first().ok_or("it ends early")?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number is too long".to_owned())
}

/// A step either way as a number that is small where the step is: 0, -1, 1, -2 become 0, 1, 2, 3.
pub fn zigzag(step: i64) -> u64 {
    (step << 1 ^ step >> 63) as u64
}

/// The step again.
pub fn from_zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            assert_eq!(take(&mut bytes.as_slice(), 10), Ok(number));
            let length = u32::try_from(bytes.len()).expect("ten at the most");
            assert!(take(&mut bytes.as_slice(), length - 1).is_err(), "{number} is longer");
            assert!(take(&mut &bytes[..bytes.len() - 1], 10).is_err(), "{number} is cut");
        }
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert!([0, 5, -5, i64::MAX, i64::MIN].into_iter().all(|step| from_zigzag(zigzag(step)) == step));
    }
}

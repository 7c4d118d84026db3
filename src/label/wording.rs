//! Counts in sentences, and bytes as text.

use std::fmt::Display;

/// `1 mask`, `2 masks`: a whole number of any kind, and what there is so many of.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    if number == N::from(1) { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Bytes in lower-case hex, as hashes are shown and kept.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "mask")), ["0 masks", "1 mask", "2 masks"]);
    }

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(hex([0, 10, 255]), "000aff");
    }
}

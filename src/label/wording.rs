//! Counts in sentences.

use std::fmt::Display;

/// `1 mask`, `2 masks`: a whole number of any kind, and what there is so many of.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    if number == N::from(1) { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "mask")), ["0 masks", "1 mask", "2 masks"]);
    }
}

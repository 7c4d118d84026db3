//! Numbers in sentences.

/// `1 mask`, `2 masks`.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "mask")), ["0 masks", "1 mask", "2 masks"]);
    }
}

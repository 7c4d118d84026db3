//! The order a person expects of file names: `2.png` before `10.png`.
//!
//! For images in a folder and for clips beside each other.

use std::cmp::Ordering;

/// Compares names with runs of digits as numbers and letters without case; ties are broken byte by byte.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some(first_left), Some(first_right)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        if first_left.is_ascii_digit() && first_right.is_ascii_digit() {
            let (number_left, rest_left) = split_number(left);
            let (number_right, rest_right) = split_number(right);
            // Without leading zeros the longer number is the larger one, however many digits it has.
            let order = number_left.len().cmp(&number_right.len()).then_with(|| number_left.cmp(number_right));
            if order.is_ne() {
                return order;
            }
            (left, right) = (rest_left, rest_right);
        } else {
            let order = first_left.to_lowercase().cmp(first_right.to_lowercase());
            if order.is_ne() {
                return order;
            }
            (left, right) = (&left[first_left.len_utf8()..], &right[first_right.len_utf8()..]);
        }
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let expected = ["1.png", "2.PNG", "10.png", "a1b2", "a1b10", "a002c", "a10", "Ä1", "é"];
        let mut shuffled = ["a10", "10.png", "a1b10", "é", "2.PNG", "a002c", "1.png", "Ä1", "a1b2"];
        shuffled.sort_by(|a, b| compare(a, b));
        assert_eq!(shuffled, expected);
    }

    #[test]
    fn order_is_total_even_for_equal_values() {
        assert_eq!(compare("01", "1"), Ordering::Less);
        assert_eq!(compare("1", "01"), Ordering::Greater);
        assert_eq!(compare("7", "7"), Ordering::Equal);
        let long = "9".repeat(60);
        assert_eq!(compare(&long, &format!("1{long}")), Ordering::Less, "numbers beyond u64");
    }
}

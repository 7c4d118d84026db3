//! How another program counted a clip's frames, as far as its numbers tell.
//!
//! It may have counted from 1, or say one number in a frame's name and another one beside it. What is certainly wrong or
//! contradicts itself is refused, and what may be meant in two ways is told.

use super::import::shortened;

/// The numbers that frames were found by.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// The lowest and the highest.
    range: Option<(u32, u32)>,
    /// The first frame whose name says a number.
    named: Option<Named>,
}

/// A frame whose name says a number.
#[derive(Debug)]
struct Named {
    name: String,
    in_name: u32,
    /// The number it was found by.
    used: u32,
}

impl Numbering {
    /// Takes note of a frame, of the number it is found by and of the one its name says.
    ///
    /// # Errors
    /// When names and numbers do not run alongside each other: then nothing tells which of them is the frame.
    pub fn note(&mut self, name: &str, used: u32, in_name: Option<u32>) -> Result<(), String> {
        let (lowest, highest) = self.range.unwrap_or((used, used));
        self.range = Some((lowest.min(used), highest.max(used)));
        let Some(in_name) = in_name else { return Ok(()) };
        let ahead = i64::from(in_name) - i64::from(used);
        let Some(first) = &self.named else {
            self.named = Some(Named { name: shortened(name), in_name, used });
            return Ok(());
        };
        if first.ahead() == ahead {
            return Ok(());
        }
        let this = Named { name: shortened(name), in_name, used };
        let told = if ahead == 0 { first } else { &this };
        Err(format!(
            "the names and the numbers of its frames do not go together ({told}), so nothing tells which of them counts; \
             open the folder of its pictures to import it there, or make its names and numbers say the same"
        ))
    }

    /// What may be meant in two ways.
    ///
    /// # Errors
    /// When the frames of a clip of so many were counted from 1: every mask would lie one frame late.
    pub fn finish(&self, frame_count: u32, may_count_from_one: bool) -> Result<Vec<String>, String> {
        let mut notices = Vec::new();
        if let Some((lowest, highest)) = self.range.filter(|(lowest, _)| *lowest > 0) {
            let last = frame_count.saturating_sub(1);
            if highest == last + 1 {
                return Err(format!(
                    "its frames are numbered {lowest} to {highest}, the clip's 0 to {last}; number them from 0 and import \
                     it again"
                ));
            }
            if may_count_from_one {
                notices.push(format!(
                    "its lowest frame number is {lowest}; numbers were taken as counted from 0, so look whether the \
                     masks lie on their frames"
                ));
            }
        }
        if let Some(first) = self.named.as_ref().filter(|first| first.ahead() != 0) {
            notices.push(format!(
                "its names count otherwise than its frame numbers ({first}); masks were put on the frames of the numbers, \
                 so look whether they lie on their frames"
            ));
        }
        Ok(notices)
    }
}

impl Named {
    /// How far the name is ahead.
    fn ahead(&self) -> i64 {
        i64::from(self.in_name) - i64::from(self.used)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: its name says {}, its frame number {}", self.name, self.in_name, self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notices about frames by name, number, and number in the name.
    fn notices(frames: &[(&str, u32, Option<u32>)]) -> Result<Vec<String>, String> {
        let mut numbering = Numbering::default();
        frames.iter().try_for_each(|(name, used, in_name)| numbering.note(name, *used, *in_name))?;
        numbering.finish(10, true)
    }

    #[test]
    fn names_that_run_alongside_the_numbers_are_no_hindrance() {
        assert_eq!(notices(&[("a_0", 0, Some(0)), ("cat", 2, None), ("a_5", 5, Some(5))]), Ok(Vec::new()));
        let told = notices(&[("cat", 2, None), ("a_1", 0, Some(1)), ("a_6", 5, Some(6))]).expect("one apart");
        assert!(told.len() == 1 && told[0].contains("a_1: its name says 1, its frame number 0"), "{told:?}");
    }

    #[test]
    fn names_that_contradict_the_numbers_are_refused() {
        for frames in [
            [("a_0", 0, Some(0)), ("a_3", 1, Some(3))],
            [("a_3", 1, Some(3)), ("a_0", 0, Some(0))],
            [("a_2", 0, Some(2)), ("a_3", 2, Some(3))],
        ] {
            let message = notices(&frames).expect_err("they contradict each other");
            assert!(message.contains("a_3: its name says 3, its frame number"), "{message}");
        }
    }
}

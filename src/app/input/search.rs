//! Finds actions by what somebody remembers of their names.

use super::super::action::Action;

/// The actions whose labels match `query`, best first, with the matching characters' positions in the label. An empty
/// query finds all, in order.
pub fn search(query: &str, actions: &[Action]) -> Vec<(Action, Vec<usize>)> {
    if query.trim().is_empty() {
        return actions.iter().map(|action| (action.clone(), Vec::new())).collect();
    }
    let labels: Vec<String> = actions.iter().map(|action| action.label().into_owned()).collect();
    // Words may stand in any order; each must be found, a long one even with a slip of the finger.
    let config = frizbee::Config::default().casing(frizbee::CaseMatching::Ignore);
    let word = |word: &str| frizbee::Pattern::from(word).max_typos(Some((word.chars().count() / 4) as u16));
    let words: Vec<frizbee::Pattern> = query.split_whitespace().map(word).collect();
    let found = frizbee::Matcher::from_patterns(&words, &config).match_list_indices(&labels);
    found
        .into_iter()
        .map(|hit| {
            // The matcher counts bytes.
            let letters = labels[hit.index as usize].char_indices().enumerate();
            let is_hit = |at: usize| hit.indices.contains(&(at as u32));
            let places = letters.filter(|(_, (at, _))| is_hit(*at)).map(|(place, _)| place).collect();
            (actions[hit.index as usize].clone(), places)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_by_parts_and_by_initials() {
        let all = Action::without_arguments();
        let first = |query: &str| search(query, &all).first().map(|(action, _)| action.label().into_owned());
        assert_eq!(first("new obj").as_deref(), Some("New object"));
        assert_eq!(first("undo").as_deref(), Some("Undo"));
        assert_eq!(first("zoom fit").as_deref(), Some("Zoom to fit"));
        assert_eq!(first("UNDO").as_deref(), Some("Undo"));
        assert!(first("trakc forward").is_some_and(|label| label.starts_with("Track forward")));
        assert_eq!(search("", &all).len(), all.len());
        assert!(search("qqqqqq", &all).is_empty());
    }

    #[test]
    fn matching_characters_are_pointed_out() {
        let hits = search("undo", &[Action::Undo]);
        assert_eq!(hits[0].1, [0, 1, 2, 3]);
    }
}

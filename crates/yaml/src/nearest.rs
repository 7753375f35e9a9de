//! Suggestions for misspelt names.

/// The candidate most similar to a word; none if no candidate is similar: at most a third of its
/// letters may be wrong, missing, superfluous or swapped.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MOST).collect();
    let limit = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().take(MOST).collect();
            if letters.len().abs_diff(word.len()) > limit {
                return None;
            }
            let distance = distance(&word, &letters);
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Most bytes of a name that are compared.
const MOST: usize = 80;

/// Number of edits (insert, delete, replace, swap neighbours) from one word to another.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let same = x.eq_ignore_ascii_case(&y);
            let mut best = (last[j] + usize::from(!same))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_letter_is_found() {
        let names = ["proc.pname", "proc.name", "proc.args"];
        assert_eq!(nearest("proc.nmae", names), Some("proc.name"));
    }

    #[test]
    fn something_quite_different_is_not_suggested() {
        assert_eq!(nearest("zebra", ["proc.name", "rule"]), None);
    }
}

//! "Did you mean": the known word that is nearest to an unknown one.

/// Words longer than this are not compared: the distance costs the product of the lengths.
const MAX_LENGTH: usize = 64;
/// Of more known words than these the others are not looked at.
const MAX_KNOWN: usize = 100;

/// The nearest of `known`, when it is near enough that a slip is likely.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_LENGTH || word.is_empty() {
        return None;
    }
    let wanted = normal(word);
    known
        .into_iter()
        .take(MAX_KNOWN)
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| (distance(&wanted, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= candidate.chars().count().max(wanted.len()) / 3
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …`, else the list of what is known.
pub(crate) fn hint<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(nearest) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    let mut names: Vec<String> = known
        .into_iter()
        .take(25)
        .map(|name| format!("`{name}`"))
        .collect();
    names.sort();
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}

/// Case, `-` and `_` do not make words different.
fn normal(word: &str) -> Vec<char> {
    let same = |c: char| {
        if c == '_' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    };
    word.chars().map(same).collect()
}

/// Edits between two words, a swap of neighbours counting as one.
fn distance(one: &[char], two: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in two.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == two[j - 1] && one[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["runs-on", "needs", "steps", "strategy", "if"];

    #[test]
    fn slips_find_their_word() {
        for (slip, word) in [
            ("run-on", "runs-on"),
            ("runs_on", "runs-on"),
            ("RUNS-ON", "runs-on"),
            ("stpes", "steps"),
            ("step", "steps"),
            ("need", "needs"),
            ("stategy", "strategy"),
        ] {
            assert_eq!(nearest(slip, KEYS), Some(word), "{slip}");
        }
    }

    #[test]
    fn what_is_far_is_not_guessed() {
        for word in ["", "container", "of", &"x".repeat(500)] {
            assert_eq!(nearest(word, KEYS), None, "{word}");
        }
        assert_eq!(
            hint("container", KEYS).as_deref(),
            Some("known here: `if`, `needs`, `runs-on`, `steps`, `strategy`")
        );
    }
}

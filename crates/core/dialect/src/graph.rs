//! Circles in a graph of names: jobs by `needs`, environments by `after`.

use std::collections::{BTreeMap, BTreeSet};

/// More circles than these are not named: a tangle of n names can have more than n² names in its circles.
const MAX_FOUND: usize = 10;

/// The circles, each from its first name back to it. Names that lead nowhere are left out; each name is
/// looked at once.
pub(crate) fn circles<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Vec<&'a str>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        walk(start, edges, &mut done, &mut found);
    }
    found
}

/// Depth first, with a path of our own: a chain of ten thousand jobs must not need as deep a stack.
fn walk<'a>(
    start: &'a str,
    edges: &BTreeMap<&'a str, Vec<&'a str>>,
    done: &mut BTreeSet<&'a str>,
    found: &mut Vec<Vec<&'a str>>,
) {
    let mut path: Vec<(&str, usize)> = Vec::new();
    let mut on_path: BTreeMap<&str, usize> = BTreeMap::new();
    let mut enter = Some(start);
    loop {
        if let Some(name) = enter.take()
            && !done.contains(name)
            && edges.contains_key(name)
        {
            if let Some(&from) = on_path.get(name) {
                if found.len() < MAX_FOUND {
                    let circle = path[from..].iter().map(|(name, _)| *name);
                    found.push(circle.chain([name]).collect());
                }
            } else {
                on_path.insert(name, path.len());
                path.push((name, 0));
            }
        }
        let Some((name, next)) = path.last_mut() else {
            return;
        };
        if let Some(target) = edges.get(name).and_then(|targets| targets.get(*next)) {
            *next += 1;
            enter = Some(target);
        } else {
            done.insert(name);
            on_path.remove(name);
            path.pop();
        }
    }
}

/// `a → b → a`.
pub(crate) fn arrows(circle: &[&str]) -> String {
    circle.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&'static str, &[&'static str])], expected: &[&str]) {
        let edges = edges
            .iter()
            .map(|(from, to)| (*from, to.to_vec()))
            .collect();
        let found: Vec<String> = circles(&edges).iter().map(|path| arrows(path)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn circles_are_found_and_named() {
        check(&[("a", &["b"]), ("b", &[])], &[]);
        check(&[("a", &["a"])], &["a → a"]);
        check(&[("a", &["b"]), ("b", &["a"])], &["a → b → a"]);
        check(
            &[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["d"])],
            &["b → c → b", "d → d"],
        );
        check(
            &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])],
            &[],
        );
        check(&[("a", &["nowhere"])], &[]);
    }

    #[test]
    fn a_tangle_is_cheap() {
        let names: Vec<String> = (0..20_000).map(|n| format!("j{n:05}")).collect();
        let edges = names
            .windows(2)
            .map(|pair| (pair[0].as_str(), vec!["j00000", pair[1].as_str()]))
            .collect();
        assert_eq!(circles(&edges).len(), MAX_FOUND);
    }

    #[test]
    fn a_long_chain_is_cheap() {
        let names: Vec<String> = (0..20_000).map(|n| format!("j{n:05}")).collect();
        let edges = names
            .windows(2)
            .map(|pair| (pair[0].as_str(), vec![pair[1].as_str()]))
            .collect();
        assert!(circles(&edges).is_empty());
    }
}

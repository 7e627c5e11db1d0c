//! What of an expression becomes text, and whether that is tainted. Conditions and comparisons choose
//! between texts that others wrote; they hand nothing on.

use cutover_expr::{Part, Tree};

use super::trail::{Taints, Trail, look_up};
use crate::github::lint::untrusted;

/// A tainted part of a text: the byte where it begins, and how it came there.
pub(super) type Spot = (usize, Trail);

/// The tainted parts of a text with `${{ }}`, in their order.
pub(super) fn of_text(text: &str, layers: &[&Taints]) -> Vec<Spot> {
    let mut found = Vec::new();
    if !text.contains("${{") {
        return found;
    }
    for (start, expression) in cutover_expr::template::expressions(text).unwrap_or_default() {
        if let Ok(Some(tree)) = cutover_expr::tree(expression) {
            let before = found.len();
            walk(&tree, layers, &mut found);
            for (at, _) in &mut found[before..] {
                *at += start;
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

/// How a text is tainted, wherever.
pub(super) fn trails(text: &str, layers: &[&Taints]) -> Vec<Trail> {
    let spots = of_text(text, layers);
    spots.into_iter().map(|(_, trail)| trail).collect()
}

fn walk(tree: &Tree, layers: &[&Taints], found: &mut Vec<Spot>) {
    match &tree.part {
        Part::Context(_) | Part::Property(..) | Part::Filter(_) | Part::Index(..) => {
            let (segments, others) = untrusted::segments(tree);
            if segments.is_empty() {
                // `fromJSON(…).a`: what it begins with is the last of them.
                if let Some(first) = others.last() {
                    walk(first, layers, found);
                }
                return;
            }
            let known = untrusted::strangers(&segments).next().map(Trail::stranger);
            let trails = known.into_iter().chain(look_up(layers, &segments));
            found.extend(trails.map(|trail| (tree.start, trail)));
        }
        Part::Call(name, parameters) => {
            for parameter in handed_on(name, parameters) {
                walk(parameter, layers, found);
            }
        }
        // The left side is taken when it counts as false: nothing that matters.
        Part::And(_, right) => walk(right, layers, found),
        Part::Or(left, right) => {
            walk(left, layers, found);
            walk(right, layers, found);
        }
        Part::Null
        | Part::Boolean(_)
        | Part::Number(_)
        | Part::Text(_)
        | Part::Not(_)
        | Part::Compare(..) => {}
    }
}

/// The parameters of a function that are in what it gives.
fn handed_on<'t>(name: &str, parameters: &'t [Tree]) -> Vec<&'t Tree> {
    match name.to_lowercase().as_str() {
        "format" | "join" | "tojson" | "fromjson" => parameters.iter().collect(),
        "case" => {
            let is_value = |index: usize| index % 2 == 1 || index + 1 == parameters.len();
            let all = parameters.iter().enumerate();
            all.filter(|(index, _)| is_value(*index))
                .map(|(_, it)| it)
                .collect()
        }
        _ => Vec::new(),
    }
}

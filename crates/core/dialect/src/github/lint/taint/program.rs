//! What a script of `actions/github-script` says for later steps.

use super::{
    script::{File, Script, Written},
    trail::{Trail, merge},
};
use crate::github::lint::untrusted;

/// Its calls with what they set.
const CALLS: [(&str, File); 2] = [("setOutput(", File::Output), ("exportVariable(", File::Env)];

/// What it writes, in order; what is clean is not told.
pub(super) fn written(script: &Script<'_>) -> Vec<Written> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in script.text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let call = CALLS
            .into_iter()
            .find_map(|(call, to)| Some((line.split_once(call)?.1, to)));
        let (said, to, name) = if let Some((behind, to)) = call {
            let Some((name, behind)) = first_text(behind) else {
                continue;
            };
            (behind, to, name)
        } else if let Some(behind) = line.trim().strip_prefix("return ") {
            (behind, File::Output, "result")
        } else {
            continue;
        };
        let mut trails = Vec::new();
        let inside = script.spots_in(&range);
        merge(&mut trails, inside.iter().map(|(_, trail)| trail.clone()));
        merge(&mut trails, values(said, script));
        if !trails.is_empty() {
            let name = name.to_owned();
            found.push(Written { to, name, trails });
        }
    }
    found
}

/// `'name', …`: the name, and what is behind it.
fn first_text(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|it| "\"'`".contains(*it))?;
    text[1..].split_once(quote)
}

/// The values in the words of the program: `context.payload.issue.title`, `process.env.TITLE`. One that
/// is handed to a function is not followed.
fn values(text: &str, script: &Script<'_>) -> Vec<Trail> {
    let text = text.trim_start_matches([',', ' ']).replace("?.", ".");
    let end = text
        .find(|it: char| !(it.is_ascii_alphanumeric() || "_.".contains(it)))
        .unwrap_or(text.len());
    let (chain, rest) = text.split_at(end);
    if rest.starts_with('(') {
        return Vec::new();
    }
    if let Some(path) = chain.strip_prefix("context.payload.") {
        let known = untrusted::named(&format!("github.event.{path}"));
        return known.map(Trail::stranger).into_iter().collect();
    }
    match chain.strip_prefix("process.env.") {
        Some(name) => (script.variable)(name),
        None => Vec::new(),
    }
}

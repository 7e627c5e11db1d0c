//! Values that strangers write: titles, messages, names of branches. In a script each of them is a way in.

use cutover_expr::{Part, Tree};

/// The values by their paths; `*` is any item of a list.
const PATHS: [&str; 26] = [
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch",
    "github.event.comment.body",
    "github.event.review.body",
    "github.event.review_comment.body",
    "github.event.pages.*.page_name",
    "github.event.commits.*.message",
    "github.event.commits.*.author.email",
    "github.event.commits.*.author.name",
    "github.event.head_commit.message",
    "github.event.head_commit.author.email",
    "github.event.head_commit.author.name",
    "github.event.discussion.title",
    "github.event.discussion.body",
    "github.event.workflow_run.head_branch",
    "github.event.workflow_run.display_title",
    "github.event.workflow_run.head_commit.message",
    "github.event.workflow_run.head_commit.author.email",
    "github.event.workflow_run.head_commit.author.name",
    "github.event.workflow_run.pull_requests.*.head.ref",
    "github.head_ref",
];

/// What `contains` and its like give is a truth value, whatever goes in.
const SAFE: [&str; 3] = ["contains", "startswith", "endswith"];

/// A link of a chain such as `github.event.commits[0].message`.
#[derive(Debug)]
pub(super) enum Segment {
    /// As it is written.
    Name(String),
    /// An item of a list.
    Item,
    /// `.*`: of an object any property, of a list any item.
    Each,
}

/// The untrusted values of an expression: where each begins, and its path.
pub(super) fn paths(tree: &Tree) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    walk(tree, &mut found);
    found
}

fn walk(tree: &Tree, found: &mut Vec<(usize, String)>) {
    match &tree.part {
        Part::Property(..) | Part::Filter(_) | Part::Index(..) => chain(tree, found),
        Part::Call(name, parameters) if !SAFE.contains(&name.to_lowercase().as_str()) => {
            for parameter in parameters {
                walk(parameter, found);
            }
        }
        Part::Not(of) => walk(of, found),
        Part::And(left, right) | Part::Or(left, right) | Part::Compare(_, left, right) => {
            walk(left, found);
            walk(right, found);
        }
        _ => {}
    }
}

fn chain(tree: &Tree, found: &mut Vec<(usize, String)>) {
    let (segments, others) = segments(tree);
    for other in others {
        walk(other, found);
    }
    let all: Vec<&str> = strangers(&segments).collect();
    if !all.is_empty() {
        found.push((tree.start, all.join("`, `")));
    }
}

/// The links of a chain, and what else stands in it: its indices, and what it begins with when that is no
/// context. Without a context there are no links.
pub(super) fn segments(tree: &Tree) -> (Vec<Segment>, Vec<&Tree>) {
    let (mut segments, mut others) = (Vec::new(), Vec::new());
    let mut node = tree;
    loop {
        node = match &node.part {
            Part::Property(of, name) => {
                segments.push(Segment::Name(name.clone()));
                of
            }
            Part::Filter(of) => {
                segments.push(Segment::Each);
                of
            }
            Part::Index(of, index) => {
                others.push(&**index);
                segments.push(Segment::Item);
                of
            }
            Part::Context(name) => {
                segments.push(Segment::Name(name.clone()));
                break;
            }
            _ => {
                others.push(node);
                return (Vec::new(), others);
            }
        };
    }
    segments.reverse();
    (segments, others)
}

/// Those of the values that a chain may be.
pub(super) fn strangers(segments: &[Segment]) -> impl Iterator<Item = &'static str> {
    let is_one = |path: &&str| matches(segments, &path.split('.').collect::<Vec<_>>());
    PATHS.into_iter().filter(is_one)
}

/// Whether it is one of the values, item by item: for programs that ask for them in their own words.
pub(super) fn named(path: &str) -> Option<&'static str> {
    PATHS.into_iter().find(|own| *own == path)
}

/// Whether a chain may be the value of a path.
pub(super) fn matches(segments: &[Segment], path: &[&str]) -> bool {
    match (segments.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((Segment::Name(name), rest)), Some((own, path))) => {
            name.eq_ignore_ascii_case(own) && matches(rest, path)
        }
        (Some((Segment::Item, rest)), Some((own, path))) if *own == "*" => matches(rest, path),
        // An index behind `.*` takes one of what it gave.
        (Some((Segment::Item, rest)), _) => path.is_empty() && matches(rest, path),
        (Some((Segment::Each, rest)), Some((_, path))) => matches(rest, path),
        _ => false,
    }
}

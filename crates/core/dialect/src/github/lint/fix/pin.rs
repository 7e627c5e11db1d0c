//! `uses: owner/action@v4` → `uses: owner/action@COMMIT # v4`, with the commit of the lock, which is told
//! of the new name.

use cutover_model::Diagnostic;

use super::source::{Quote, Source};
use crate::{Edit, Fix, Lock, SourceTree, diagnostic::Code, foreign};

pub(super) fn fixes(source: &Source<'_>, tree: &SourceTree, said: &[&Diagnostic]) -> Vec<Fix> {
    let (Some(lock), faults) = Lock::read(tree) else {
        return Vec::new();
    };
    if !faults.is_empty() {
        return Vec::new();
    }
    said.iter()
        .filter(|it| it.code == Code::Movable.id())
        .filter_map(|it| fix(source, tree, &lock, it))
        .collect()
}

fn fix(source: &Source<'_>, tree: &SourceTree, lock: &Lock, it: &Diagnostic) -> Option<Fix> {
    let byte = source.byte(it.at)?;
    let rest = source.line_behind(byte)?;
    let (skip, quote) = match rest.chars().next()? {
        '\'' => (1, Quote::Single),
        '"' => (1, Quote::Double),
        _ => (0, Quote::Plain),
    };
    let ends = |letter: char| match quote {
        Quote::Single => letter == '\'',
        Quote::Double => letter == '"',
        Quote::Plain | Quote::Block => letter == ' ' || letter == ',' || letter == '}',
    };
    let length = rest[skip..].find(ends).unwrap_or(rest.len() - skip);
    let uses = &rest[skip..skip + length];
    let behind = rest.get(skip + length + skip..)?;
    // In brackets a comment would take what follows.
    let has_own_line = behind.trim_start().is_empty() || behind.trim_start().starts_with('#');
    let before = source.line_before(byte)?.trim_start_matches([' ', '-']);
    if !has_own_line || !before.starts_with("uses:") {
        return None;
    }
    let reference = foreign::reference(uses)?;
    let locked = lock.get(&reference.repository, reference.git_ref)?;
    let start = byte + skip + length - reference.git_ref.len();
    let end = byte + skip + length;
    let comment = end + skip;
    let edits = [
        source.edit(start, end, locked.commit.clone()),
        source.edit(comment, comment, format!(" # {}", reference.git_ref)),
    ];
    let mut edits = edits.into_iter().collect::<Option<Vec<Edit>>>()?;
    if lock.get(&reference.repository, &locked.commit).is_none() {
        edits.push(entry(
            tree,
            &reference.repository,
            reference.git_ref,
            locked,
        )?);
    }
    Some(Fix {
        code: it.code.clone(),
        path: source.path.to_owned(),
        mends: vec![it.at],
        title: format!("names the commit of `{}`", Lock::PATH),
        is_safe: true,
        edits,
    })
}

/// The line of the lock for an action by its commit, behind the one by its ref.
fn entry(
    tree: &SourceTree,
    repository: &str,
    git_ref: &str,
    locked: &cutover_model::plan::ActionTree,
) -> Option<Edit> {
    let text = str::from_utf8(tree.get(Lock::PATH)?).ok()?;
    let lock = Source::new(Lock::PATH, text);
    let name = format!("{repository}@{git_ref}");
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let own = line.split_whitespace().next().unwrap_or_default();
        if own.eq_ignore_ascii_case(&name) {
            let end = at + line.trim_end().len();
            let commit = &locked.commit;
            let new = format!("\n{repository}@{commit} {commit} {}", locked.tree);
            return lock.edit(end, end, new);
        }
        at += line.len();
    }
    None
}

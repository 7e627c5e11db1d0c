//! `cutover lock`: which files exactly the actions of other repositories are, written down.

use anyhow::Context as _;
use cutover_dialect as dialect;

use super::tree::Tree;
use crate::{cli, config, exit::Exit, render};

pub(crate) async fn run(args: cli::Lock) -> anyhow::Result<Exit> {
    let tree = Tree::open(&args.directory).await?;
    let actions = config::actions(&args.actions, None)?;
    let (lock, errors) = cutover_server::lock(&actions, &tree.files, args.update).await;
    if !errors.is_empty() {
        render::diagnostics(&errors, |path| tree.text(path));
        render::talk("the lock was not written: what stands above is in its way");
        return Ok(Exit::Failed);
    }
    let count = lock.iter().count();
    let path = tree.root.join(dialect::Lock::PATH);
    let (before, after) = (tree.text(dialect::Lock::PATH), lock.to_string());
    if before.is_none() && count == 0 {
        render::talk("no action of another repository is used: there is nothing to lock");
        return Ok(Exit::Ok);
    }
    if before.as_ref() == Some(&after) {
        render::talk(&format!("{path} holds: {count} actions"));
        return Ok(Exit::Ok);
    }
    for line in changes(before.as_deref().unwrap_or_default(), &after) {
        render::data(&line);
    }
    if args.check {
        render::talk(&format!(
            "{path} would be written otherwise; run `cutover lock`"
        ));
        return Ok(Exit::Failed);
    }
    std::fs::write(&path, after).with_context(|| format!("could not write `{path}`"))?;
    render::talk(&format!("{path} is written: {count} actions"));
    Ok(Exit::Ok)
}

/// The entries that go, with `-`, and those that come, with `+`.
fn changes(before: &str, after: &str) -> Vec<String> {
    let entries = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let (before, after) = (entries(before), entries(after));
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    gone.map(|line| format!("- {line}"))
        .chain(come.map(|line| format!("+ {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_by_entries() {
        let before = "# by whom\na/b@v1 1 2\nc/d@v1 3 4\n";
        let after = "# by whom else\na/b@v1 1 5\nc/d@v1 3 4\n";
        assert_eq!(changes(before, after), ["- a/b@v1 1 2", "+ a/b@v1 1 5"]);
    }
}

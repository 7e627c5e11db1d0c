//! `.github/cutover.lock`: which files exactly the actions of other repositories are. One line for each
//! repository at a ref: its name, the commit, and the tree, which alone decides.

use std::{collections::BTreeMap, fmt};

use cutover_model::{Diagnostic, Position, plan::ActionTree};

use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    foreign,
};

/// A lock: actions in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    entries: BTreeMap<(String, String), ActionTree>,
}

impl Lock {
    /// Where it lies in the sources.
    pub const PATH: &'static str = ".github/cutover.lock";

    /// Reads it; `None` when there is none. What cannot be read is told, and a run of it is refused.
    pub fn read(tree: &SourceTree) -> (Option<Self>, Vec<Diagnostic>) {
        let Some(bytes) = tree.get(Self::PATH) else {
            return (None, Vec::new());
        };
        let mut sink = Sink::new(Self::PATH);
        let mut lock = Self::default();
        let text = String::from_utf8_lossy(bytes);
        for (number, line) in (1..).zip(text.lines()) {
            let at = Position::new(number, 1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(tree) = entry(line) else {
                let message = "this is not `owner/repository@ref COMMIT TREE`";
                sink.error(Code::Lock, at, message);
                continue;
            };
            let name = tree.name();
            if lock.insert(tree).is_some() {
                sink.error(Code::Lock, at, format!("`{name}` is there twice"));
            }
        }
        (Some(lock), sink.finish())
    }

    /// What it says of an action.
    pub fn get(&self, repository: &str, git_ref: &str) -> Option<&ActionTree> {
        self.entries.get(&key(repository, git_ref))
    }

    /// Writes an action down; gives what was there before.
    pub fn insert(&mut self, tree: ActionTree) -> Option<ActionTree> {
        let key = key(&tree.repository, &tree.git_ref);
        self.entries.insert(key, tree)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = &ActionTree> {
        self.entries.values()
    }
}

impl FromIterator<ActionTree> for Lock {
    fn from_iter<I: IntoIterator<Item = ActionTree>>(trees: I) -> Self {
        let mut lock = Self::default();
        for tree in trees {
            lock.insert(tree);
        }
        lock
    }
}

impl fmt::Display for Lock {
    /// The file: the same entries give the same text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Written by `cutover lock`: the actions that are used, by commit and tree."
        )?;
        for tree in self.entries.values() {
            let commit = match tree.commit.as_str() {
                "" => "-",
                commit => commit,
            };
            writeln!(f, "{} {commit} {}", tree.name(), tree.tree)?;
        }
        Ok(())
    }
}

fn key(repository: &str, git_ref: &str) -> (String, String) {
    (repository.to_ascii_lowercase(), git_ref.to_owned())
}

fn entry(line: &str) -> Option<ActionTree> {
    let mut words = line.split_ascii_whitespace();
    let (name, commit, tree) = (words.next()?, words.next()?, words.next()?);
    let read = foreign::reference(name).filter(|read| read.path.is_empty())?;
    let holds = words.next().is_none() && (commit == "-" || is_id(commit)) && is_id(tree);
    holds.then(|| ActionTree {
        repository: read.repository,
        git_ref: read.git_ref.to_owned(),
        commit: commit.trim_matches('-').to_owned(),
        tree: tree.to_owned(),
    })
}

fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Lock>, Vec<Diagnostic>) {
        let tree: SourceTree = [(Lock::PATH, text)].into_iter().collect();
        Lock::read(&tree)
    }

    #[test]
    fn a_lock_is_written_as_it_is_read() {
        let (a, b) = ("a".repeat(40), "b".repeat(64));
        let text = format!(
            "# Written by `cutover lock`: the actions that are used, by commit and tree.\n\
             Some/one@v1 - {a}\nsome/one@v2 {a} {b}\nthe/other@releases/v1 {a} {a}\n"
        );
        let (lock, said) = read(&text);
        assert_eq!(said, []);
        let lock = lock.unwrap();
        assert_eq!(lock.to_string(), text);
        let found = lock.get("some/ONE", "v1").unwrap();
        assert_eq!((found.commit.as_str(), &found.tree), ("", &a));
        assert_eq!(lock.get("some/one", "V1"), None);
        assert_eq!(read("").0, Some(Lock::default()));
        assert_eq!(Lock::read(&SourceTree::new()), (None, Vec::new()));
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        let a = "a".repeat(40);
        for (text, line) in [
            (format!("x/y@v1 {a} {a}\nx/y@v1 {a} {a}"), 2),
            (format!("\n\nx/y/z@v1 {a} {a}"), 3),
            (format!("x/y@v1 {a}"), 1),
            (format!("x/y@v1 {a} {a} {a}"), 1),
            (format!("x/y@v1 {a} main"), 1),
            ("<<<<<<< HEAD".to_owned(), 1),
        ] {
            let (_, said) = read(&text);
            let said: Vec<(u32, &str)> = said
                .iter()
                .map(|it| (it.at.line, it.code.as_str()))
                .collect();
            assert_eq!(said, [(line, "CUT-1059")], "{text}");
        }
    }
}

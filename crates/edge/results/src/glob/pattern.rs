//! One pattern: where its search begins, what it names, and where something that it names may still be.

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    GlobError,
    segment::{self, Segment},
};

/// A line that names files.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Whether it takes away.
    pub(super) is_negated: bool,
    /// Down to the first part that is not plain text.
    pub(super) search_path: Utf8PathBuf,
    /// It ends with a slash: only folders are meant.
    names_folders: bool,
    /// It stands for what is in a folder that another one names.
    is_implicit: bool,
    /// From the root of all.
    segments: Vec<Segment>,
}

/// What a pattern says of a path: as a folder, as a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) folder: bool,
    pub(super) file: bool,
}

impl Pattern {
    pub(super) fn new(
        line: &str,
        root: &Utf8Path,
        home: Option<&Utf8Path>,
    ) -> Result<Self, GlobError> {
        let wrong = |why| GlobError::Pattern {
            pattern: line.to_owned(),
            why,
        };
        let mut text = line.trim();
        let mut is_negated = false;
        while let Some(rest) = text.strip_prefix('!') {
            is_negated = !is_negated;
            text = rest.trim();
        }
        if text.is_empty() {
            return Err(wrong("is empty"));
        }
        let names_folders = text.len() > 1 && text.ends_with('/');
        let mut parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let (base, begins) = match parts.first().copied() {
            _ if text.starts_with('/') => (None, 0),
            Some("~") => (
                Some(home.ok_or_else(|| wrong("needs a home, and none is known"))?),
                1,
            ),
            Some(".") => (Some(root), 1),
            _ => (Some(root), 0),
        };
        parts.drain(..begins);
        let literals: Vec<Option<String>> =
            parts.iter().map(|part| segment::literal(part)).collect();
        // `[.]` is a dot, too.
        let is_relative = |part: &Option<String>| matches!(part.as_deref(), Some("." | ".."));
        if literals.iter().any(is_relative) {
            return Err(wrong("has `.` or `..` in it, which is not allowed"));
        }
        let base = base.into_iter().flat_map(Utf8Path::components);
        let base = base.filter_map(|part| match part {
            camino::Utf8Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut search_path = Utf8PathBuf::from("/");
        search_path.extend(base.clone());
        search_path.extend(literals.into_iter().map_while(|part| part));
        let own = parts.iter().map(|part| Segment::parse(part));
        let base = base.map(|name| Segment::Literal(name.to_owned()));
        let segments: Vec<Segment> = base.chain(own).collect();
        Ok(Self {
            is_negated,
            search_path,
            names_folders,
            is_implicit: false,
            segments,
        })
    }

    /// What is in the folders that this one names.
    pub(super) fn descendants(&self) -> Option<Self> {
        if !self.names_folders && self.segments.last() == Some(&Segment::Any) {
            return None;
        }
        let mut segments = self.segments.clone();
        segments.push(Segment::Any);
        Some(Self {
            is_negated: self.is_negated,
            search_path: self.search_path.clone(),
            names_folders: false,
            is_implicit: true,
            segments,
        })
    }

    pub(super) fn matches(&self, path: &Utf8Path) -> Match {
        let mut names: Vec<&str> = names(path);
        // `a/**` names `a` too, unless it only stands for what is in it.
        if self.segments.last() == Some(&Segment::Any) && !self.is_implicit {
            names.push("");
        }
        let is_it = self
            .reached(&names)
            .is_some_and(|ends| ends.contains(&self.segments.len()));
        Match {
            folder: is_it,
            file: is_it && !self.names_folders,
        }
    }

    /// Whether something below this folder may match.
    pub(super) fn may_match_below(&self, path: &Utf8Path) -> bool {
        self.reached(&names(path)).is_some()
    }

    /// How far in the pattern these names lead, in all ways; `None` when in no way. All ways at once: no
    /// pattern takes longer than its length times that of the path.
    fn reached(&self, names: &[&str]) -> Option<Vec<usize>> {
        let mut at = vec![0];
        for name in names {
            let mut next = Vec::new();
            for from in self.with_nothing_for_any(&at) {
                match self.segments.get(from) {
                    Some(Segment::Any) => {
                        next.push(from);
                        // The last `**` stands for one part at least.
                        if from + 1 == self.segments.len() {
                            next.push(from + 1);
                        }
                    }
                    Some(segment) if segment.matches(name) => next.push(from + 1),
                    Some(_) | None => {}
                }
            }
            next.sort_unstable();
            next.dedup();
            if next.is_empty() {
                return None;
            }
            at = next;
        }
        Some(at)
    }

    /// `**` may stand for nothing, unless it is the last.
    fn with_nothing_for_any(&self, at: &[usize]) -> Vec<usize> {
        let mut all = Vec::new();
        for &from in at {
            let mut from = from;
            all.push(from);
            while self.segments.get(from) == Some(&Segment::Any) && from + 1 < self.segments.len() {
                from += 1;
                all.push(from);
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn names(path: &Utf8Path) -> Vec<&str> {
    path.as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect()
}

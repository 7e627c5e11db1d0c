//! Files by patterns, as GitHub's `@actions/glob` finds them: the same files in the same order, so that a hash
//! over them is the same. `hashFiles`, caches and artifacts all name files so.

mod pattern;
mod search;
mod segment;

use camino::{Utf8Path, Utf8PathBuf};

use self::pattern::Pattern;

/// How files are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobOptions {
    /// Whether links are gone into; else they are found themselves.
    pub follow_links: bool,
    /// Whether a pattern that names a folder names all that is in it.
    pub implicit_descendants: bool,
    /// Whether what begins with a dot is passed over, with all below it.
    pub exclude_hidden: bool,
}

/// Why files were not found.
#[derive(Debug, thiserror::Error)]
pub enum GlobError {
    /// A pattern that means nothing.
    #[error("the pattern `{pattern}` {why}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The disk does not do as it should.
    #[error("`{path}`: {error}")]
    Io {
        /// Where.
        path: Utf8PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Patterns that were understood. Those that begin with `!` take away again what those before them name; blank
/// ones and those that begin with `#` say nothing.
#[derive(Debug)]
pub struct Glob {
    /// As they were given.
    given: Vec<Pattern>,
    /// With those for what is in a folder.
    all: Vec<Pattern>,
    options: GlobOptions,
}

impl Glob {
    /// `patterns` has one on each line. Relative ones begin at `root`, `~` stands for `home`; both are absolute.
    pub fn new(
        patterns: &str,
        root: &Utf8Path,
        home: Option<&Utf8Path>,
        options: GlobOptions,
    ) -> Result<Self, GlobError> {
        let lines = patterns.split('\n').map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let given: Result<Vec<Pattern>, GlobError> =
            lines.map(|line| Pattern::new(line, root, home)).collect();
        let given = given?;
        let mut all = Vec::new();
        for pattern in &given {
            all.push(pattern.clone());
            if options.implicit_descendants {
                all.extend(pattern.descendants());
            }
        }
        Ok(Self {
            given,
            all,
            options,
        })
    }

    /// Where the patterns begin, in their order, without those that lie in another one.
    pub fn search_paths(&self) -> Vec<Utf8PathBuf> {
        search::paths(&self.given)
    }

    /// Files, links and folders that the patterns name, in the order of their search paths and in each as the
    /// names of a folder are ordered. A link that leads nowhere is none when links are followed. Blocks.
    pub fn find(&self) -> Result<Vec<Utf8PathBuf>, GlobError> {
        search::find(&self.all, self.options)
    }
}

#[cfg(test)]
mod tests;

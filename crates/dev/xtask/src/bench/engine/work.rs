//! What is run: repositories with one workflow each, and the same as a shell script.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::MUCH;

/// What the workflow looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    OneStep,
    HundredSteps,
    FiftyJobs,
    Chain,
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [
        Self::OneStep,
        Self::HundredSteps,
        Self::FiftyJobs,
        Self::Chain,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OneStep => "1 job of 1 step",
            Self::HundredSteps => "1 job of 100 steps",
            Self::FiftyJobs => "50 jobs of 1 step, 2 at once",
            Self::Chain => "20 jobs of 1 step, each needs the one before",
        }
    }

    /// Jobs, steps in each, jobs at once.
    const fn size(self) -> (usize, usize, usize) {
        match self {
            Self::OneStep => (1, 1, 1),
            Self::HundredSteps => (1, 100, 1),
            Self::FiftyJobs => (50, 1, 2),
            Self::Chain => (20, 1, 1),
        }
    }
}

/// A repository.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) data: PathBuf,
    pub(super) workflow: PathBuf,
    /// The same as plain bash.
    pub(super) script: PathBuf,
    size: (usize, usize, usize),
}

impl Tree {
    pub(super) fn make(place: &Path, shape: Shape) -> anyhow::Result<Self> {
        let (jobs, steps, at_once) = shape.size();
        let mut workflow = "name: bench\non: push\njobs:\n".to_owned();
        for job in 0..jobs {
            write!(workflow, "  j{job}:\n    runs-on: ubuntu-latest\n")?;
            if shape == Shape::Chain && job > 0 {
                writeln!(workflow, "    needs: j{}", job - 1)?;
            }
            workflow.push_str("    steps:\n");
            for step in 0..steps {
                write!(workflow, "      - run: echo {step}\n        shell: bash\n")?;
            }
        }
        let each = "bash --noprofile --norc -eo pipefail -c 'echo 1'";
        let script = match at_once {
            1 => format!("for _ in $(seq {}); do {each}; done\n", jobs * steps),
            _ => format!("seq {jobs} | xargs -P {at_once} -I{{}} {each}\n"),
        };
        let root = place.join(format!("{shape:?}"));
        Self::write(root, &workflow, &script, shape.size())
    }

    fn write(
        root: PathBuf,
        workflow: &str,
        script: &str,
        size: (usize, usize, usize),
    ) -> anyhow::Result<Self> {
        let tree = Self {
            workflow: root.join(".github/workflows/bench.yml"),
            data: root.with_extension("data"),
            script: root.with_extension("sh"),
            root,
            size,
        };
        fs::create_dir_all(tree.root.join(".github/workflows"))?;
        fs::write(&tree.workflow, workflow)?;
        fs::write(&tree.script, script)?;
        let status = Command::new("git")
            .args(["init", "--quiet", "--initial-branch=main"])
            .current_dir(&tree.root)
            .status()
            .context("could not run git")?;
        ensure!(status.success(), "git init ended with {status}");
        Ok(tree)
    }

    /// Removes what runs have left: its writing back would be in the way of the next.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.data).context("could not remove what a run left")
    }

    /// What the floor is told.
    pub(super) fn floor(&self) -> [String; 3] {
        let (jobs, steps, at_once) = self.size;
        [jobs, steps, at_once].map(|number| number.to_string())
    }
}

/// A step that prints much, with a secret around. Its shell is the default one: without `pipefail`,
/// because `yes` ends by a signal.
pub(super) fn much(place: &Path) -> anyhow::Result<Tree> {
    let line = "a line as programs print them, of some eighty bytes, and nothing in it";
    let script = format!("yes '{line}' | head -c {MUCH}");
    let workflow = format!(
        "on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n      - env:\n          \
         TOKEN: ${{{{ secrets.TOKEN }}}}\n        run: {script}\n"
    );
    let script = format!("mkdir -p ../Much.data; {script} > ../Much.data/log\n");
    Tree::write(place.join("Much"), &workflow, &script, (1, 1, 1))
}

/// A job that waits at its end, so that somebody can look at its processes.
pub(super) fn lingering(place: &Path) -> anyhow::Result<Tree> {
    let mut workflow = "on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n".to_owned();
    for step in 0..100 {
        writeln!(workflow, "      - run: echo {step}")?;
    }
    workflow.push_str("      - run: touch $GITHUB_WORKSPACE/../there && sleep 1\n");
    Tree::write(place.join("Memory"), &workflow, "", (1, 101, 1))
}

#[expect(clippy::cast_precision_loss, reason = "a benchmark rounds anyway")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

//! Compiling with actions of other repositories: what is wanted is got, and compiled with again, until
//! nothing is lacking. The lock of the sources is held against all of it before any of it counts.

use cutover_dialect::{
    self as dialect, Compiled, ForeignAction, ForeignActions, ForeignFault, Lock, SourceTree,
    Wanted,
};
use cutover_forge::{ActionError, ActionStore, Pinned, Reach};
use cutover_model::{
    Diagnostic, Severity,
    source::{Trigger, Trust},
};

/// Actions nest ten deep, and each level may want more.
const MOST_ROUNDS: usize = 12;

/// Where actions come from for one look at the sources.
pub struct Understanding<'a> {
    actions: &'a ActionStore,
    tree: &'a SourceTree,
    reach: Reach,
    lock: Option<Lock>,
    /// Whether what the lock does not name is refused.
    is_strict: bool,
    /// What is wrong with the lock itself.
    faults: Vec<Diagnostic>,
    foreign: ForeignActions,
}

impl<'a> Understanding<'a> {
    /// Nothing has been looked at yet.
    pub fn new(actions: &'a ActionStore, tree: &'a SourceTree, reach: Reach) -> Self {
        let (lock, faults) = Lock::read(tree);
        Self {
            actions,
            tree,
            reach,
            lock,
            is_strict: true,
            faults,
            foreign: ForeignActions::default(),
        }
    }

    /// How far to go for the actions of a run. What strangers ask for is not fetched.
    pub const fn reach_of(trigger: &Trigger) -> Reach {
        match trigger.trust {
            Trust::Trusted => Reach::Network,
            Trust::Untrusted(_) => Reach::Here,
        }
    }

    /// Compiles a workflow with all the actions that it needs.
    pub async fn compile(
        &mut self,
        path: &str,
        trigger: &Trigger,
        options: dialect::Options,
    ) -> Compiled {
        for _ in 0..MOST_ROUNDS {
            let compiled = dialect::compile_with(self.tree, &self.foreign, path, trigger, options);
            if compiled.wanted.is_empty() {
                return self.unless_the_lock_is_wrong(compiled);
            }
            self.learn(&compiled.wanted).await;
        }
        let compiled = dialect::compile_with(self.tree, &self.foreign, path, trigger, options);
        self.unless_the_lock_is_wrong(compiled)
    }

    /// Looks at a workflow with all the actions that can be had.
    pub async fn lint(&mut self, path: &str) -> Vec<Diagnostic> {
        for _ in 0..MOST_ROUNDS {
            let linted = dialect::lint_with(self.tree, &self.foreign, path);
            if linted.wanted.is_empty() {
                return linted.diagnostics;
            }
            self.learn(&linted.wanted).await;
        }
        dialect::lint_with(self.tree, &self.foreign, path).diagnostics
    }

    /// What is wrong with the lock itself.
    pub fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }

    /// A lock that cannot be read protects nobody.
    fn unless_the_lock_is_wrong(&self, compiled: Compiled) -> Compiled {
        let plan = compiled.plan.filter(|_| self.faults.is_empty());
        let mut diagnostics = compiled.diagnostics;
        diagnostics.extend(self.faults.iter().cloned());
        Compiled {
            plan,
            diagnostics,
            ..compiled
        }
    }

    async fn learn(&mut self, wanted: &[Wanted]) {
        for one in wanted {
            let found = self.find(one).await;
            self.foreign.insert(&one.repository, &one.git_ref, found);
        }
    }

    async fn find(&self, wanted: &Wanted) -> Result<ForeignAction, ForeignFault> {
        let (repository, git_ref) = (&wanted.repository, &wanted.git_ref);
        let name = format!("{repository}@{git_ref}");
        let entry = self.lock.as_ref().map(|lock| lock.get(repository, git_ref));
        let pin = entry.flatten().map(|tree| Pinned {
            commit: tree.commit.clone(),
            tree: tree.tree.clone(),
        });
        if self.is_strict && entry == Some(None) {
            let fault = format!("`{}` does not name `{name}`", Lock::PATH);
            return Err(ForeignFault::Lock(fault));
        }
        let found = self
            .actions
            .find(repository, git_ref, pin.as_ref(), self.reach)
            .await
            .map_err(|error| match error {
                ActionError::OtherTree { .. } => ForeignFault::Lock(error.to_string()),
                error => {
                    let why = error.in_full();
                    ForeignFault::Lacking(format!("action `{name}` could not be had: {why}"))
                }
            })?;
        Ok(ForeignAction {
            tree: found.tree,
            files: found.files.into_iter().collect(),
            is_locked: pin.is_some() || self.actions.is_local(repository, git_ref),
        })
    }
}

/// The lock that the workflows of some sources should have, and all errors that stand in its way. What
/// the present lock says is kept, unless it is to be made afresh.
pub async fn lock(
    actions: &ActionStore,
    tree: &SourceTree,
    afresh: bool,
) -> (Lock, Vec<Diagnostic>) {
    let mut understanding = Understanding::new(actions, tree, Reach::Network);
    understanding.is_strict = false;
    if afresh {
        understanding.lock = None;
        understanding.faults.clear();
    }
    let mut errors = understanding.faults.clone();
    for path in dialect::workflows(tree) {
        let found = understanding.lint(&path).await;
        let lacking = |one: &Diagnostic| {
            one.severity == Severity::Error || one.code == dialect::LACKING_ACTION
        };
        errors.extend(found.into_iter().filter(lacking));
    }
    let trees = understanding.foreign.found().map(|it| it.tree.clone());
    (trees.collect(), errors)
}

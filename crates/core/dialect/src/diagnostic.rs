//! What can be said about a file: the codes with their titles and explanations, and the sink that
//! collects diagnostics while the reading goes on.

use std::collections::BTreeSet;

use cutover_model::{Diagnostic, Position, Severity};

use crate::{ignore::Ignores, yaml::Fault};

/// The most diagnostics for one file; what is beyond is counted and not kept.
const MAX_PER_FILE: usize = 200;

macro_rules! codes {
    ($($name:ident, $id:literal, $title:literal, $explanation:literal;)*) => {
        /// A kind of diagnostic. Its number never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// `CUT-1001` and the like.
            pub(crate) const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }

        /// Every code of this crate: its id, a title of one line, an explanation.
        pub const CODES: &[(&str, &str, &str)] = &[$(($id, $title, $explanation),)*];
    };
}

codes! {
    Syntax, "CUT-1001", "the file is not YAML",
        "The text breaks the rules of YAML 1.2 at the given place; often the cause is a little before it: a quote that is not closed, a tab in the indentation, a `:` inside a text without quotes. Nothing after that place was read.";
    Limit, "CUT-1002", "the file is larger or deeper than allowed",
        "A file may have 1 MiB, 50 levels of nesting and one million values, aliases counted as what they stand for. The limits are those of the official runner; they keep a hostile file cheap.";
    DuplicateKey, "CUT-1003", "a key is there twice",
        "A mapping may have each key once. YAML tools differ in which of two they take, so neither is taken.";
    Yaml, "CUT-1004", "a feature of YAML that is not supported",
        "Merge keys (`<<`), tags other than those of the core schema, keys that are not scalars, a second document and aliases without an anchor before them are refused. Anchors and aliases themselves work.";
    NoFile, "CUT-1005", "a file is missing",
        "The file is not among the sources of this revision; perhaps it was not committed.";
    UnknownKey, "CUT-1010", "an unknown key",
        "No key is ever ignored: what is not known is refused, since a slip in a key (`run-on`) must not change what happens in silence.";
    MissingKey, "CUT-1011", "a key is missing",
        "The mapping needs this key.";
    WrongType, "CUT-1012", "a value of the wrong kind",
        "The key takes another kind of value: a text, a number, a list or a mapping.";
    BadValue, "CUT-1013", "a value that is not allowed",
        "The value is of the right kind but not one that the key takes.";
    NotYet, "CUT-1014", "not there yet",
        "The workflow language has this, and cutover does not support it yet. It is refused where running the workflow without it would do something else than you wrote; where nothing but GitHub's own machines would notice, that is a warning.";
    Conflict, "CUT-1015", "keys that exclude each other",
        "Only one of these keys may stand here.";
    Refused, "CUT-1016", "the hosted service refuses this",
        "The official reader of workflows does not accept the file, in the words given. It would not run there, so it does not run here.";
    UnusedAnchor, "CUT-1017", "an anchor that nothing uses",
        "An anchor (`&name`) without an alias (`*name`) often is a slip in one of the two names.";
    Ignore, "CUT-1018", "an ignore that ignores nothing",
        "`# cutover: ignore[CUT-1031]` at the end of a line, or in a line of its own above it, keeps lint from saying that code of that line; several codes stand between commas. One that keeps nothing from being said is told, since it would hide what comes later. What makes a file unreadable cannot be ignored, nor what the hosted service refuses.";
    BadId, "CUT-1020", "an id that is not allowed",
        "Ids consist of letters, digits, `_` and `-`, begin with a letter or `_`, and have fewer than 100 characters. Those that begin with `__` are reserved.";
    DuplicateId, "CUT-1021", "an id is there twice",
        "Ids are compared without regard to case; each may be there once.";
    UnknownNeed, "CUT-1022", "`needs` names no job",
        "`needs` takes ids of jobs of the same workflow.";
    NeedsCycle, "CUT-1023", "jobs wait for each other",
        "Following `needs` leads back to where it began, so that none of these jobs could ever start.";
    DoubleNeed, "CUT-1024", "`needs` names a job twice",
        "A job is needed or not; the second mention changes nothing.";
    Expression, "CUT-1030", "an expression does not hold",
        "The text between `${{` and `}}` (or of an `if`) is not an expression, or uses a context or a function that is not available for this key. The words are those of the official runner.";
    Untrusted, "CUT-1031", "text of strangers in a script",
        "Titles, messages and names of branches are written by whoever opens a request. Put into a script by `${{ }}` they become commands of it. That holds also when they come by a detour, which is told: through `env`, an output of a step or a job, the matrix, an input of a workflow or an action. As variables they stay text.\n\nBad: `run: echo \"${{ github.event.issue.title }}\"`. Good: `env: { TITLE: \"${{ github.event.issue.title }}\" }` with `run: echo \"$TITLE\"`. `cutover lint --fix` writes the second where the first stands in a script of `bash` or `sh`.";
    Typing, "CUT-1032", "an expression that cannot be meant",
        "The parts of the expression do not fit together: a property that is not there, an object where a text is wanted, a comparison that is never true. It evaluates, most often to nothing.";
    UnknownEvent, "CUT-1040", "an unknown event",
        "`on` takes the names of events, such as `push`, `pull_request` and `workflow_dispatch`.";
    BadPattern, "CUT-1041", "a filter pattern does not hold",
        "Patterns for branches, tags and paths know `*` (no slash), `**`, `?` and `+` (none or one, and one or more, of the character before), `[]` and a leading `!`; a `\\` takes the meaning from the character after it.";
    EventFilter, "CUT-1042", "an event has no such type or filter",
        "Each event has types and filters of its own: `paths` go with `push` and `pull_request`, `tags` with `push`, `workflows` with `workflow_run`.";
    Schedule, "CUT-1043", "a time that does not hold",
        "`cron` has five fields (minute, hour, day, month, day of the week) and starts a workflow at most every five minutes; `timezone` is a name such as `Europe/Zurich`.";
    LackingAction, "CUT-1050", "an action that is not there",
        "The action could not be had: the reason is said. Actions of other repositories are fetched by git when a run needs them; `cutover lint` and runs of strangers take only what has been fetched before. `--local-repository OWNER/REPO@REF=DIR` takes them from a directory. Built in are `actions/checkout` and `cutover/gate`, `cutover/release`, `cutover/build`, `cutover/deploy` at `@v1`.";
    NoAction, "CUT-1051", "a local action is missing",
        "`uses: ./path` needs `action.yml` or `action.yaml` in that directory of the sources, or of what an `actions/checkout` before it, with fixed inputs, puts there. With `--as-far-as-possible` only its step faults, when it is reached.";
    ActionNesting, "CUT-1052", "actions use each other without end",
        "Composite actions may nest ten deep, may not lead back to themselves, and may come to at most 10 000 steps in all.";
    ActionInput, "CUT-1053", "an action has no such input, or lacks one",
        "`with` takes the inputs that the action declares, and must give those that it requires. A run goes on with a warning, as at GitHub.";
    ActionVersion, "CUT-1054", "a built-in action in a version that is not there",
        "The built-in actions `cutover/…` are there as `@v1`.";
    BadReference, "CUT-1055", "`uses` names nothing",
        "A step uses `owner/repository@ref` (with a path between, if need be), `./path` or `docker://image`.";
    WorkflowCall, "CUT-1056", "the call of a workflow does not hold",
        "A job uses `owner/repository/path/file.yml@ref` or `./path/file.yml`, gives the inputs and secrets that the workflow declares, and those that it requires.";
    OutdatedAction, "CUT-1057", "an action in a version that no longer runs",
        "This version of the action asks for a node that the hosted service has removed. A later one runs.";
    Unlocked, "CUT-1058", "an action that is not locked",
        "Whoever owns the action can change what its ref names, and so what is run here. `cutover lock` writes the commit and the tree of every action into `.github/cutover.lock`; what is not as it says is not run.";
    Lock, "CUT-1059", "the lock of actions does not hold",
        "`.github/cutover.lock` names the commit and the tree of every action that the workflows use, those that actions use included. Nothing of an action is run that it does not name, or names with another tree. `cutover lock` adds what is missing, `cutover lock --update` takes what the refs name now.";
    Matrix, "CUT-1060", "a matrix does not hold",
        "A matrix maps names to lists of values; `include` and `exclude` are lists of mappings; all in all there may be 256 combinations.";
    MatrixValue, "CUT-1061", "a value of a matrix that changes nothing",
        "A value that is there twice, or an `exclude` that matches no combination, most often is a slip.";
    UnknownShell, "CUT-1070", "an unknown shell",
        "Known are `bash`, `sh`, `python`, `pwsh`, those of Windows (`powershell`, `cmd`), and any command that has `{0}` where the script's path goes.";
    NoToken, "CUT-1080", "permissions without a token",
        "`permissions` lets the token of a job write somewhere. cutover mints no token, so a step that would write there with it fails. Permissions that only read, or take away, are not told.";
    Permission, "CUT-1081", "no such permission",
        "`permissions` is `read-all`, `write-all`, or a mapping of scopes to `read`, `write` or `none`; some scopes have only two of these.";
    RunnerLabel, "CUT-1082", "a label that no runner has",
        "The hosted service has no runner with this label, or none with all of these. Runners of your own may have it.";
    Credentials, "CUT-1083", "a password in the file",
        "Whoever can read the file can read the password. Secrets are for that.";
    VariableName, "CUT-1084", "a variable that cannot be named so",
        "Names of variables have no blanks, no `=` and no `&`.";
    ConstantCondition, "CUT-1085", "a condition that does not depend on anything",
        "With text around `${{ }}` a condition is a text that is not empty, and holds. A plain `true` or `false` says nothing either.";
    DeprecatedCommand, "CUT-1086", "a command that goes away",
        "`::set-output::`, `::save-state::`, `::set-env::` and `::add-path::` have been replaced by files, whose names are in `GITHUB_OUTPUT`, `GITHUB_STATE`, `GITHUB_ENV` and `GITHUB_PATH`.\n\nBad: `echo \"::set-output name=a::1\"`. Good: `echo \"a=1\" >> \"$GITHUB_OUTPUT\"`. `cutover lint --fix` writes the second where the first is a plain `echo` in a line of its own.";
    Input, "CUT-1090", "inputs that the workflow does not take",
        "The inputs given must be those that `on.workflow_dispatch.inputs` declares, of the declared types.";
    ForeignSources, "CUT-1091", "sources of strangers run with the rights of the repository",
        "`pull_request_target` and `workflow_run` see secrets although strangers bring them about. A job of theirs that checks out the head of a foreign branch must not run anything of it: a script, a build, a test.";
    SteeredFile, "CUT-1092", "values of strangers in GITHUB_ENV or GITHUB_PATH",
        "Variables and paths hold for all later steps of the job, and some of them take programs over. In a workflow that strangers start with the rights of the repository only fixed text should be written there.";
    UnsecureCommands, "CUT-1093", "commands in the output may change later steps",
        "`ACTIONS_ALLOW_UNSECURE_COMMANDS` brings `::set-env::` and `::add-path::` back, which every program whose output is printed can then use. They were switched off for that reason.";
    Unmasked, "CUT-1094", "a part of a secret that no mask knows",
        "Values of secrets are masked in logs as wholes. What `fromJSON` takes out of one is a new value, and would stand in the log as it is.";
    OpenCondition, "CUT-1095", "a condition that anybody can satisfy",
        "`contains` with a text looks for a part of it, so that the name of a branch which is a part of the text is enough. `github.actor` is who did the last thing: whoever pushes to a branch of a bot's pull request, or has it run again, is another one than who wrote it.";
    NeverTaken, "CUT-1096", "a value that is never taken",
        "`a && b || c` gives `c` whenever `b` counts as false: an empty text, 0 and null do.";
    Permissions, "CUT-1097", "permissions that are wider than needed",
        "Without `permissions` the token of a job has the default of the repository or of the organisation, which may be to write everything (a note). `write-all`, a scope that no job needs, and one that only some of the jobs need and all of them get, are warned of. What a job needs is known for widely used actions and for scripts that name no token; of other jobs nothing is said.\n\nBad: `permissions: write-all`, and `contents: write` at the top for the sake of one job. Good: `permissions: { contents: read }` at the top, and `permissions: { contents: write }` in the job that releases.";
    Overlap, "CUT-1098", "two deployments at once, or half of one",
        "A job with an `environment` deploys. Two runs of it at the same time end in an order that nobody chose, so that the older one may win; `concurrency` lets one wait for the other. With `cancel-in-progress: true` the next run stops the one before wherever it is. `cutover/deploy` queues by itself, and calls leave it to their callers.\n\nBad: a job with `environment: production` and no `concurrency`. Good: `concurrency: { group: production, cancel-in-progress: false }` in that job.";
    Movable, "CUT-1099", "an action that is named by what can move",
        "The lock names the commit, so nothing else runs here. Where the file runs without cutover, the branch or tag counts, and its owner can move it. A note; `cutover lint --fix` writes the commit of the lock in its place.\n\nBad: `uses: owner/action@v4`. Good: `uses: owner/action@<40 digits> # v4`.";
    UnknownName, "CUT-1101", "a name that `cutover.yml` does not have",
        "Environments, services and gates are named in `cutover.yml` at the root of the sources, at the same revision.";
    PromotionCycle, "CUT-1102", "environments follow each other in a circle",
        "Following `after` leads back to where it began, so that no release could ever enter any of these environments.";
    TwoProjects, "CUT-1103", "`cutover.yml` and `cutover.yaml` are both there",
        "Only one of them may be there, since it would be a guess which one holds.";
}

/// The explanation of a code, as `cutover explain` prints it.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES
        .iter()
        .find(|(id, ..)| id.eq_ignore_ascii_case(code))
        .map(|(_, _, explanation)| *explanation)
}

/// Collects what there is to say about one file.
#[derive(Debug)]
pub(crate) struct Sink {
    path: String,
    list: Vec<Diagnostic>,
    beyond: usize,
    ignores: Ignores,
}

impl Sink {
    pub(crate) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            list: Vec::new(),
            beyond: 0,
            ignores: Ignores::default(),
        }
    }

    /// One that heeds the comments of the file.
    pub(crate) fn heeding(path: &str, bytes: &[u8]) -> Self {
        Self {
            ignores: Ignores::read(bytes),
            ..Self::new(path)
        }
    }

    /// Says which comments have kept nothing from being said, but for those of some codes.
    pub(crate) fn unused_ignores(&mut self, but: &[Code]) {
        for (at, message, hint) in std::mem::take(&mut self.ignores).idle(but) {
            self.warning(Code::Ignore, at, message, hint);
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// An empty one for the same file.
    pub(crate) fn aside(&self) -> Self {
        Self::new(&self.path)
    }

    /// Takes on what another one of the same file has collected; of some codes as warnings only.
    pub(crate) fn take_in(&mut self, aside: Self, advice: &[Code]) {
        for it in aside.list {
            let is_advice = advice.iter().any(|code| code.id() == it.code);
            let severity = if is_advice {
                it.severity.min(Severity::Warning)
            } else {
                it.severity
            };
            self.keep(Diagnostic { severity, ..it });
        }
        self.beyond += aside.beyond;
    }

    /// Takes on what another one has collected of these codes in lines of which nothing wrong is told yet:
    /// what stands there may only follow from that.
    pub(crate) fn take_independent(&mut self, aside: Self, codes: &[Code]) {
        let errors = self.list.iter().filter(|it| it.severity == Severity::Error);
        let told: BTreeSet<u32> = errors.map(|it| it.at.line).collect();
        for it in aside.list {
            if !told.contains(&it.at.line) && codes.iter().any(|code| code.id() == it.code) {
                self.keep(it);
            }
        }
    }

    pub(crate) fn error(&mut self, code: Code, at: Position, message: impl Into<String>) {
        self.push(Severity::Error, code, at, message.into(), None);
    }

    /// An error with what to do about it.
    pub(crate) fn error_hint(
        &mut self,
        code: Code,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(Severity::Error, code, at, message.into(), hint.into());
    }

    pub(crate) fn warning(
        &mut self,
        code: Code,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(Severity::Warning, code, at, message.into(), hint.into());
    }

    /// Something good to know.
    pub(crate) fn note(
        &mut self,
        code: Code,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(Severity::Note, code, at, message.into(), hint.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        code: Code,
        at: Position,
        message: String,
        hint: Option<String>,
    ) {
        self.keep(Diagnostic {
            code: code.id().to_owned(),
            severity,
            path: self.path.clone(),
            at,
            message: shortened(message),
            hint,
        });
    }

    fn keep(&mut self, diagnostic: Diagnostic) {
        if self.ignores.meets(&diagnostic) {
            return;
        }
        if self.is_full() {
            self.beyond += 1;
            // A file is refused for its errors, also for those that are not shown.
            if diagnostic.severity == Severity::Error && !self.has_errors() {
                self.list.pop();
            } else {
                return;
            }
        }
        self.list.push(diagnostic);
    }

    /// What is wrong with the YAML itself.
    pub(crate) fn yaml(&mut self, at: Position, fault: &Fault) {
        let (code, hint) = match fault {
            Fault::Syntax(_) => (Code::Syntax, None),
            Fault::NotText => (Code::Syntax, Some("save it as UTF-8")),
            Fault::TooLarge(_) | Fault::TooDeep | Fault::TooMany => (Code::Limit, None),
            Fault::Duplicate { .. } => (Code::DuplicateKey, Some("remove one of them")),
            Fault::MergeKey => (
                Code::Yaml,
                Some("write the keys out, or use an alias for the whole mapping"),
            ),
            Fault::Tag(_) => (Code::Yaml, Some("remove the tag")),
            Fault::NotOfTag { .. }
            | Fault::StyleOfTag { .. }
            | Fault::KeyNotScalar
            | Fault::UnknownAlias(_)
            | Fault::RecursiveAlias { .. } => (Code::Yaml, None),
            Fault::SecondDocument => (Code::Yaml, Some("put it into a file of its own")),
        };
        self.error_hint(code, at, fault.to_string(), hint.map(str::to_owned));
    }

    /// Whether more is only counted: then nobody reads a hint, and none needs to be found.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_PER_FILE
    }

    /// Makes a warning of everything so far, and leaves some codes out.
    pub(crate) fn advise(&mut self, out: &[Code]) {
        self.list
            .retain(|it| !out.iter().any(|code| code.id() == it.code));
        for diagnostic in &mut self.list {
            diagnostic.severity = diagnostic.severity.min(Severity::Warning);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Everything, in the order of places.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.list
            .sort_by(|one, two| (one.at, &one.code).cmp(&(two.at, &two.code)));
        // What an anchor names is looked at wherever an alias stands.
        self.list.dedup();
        // An error says what a warning of the same kind and place says.
        let refused: BTreeSet<(Position, String)> = self
            .list
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .map(|it| (it.at, it.code.clone()))
            .collect();
        self.list.retain(|it| {
            it.severity == Severity::Error || !refused.contains(&(it.at, it.code.clone()))
        });
        if self.beyond > 0
            && let Some(last) = self.list.last_mut()
        {
            last.hint = Some(format!("{} more are not shown", self.beyond));
        }
        self.list
    }
}

/// Messages quote what was written; 500 characters of it are enough.
fn shortened(message: String) -> String {
    match message.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_there_once_and_have_something_to_say() {
        let mut ids: Vec<&str> = CODES.iter().map(|(id, ..)| *id).collect();
        let sorted = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids, sorted, "in order, and each once");
        for (id, title, explanation) in CODES {
            assert!(!title.ends_with('.') && explanation.ends_with('.'), "{id}");
        }
        assert!(explain("cut-1001").is_some());
        assert_eq!(explain("CUT-9999"), None);
    }

    #[test]
    fn a_flood_is_cut_and_an_error_in_it_is_kept() {
        let mut sink = Sink::new("f");
        for line in 0..1000 {
            sink.warning(Code::NoToken, Position::new(line, 1), "w", None);
        }
        sink.error(Code::Syntax, Position::new(2000, 1), "e");
        assert!(sink.has_errors());
        let list = sink.finish();
        assert_eq!(list.len(), MAX_PER_FILE);
        assert_eq!(list.last().unwrap().message, "e");
    }
}

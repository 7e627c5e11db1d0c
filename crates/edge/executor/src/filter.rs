//! What a step prints, on its way into the log: commands are heard, secrets are masked.
//!
//! Commands stay in the log as they were printed; whoever shows it folds groups and colours errors.

use std::collections::BTreeMap;

use aho_corasick::BuildError;
use camino::Utf8PathBuf;
use cutover_model::run::{Annotation, Level};

use crate::{
    commands::{self, Command, Prospect},
    mask::Masker,
    matchers::Matchers,
    place::Place,
};

/// A longer line is no command; this is also what is held back at most.
const LINE: usize = 64 * 1024;
/// Annotations of each level that are kept of one step.
pub(crate) const ANNOTATIONS: usize = 50;
/// Values of `set-output` and `save-state` that are kept of one step.
const VALUES: usize = 1000;
/// Masks that one step may add, and how long each may be.
const MASKS: usize = 1000;

/// What was heard so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) state: Vec<(String, String)>,
    /// Secrets from `add-mask`.
    pub(crate) masks: Vec<String>,
    /// Variables from `set-env`, and directories from `add-path`, of whoever has opted in.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) path: Vec<String>,
    /// Why the step has failed, whatever its exit code.
    pub(crate) reasons: Vec<String>,
}

/// What a step has opted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Manners {
    /// `set-env` and `add-path` are heard.
    pub(crate) unsecure: bool,
    /// Any token ends `stop-commands`.
    pub(crate) any_token: bool,
    /// Commands are shown, those of `debug` too.
    pub(crate) debug: bool,
}

impl Manners {
    /// What the environment of a step says. Strangers opt into nothing that reaches later steps.
    pub(crate) fn of(env: &BTreeMap<String, String>, untrusted: bool) -> Self {
        let says = |name: &str, wanted: &str| {
            env.get(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        Self {
            unsecure: !untrusted && says("ACTIONS_ALLOW_UNSECURE_COMMANDS", "true"),
            any_token: !untrusted && says("ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS", "true"),
            debug: says("RUNNER_DEBUG", "1"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the beginning of a line, or in one that is held because it may be a command.
    Begin,
    /// In a line that is none.
    Through,
}

/// A stream with commands and secrets in it.
#[derive(Debug)]
pub(crate) struct Filter {
    secrets: Vec<String>,
    masker: Masker,
    /// Masks were added since the masker was made.
    stale: bool,
    /// How many masks the step has added.
    added: usize,
    at: At,
    line: Vec<u8>,
    token: Option<String>,
    manners: Manners,
    /// Whether commands are shown that only mean something to us.
    echo: bool,
    heard: Heard,
    /// What looks for remarks of compilers.
    matchers: Matchers,
    /// Where files are that a step names.
    place: Place,
    /// Off for output that comes after its step has ended.
    listens: bool,
}

impl Filter {
    /// Masks these secrets from the beginning.
    pub(crate) fn new(secrets: Vec<String>) -> Result<Self, BuildError> {
        Ok(Self {
            masker: Masker::new(secrets.iter().map(String::as_str))?,
            secrets,
            stale: false,
            added: 0,
            at: At::Begin,
            line: Vec::new(),
            token: None,
            manners: Manners::default(),
            echo: false,
            heard: Heard::default(),
            matchers: Matchers::default(),
            place: Place::default(),
            listens: true,
        })
    }

    /// Looks with these for remarks, and for files from this place.
    #[must_use]
    pub(crate) fn with_matchers(mut self, matchers: Matchers, place: Place) -> Self {
        self.matchers = matchers;
        self.place = place;
        self
    }

    /// With what the step has opted into.
    #[must_use]
    pub(crate) fn with_manners(mut self, manners: Manners) -> Self {
        self.manners = manners;
        self.echo = manners.debug;
        self
    }

    /// The matchers as they are now; they hold for the steps after this one.
    pub(crate) fn matchers(&self) -> &Matchers {
        &self.matchers
    }

    /// The masks that were added since this was asked before.
    pub(crate) fn new_masks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard.masks)
    }

    /// Masks these, too: a step beside this one has added them.
    pub(crate) fn add_secrets(&mut self, secrets: Vec<String>) {
        for secret in secrets {
            if !self.secrets.contains(&secret) {
                self.secrets.push(secret);
                self.stale = true;
            }
        }
    }

    /// The next bytes; what may be written goes to `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Begin if self.listens => self.begin(bytes, out),
                At::Begin | At::Through => self.through(bytes, out),
            };
        }
    }

    /// The step has ended: what was held back is decided now, and commands are no longer heard.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Heard {
        self.end_line(out);
        self.look(b"\n");
        self.refresh();
        self.masker.finish(out);
        self.listens = false;
        std::mem::take(&mut self.heard)
    }

    /// With all masks that were added until now.
    pub(crate) fn masker(&mut self) -> &Masker {
        self.refresh();
        &self.masker
    }

    /// Everything up to the next line that may be a command.
    fn through<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let mut end = bytes.len();
        self.at = At::Through;
        if self.listens {
            for newline in memchr::memchr_iter(b'\n', bytes) {
                if commands::prospect(&bytes[newline + 1..]) != Prospect::None {
                    end = newline + 1;
                    self.at = At::Begin;
                    break;
                }
            }
        }
        self.mask(&bytes[..end], out);
        &bytes[end..]
    }

    /// Holds a line back until it is clear what it is.
    fn begin<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if self.line.is_empty() && commands::prospect(bytes) == Prospect::None {
            self.at = At::Through;
            return bytes;
        }
        let newline = memchr::memchr(b'\n', bytes).map(|place| place + 1);
        let room = LINE - self.line.len();
        let end = newline.unwrap_or(bytes.len()).min(room);
        self.line.extend_from_slice(&bytes[..end]);
        if newline == Some(end) {
            self.end_line(out);
        } else if end == room || commands::prospect(&self.line) == Prospect::None {
            let line = std::mem::take(&mut self.line);
            self.mask(&line, out);
            self.at = At::Through;
        }
        &bytes[end..]
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if let Some(token) = &self.token {
            if commands::resumes(text, token) {
                self.token = None;
            }
        } else if let Some(command) = commands::parse(text) {
            let is_shown = self.shows(&command);
            if let Command::AddMask(_) = command {
                // Nothing before this line may depend on the new mask, nor on how we were fed.
                self.masker.finish(out);
                if is_shown {
                    out.extend_from_slice(b"::add-mask::***\n");
                }
                self.hear(command);
                return;
            }
            self.hear(command);
            if is_shown {
                // A command is not what a compiler says.
                self.mask_only(&line, out);
            }
            return;
        }
        self.mask(&line, out);
    }

    /// Whether the line of a command stands in the log, as with the official runner.
    fn shows(&self, command: &Command) -> bool {
        match command {
            Command::Annotate(_) | Command::Stop(_) | Command::Group(_) | Command::EndGroup => true,
            Command::Debug(_) => self.manners.debug,
            Command::AddMask(_)
            | Command::SetOutput(..)
            | Command::SaveState(..)
            | Command::SetEnv(..)
            | Command::AddPath(_)
            | Command::Echo(_)
            | Command::AddMatcher(_)
            | Command::RemoveMatcher { .. } => self.echo,
        }
    }

    fn hear(&mut self, command: Command) {
        match command {
            Command::Annotate(mut annotation) => {
                annotation.file = annotation.file.map(|file| self.place.in_sources(&file));
                self.annotate(annotation);
            }
            Command::AddMask(secret) => self.add_mask(secret),
            Command::Stop(token) if self.manners.any_token || commands::is_token(&token) => {
                self.token = Some(token);
            }
            Command::Stop(_) => self.fail(
                "`::stop-commands::` needs a token that is not the name of a command; \
                 take a random one",
            ),
            Command::SetOutput(name, _) if name.is_empty() => self.nameless("set-output"),
            Command::SaveState(name, _) if name.is_empty() => self.nameless("save-state"),
            Command::SetOutput(name, value) => {
                self.deprecated("set-output", "GITHUB_OUTPUT");
                if self.heard.outputs.len() < VALUES {
                    self.heard.outputs.push((name, value));
                }
            }
            Command::SaveState(name, value) => {
                self.deprecated("save-state", "GITHUB_STATE");
                if self.heard.state.len() < VALUES {
                    self.heard.state.push((name, value));
                }
            }
            Command::SetEnv(..) if !self.manners.unsecure => self.refuse("set-env", "GITHUB_ENV"),
            Command::AddPath(_) if !self.manners.unsecure => self.refuse("add-path", "GITHUB_PATH"),
            Command::SetEnv(name, _) if name.is_empty() => self.nameless("set-env"),
            Command::SetEnv(name, value) => {
                self.deprecated("set-env", "GITHUB_ENV");
                if self.heard.env.len() < VALUES {
                    self.heard.env.push((name, value));
                }
            }
            Command::AddPath(path) => {
                self.deprecated("add-path", "GITHUB_PATH");
                if self.heard.path.len() < VALUES {
                    self.heard.path.push(path);
                }
            }
            Command::Echo(wanted) => match wanted.trim().to_ascii_lowercase().as_str() {
                "on" => self.echo = true,
                "off" => self.echo = false,
                _ => self.fail("`::echo::` takes `on` or `off`"),
            },
            Command::AddMatcher(file) => self.add_matcher(&file),
            Command::RemoveMatcher { owner, file } => self.remove_matcher(&owner, &file),
            Command::Group(_) | Command::EndGroup | Command::Debug(_) => {}
        }
    }

    fn add_matcher(&mut self, file: &str) {
        if file.is_empty() {
            return self.say(Level::Warning, "`::add-matcher::` was given no file");
        }
        let added = self.matcher_file(file);
        match added.and_then(|path| self.matchers.add(&path, file)) {
            Ok(left_out) => {
                for why in left_out {
                    self.say(Level::Warning, &why);
                }
            }
            Err(why) => self.fail(&why),
        }
    }

    fn remove_matcher(&mut self, owner: &str, file: &str) {
        match (owner.is_empty(), file.is_empty()) {
            (false, true) => self.matchers.remove(owner),
            (true, false) => {
                let read = self.matcher_file(file);
                let removed = read.and_then(|path| self.matchers.remove_all(&path, file));
                if let Err(why) = removed {
                    self.fail(&why);
                }
            }
            (true, true) | (false, false) => self.say(
                Level::Warning,
                "`::remove-matcher::` takes either `owner=` or a file",
            ),
        }
    }

    fn matcher_file(&self, file: &str) -> Result<Utf8PathBuf, String> {
        let path = self.place.on_machine(file);
        path.ok_or_else(|| {
            format!(
                "problem matcher `{file}`: it is in the container alone; put it into the workspace"
            )
        })
    }

    fn nameless(&mut self, name: &str) {
        self.fail(&format!(
            "Required field 'name' is missing in `::{name}::`; write `::{name} name=NAME::VALUE`"
        ));
    }

    fn add_mask(&mut self, secret: String) {
        if secret.trim().is_empty() {
            self.say(Level::Warning, "`::add-mask::` was given nothing to mask");
        } else if self.added >= MASKS {
            self.fail(&format!("more than {MASKS} masks were added by one step"));
        } else if !self.secrets.contains(&secret) {
            self.secrets.push(secret.clone());
            self.heard.masks.push(secret);
            self.added += 1;
            self.stale = true;
        }
    }

    fn refuse(&mut self, name: &str, file: &str) {
        self.fail(&format!(
            "`::{name}::` is refused: whoever is printed by this step could change the \
             steps after it; write to `${file}` instead"
        ));
    }

    fn deprecated(&mut self, name: &str, file: &str) {
        let text = format!("`::{name}::` is deprecated; write to `${file}` instead");
        if !self
            .heard
            .annotations
            .iter()
            .any(|known| known.message == text)
        {
            self.say(Level::Notice, &text);
        }
    }

    fn fail(&mut self, reason: &str) {
        self.say(Level::Error, reason);
        if self.heard.reasons.len() < ANNOTATIONS {
            self.heard.reasons.push(reason.to_owned());
        }
    }

    fn say(&mut self, level: Level, message: &str) {
        self.annotate(Annotation::new(level, message.to_owned()));
    }

    fn annotate(&mut self, annotation: Annotation) {
        let level = annotation.level;
        let known = self.heard.annotations.iter();
        if known.filter(|known| known.level == level).count() < ANNOTATIONS {
            self.heard.annotations.push(annotation);
        }
    }

    fn mask(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.look(bytes);
        self.mask_only(bytes, out);
    }

    fn look(&mut self, bytes: &[u8]) {
        if !self.listens || self.matchers.is_empty() {
            return;
        }
        let mut found = Vec::new();
        self.matchers.look(bytes, |annotation| {
            if found.len() < ANNOTATIONS {
                found.push(annotation);
            }
        });
        for mut annotation in found {
            annotation.file = annotation.file.map(|file| self.place.in_sources(&file));
            self.annotate(annotation);
        }
    }

    fn mask_only(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.refresh();
        self.masker.push(bytes, out);
    }

    /// Lazily, so that a hundred masks in a row make one automaton.
    fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        match Masker::new(self.secrets.iter().map(String::as_str)) {
            Ok(masker) => self.masker = masker,
            // The patterns are bounded far below what an automaton can hold.
            Err(error) => self.fail(&format!("a mask could not be added: {error}")),
        }
    }
}

#[cfg(test)]
mod fuzzing;

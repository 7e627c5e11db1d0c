//! Commands in a log as people are to see them: groups, remarks and what is for debugging. Nothing is done
//! about them here.

use cutover_model::run::Annotation;

use crate::commands::{self, Command};

/// What a line of a log is for whoever looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// What it is, whatever it looks like.
    Plain,
    /// A group begins, with this title.
    Group(String),
    /// The group ends.
    EndGroup,
    /// A remark of the step.
    Remark(Annotation),
    /// For whoever wants to know more.
    Debug(String),
}

/// Reads the lines of a step's log, one after the other: what comes between `::stop-commands::` and its
/// token is no command.
#[derive(Debug, Default)]
pub struct LogReader {
    token: Option<String>,
}

impl LogReader {
    /// Whether a line that begins so may be more than plain.
    pub fn may_be(begin: &[u8]) -> bool {
        commands::prospect(begin) != commands::Prospect::None
    }

    /// The next line, without its end.
    pub fn read(&mut self, line: &str) -> Shown {
        if let Some(token) = &self.token {
            if commands::resumes(line, token) {
                self.token = None;
            }
            return Shown::Plain;
        }
        match commands::parse(line) {
            Some(Command::Annotate(annotation)) => Shown::Remark(annotation),
            Some(Command::Debug(text)) => Shown::Debug(text),
            Some(Command::Group(title)) => Shown::Group(title),
            Some(Command::EndGroup) => Shown::EndGroup,
            Some(Command::Stop(token)) if commands::is_token(&token) => {
                self.token = Some(token);
                Shown::Plain
            }
            Some(
                Command::Stop(_)
                | Command::AddMask(_)
                | Command::SetOutput(..)
                | Command::SaveState(..)
                | Command::SetEnv(..)
                | Command::AddPath(_)
                | Command::Echo(_)
                | Command::AddMatcher(_)
                | Command::RemoveMatcher { .. },
            )
            | None => Shown::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_a_stop_and_its_token_is_plain() {
        let mut reader = LogReader::default();
        let group = || Shown::Group("a:b".to_owned());
        assert_eq!(reader.read("::group::a:b"), group());
        assert_eq!(reader.read("  ##[group]a:b"), group());
        assert_eq!(reader.read("::stop-commands::t0k"), Shown::Plain);
        assert_eq!(reader.read("::group::a:b"), Shown::Plain);
        assert_eq!(reader.read("::t0k::"), Shown::Plain);
        assert_eq!(reader.read("::endgroup::"), Shown::EndGroup);
        assert_eq!(reader.read("::debug::x%25"), Shown::Debug("x%".to_owned()));
        assert_eq!(reader.read("::set-output name=a::b"), Shown::Plain);
        assert!(matches!(reader.read("::warning::w"), Shown::Remark(_)));
        assert_eq!(reader.read("a ::group::b"), Shown::Plain);
    }
}

//! The place of a step in its job, in print and in order; also of what an action does before and after
//! all the steps.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a step stands in its job, from 0; one number more for each composite action around it:
/// `3` is the fourth step, `3.0` the first step inside it. What the action of a step does before the
/// first step is `pre.3`, and after the last one `post.3`.
///
/// The order is that in which they are run: what comes before, the steps, and what comes after, the
/// last step's first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StepPath(pub Vec<u16>);

/// When in a job something of a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before the first step.
    Pre,
    /// When its turn comes.
    Main,
    /// After the last step.
    Post,
}

/// No plan has as many steps as these say.
const PRE: u16 = u16::MAX - 1;
const POST: u16 = u16::MAX;

impl StepPath {
    /// A step of the job itself.
    pub fn top(index: usize) -> Self {
        Self::default().child(index)
    }

    /// A step inside this composite step.
    #[must_use]
    pub fn child(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        path.push(u16::try_from(index).unwrap_or(PRE).min(PRE - 1));
        Self(path)
    }

    /// The composite step around this one, if any.
    pub fn parent(&self) -> Option<Self> {
        let main = self.indices();
        (main.len() > 1).then(|| Self(main[..main.len() - 1].to_vec()))
    }

    /// What of the step is meant.
    pub fn phase(&self) -> Phase {
        match self.0.first() {
            Some(&PRE) => Phase::Pre,
            Some(&POST) => Phase::Post,
            Some(_) | None => Phase::Main,
        }
    }

    /// The same step in another phase.
    #[must_use]
    pub fn in_phase(&self, phase: Phase) -> Self {
        let mark = match phase {
            Phase::Pre => Some(PRE),
            Phase::Main => None,
            Phase::Post => Some(POST),
        };
        Self(mark.into_iter().chain(self.indices().to_vec()).collect())
    }

    /// The place of the step in the plan, whatever the phase: one number for each level.
    pub fn indices(&self) -> &[u16] {
        match self.phase() {
            Phase::Main => &self.0,
            Phase::Pre | Phase::Post => &self.0[1..],
        }
    }
}

impl Ord for StepPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let phase = self.phase();
        phase.cmp(&other.phase()).then_with(|| match phase {
            Phase::Pre | Phase::Main => self.0.cmp(&other.0),
            Phase::Post => other.0.cmp(&self.0),
        })
    }
}

impl PartialOrd for StepPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase() {
            Phase::Pre => "pre.",
            Phase::Main => "",
            Phase::Post => "post.",
        })?;
        for (place, index) in self.indices().iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{index}")?;
        }
        Ok(())
    }
}

/// A text that is not a step's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the place of a step; write for example `3`, `3.0` or `post.3`")]
pub struct ParseStepPathError(String);

impl FromStr for StepPath {
    type Err = ParseStepPathError;
    fn from_str(text: &str) -> Result<Self, ParseStepPathError> {
        let (phase, numbers) = match text.split_once('.') {
            Some(("pre", rest)) => (Phase::Pre, rest),
            Some(("post", rest)) => (Phase::Post, rest),
            Some(_) | None => (Phase::Main, text),
        };
        let wrong = || ParseStepPathError(text.to_owned());
        let numbers = numbers
            .split('.')
            .map(|number| number.parse().ok().filter(|number| *number < PRE))
            .collect::<Option<Vec<u16>>>()
            .ok_or_else(wrong)?;
        Ok(Self(numbers).in_phase(phase))
    }
}

impl Serialize for StepPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_paths_print_and_parse_round() {
        let path = StepPath::top(3).child(0);
        assert_eq!(path.to_string(), "3.0");
        assert_eq!("3.0".parse::<StepPath>(), Ok(path.clone()));
        assert_eq!(path.parent(), Some(StepPath::top(3)));
        assert_eq!(StepPath::top(3).parent(), None);
        for wrong in ["", "post", "post.", "post.post.1", "1.post", "65535", "+-1"] {
            assert!(wrong.parse::<StepPath>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_comes_before_and_after_knows_its_step() {
        let step = StepPath::top(3).child(1);
        let post = step.in_phase(Phase::Post);
        assert_eq!(post.to_string(), "post.3.1");
        assert_eq!("post.3.1".parse(), Ok(post.clone()));
        assert_eq!(post.in_phase(Phase::Main), step);
        assert_eq!(post.in_phase(Phase::Pre).to_string(), "pre.3.1");
        assert_eq!(post.parent(), Some(StepPath::top(3)));
    }

    #[test]
    fn they_stand_in_the_order_in_which_they_run() {
        let mut paths: Vec<StepPath> = ["post.0", "1", "post.1.0", "0", "pre.1", "pre.0", "1.0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        paths.sort();
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(
            paths,
            ["pre.0", "pre.1", "0", "1", "1.0", "post.1.0", "post.0"]
        );
    }
}

//! Which run is meant: by its id, or by the number that people say aloud. Each repository counts its own
//! runs, so that a number alone may mean several; none of them is taken then.

use std::collections::BTreeMap;

use cutover_model::RunId;
use cutover_store::{RunRow, Store};

use crate::Error;

/// How many of several that are meant are told.
const TOLD: usize = 8;

/// What somebody said to name a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// `run_01…`.
    Id(RunId),
    /// `12`, `#12`, `hello#12` or `owner/hello#12`.
    Number {
        /// The repository; absent: any.
        repository: Option<String>,
        /// The number.
        number: u64,
    },
}

impl Said {
    /// What a text names; `None` when it is not of a form that names a run.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(id) = text.parse() {
            return Some(Self::Id(id));
        }
        let (repository, number) = text.rsplit_once('#').unwrap_or(("", text));
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self::Number {
            repository: (!repository.is_empty()).then(|| repository.to_owned()),
            number: number.parse().ok().filter(|_| is_plain)?,
        })
    }

    /// The same, in this repository when none was said.
    pub(crate) fn of(self, own: &str) -> Self {
        match self {
            Self::Number {
                repository: None,
                number,
            } => Self::Number {
                repository: Some(own.to_owned()),
                number,
            },
            said @ (Self::Id(_) | Self::Number { .. }) => said,
        }
    }

    /// All runs of a store that may be meant.
    pub(crate) async fn among(&self, store: &Store) -> Result<Vec<RunRow>, Error> {
        match self {
            Self::Id(id) => Ok(store.run(id).await?.into_iter().collect()),
            Self::Number { repository, number } => {
                Ok(store.runs_by_number(repository.as_deref(), *number).await?)
            }
        }
    }

    /// The one among those that may be meant. A repository that is named whole is meant before one whose
    /// last part has the name.
    pub(crate) fn choose(&self, mut rows: Vec<RunRow>) -> Result<RunRow, Error> {
        if let Self::Number {
            repository: Some(whole),
            ..
        } = self
            && rows.iter().any(|row| row.repository == *whole)
        {
            rows.retain(|row| row.repository == *whole);
        }
        match rows.len() {
            1 => Ok(rows.remove(0)),
            0 => Err(Error::NotFound(format!(
                "there is no run `{self}`; `cutover runs` lists them"
            ))),
            _ => Err(Error::Ambiguous(self.several(&rows))),
        }
    }

    /// What to say instead, for each of those that may be meant.
    fn several(&self, rows: &[RunRow]) -> String {
        let mut of_name = BTreeMap::new();
        for row in rows {
            *of_name.entry(&row.repository).or_insert(0_usize) += 1;
        }
        let told = rows.iter().take(TOLD).map(|row| {
            let what = format!("({}, {})", row.name, row.git_ref.short());
            match of_name[&row.repository] {
                1 => format!("`{}#{}` {what}", row.repository, row.number),
                // Numbers of long ago may be there twice; ids never are.
                _ => format!("`{}` {what}", row.id),
            }
        });
        let told: Vec<String> = told.collect();
        let more = rows.len().saturating_sub(TOLD);
        let more = match more {
            0 => String::new(),
            more => format!(", or one of {more} more: `cutover runs` lists them"),
        };
        format!(
            "`{self}` may be any of these runs; say {}{more}",
            told.join(" or ")
        )
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Number { repository, number } => {
                write!(f, "{}#{number}", repository.as_deref().unwrap_or_default())
            }
        }
    }
}

/// The run of a store that a text names; with `own`, a number alone is one of that repository.
pub(crate) async fn find(store: &Store, text: &str, own: Option<&str>) -> Result<RunRow, Error> {
    let said = parse(text)?;
    let said = match own {
        Some(own) => said.of(own),
        None => said,
    };
    said.choose(said.among(store).await?)
}

/// What a text names, or why it names no run.
pub(crate) fn parse(text: &str) -> Result<Said, Error> {
    Said::parse(text).ok_or_else(|| {
        Error::NotFound(format!(
            "`{text}` names no run: say its number (`12`), with its repository (`hello#12`), or its id"
        ))
    })
}

#[cfg(test)]
mod tests {
    use cutover_model::{
        Timestamp,
        source::{GitRef, Revision},
    };

    use super::*;

    fn row(id: u128, repository: &str) -> RunRow {
        RunRow {
            id: RunId::from_parts(1, id),
            number: 12,
            repository: repository.to_owned(),
            workflow: ".github/workflows/ci.yml".to_owned(),
            name: "CI".to_owned(),
            git_ref: GitRef("refs/heads/main".to_owned()),
            revision: Revision("0".repeat(40)),
            actor: "ada".to_owned(),
            trigger: "push".to_owned(),
            state: "succeeded".to_owned(),
            outcome: None,
            waiting_on: None,
            created_at: Timestamp(0),
            finished_at: None,
        }
    }

    fn said(text: &str) -> Said {
        Said::parse(text).unwrap()
    }

    #[test]
    fn a_run_is_said_in_four_ways_and_in_no_other() {
        let id = RunId::from_parts(1, 1);
        assert_eq!(said(id.as_str()), Said::Id(id));
        let number = |repository: Option<&str>| Said::Number {
            repository: repository.map(ToOwned::to_owned),
            number: 12,
        };
        assert_eq!(said("12"), number(None));
        assert_eq!(said("#12"), number(None));
        assert_eq!(said("hello#12"), number(Some("hello")));
        assert_eq!(said("owner/hello#12"), number(Some("owner/hello")));
        for text in ["", "#", "hello", "hello#", "hello#+1", "-1", "run_1", "1#x"] {
            assert_eq!(Said::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_of_several_repositories_is_refused_with_what_to_say() {
        let both = || vec![row(1, "hello"), row(2, "owner/other")];
        let error = said("12").choose(both()).unwrap_err();
        assert!(matches!(error, Error::Ambiguous(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            "`#12` may be any of these runs; say `hello#12` (CI, main) or `owner/other#12` (CI, main)"
        );
        assert_eq!(
            said("12").choose(vec![row(1, "hello")]).unwrap().id,
            row(1, "").id
        );
        let none = said("hello#13").choose(Vec::new()).unwrap_err().to_string();
        assert_eq!(
            none,
            "there is no run `hello#13`; `cutover runs` lists them"
        );
    }

    #[test]
    fn a_whole_name_is_meant_before_the_end_of_another() {
        let both = vec![row(1, "owner/hello"), row(2, "hello")];
        assert_eq!(said("hello#12").choose(both).unwrap().id, row(2, "").id);
        let ends = vec![row(1, "owner/hello"), row(2, "other/hello")];
        let error = said("hello#12").choose(ends).unwrap_err().to_string();
        assert!(
            error.contains("`owner/hello#12`") && error.contains("`other/hello#12`"),
            "{error}"
        );
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_ids_and_many_are_counted() {
        let same = vec![row(1, "hello"), row(2, "hello")];
        let error = said("hello#12").choose(same).unwrap_err().to_string();
        for id in [1, 2] {
            assert!(error.contains(row(id, "").id.as_str()), "{error}");
        }
        let many: Vec<_> = (0..11).map(|n| row(n, &format!("r{n}"))).collect();
        let error = said("12").choose(many).unwrap_err().to_string();
        assert!(
            error.contains("`r7#12`") && !error.contains("`r8#12`"),
            "{error}"
        );
        assert!(
            error.ends_with("or one of 3 more: `cutover runs` lists them"),
            "{error}"
        );
    }
}

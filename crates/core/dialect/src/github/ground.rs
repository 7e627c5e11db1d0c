//! What a job has checked out where, as far as its file says it in fixed texts: `./path` names an action
//! of whatever lies there when its turn comes. What scripts put into the workspace nobody knows here.

use cutover_model::plan::{Bindings, Builtin, StepBody};

use super::value;

/// The checkouts of a job so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ground(Vec<Checkout>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Checkout {
    /// Where, from the workspace; empty for the workspace itself.
    path: String,
    /// Another repository, `owner/name@ref`; else the sources of the run.
    other: Option<(String, String)>,
}

/// Whose files lie at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// Those of the run, below this directory of the workspace.
    Own(String),
    /// Those of another repository: a reference to the same path there.
    Other(String),
}

impl Ground {
    /// Takes note of what a step checks out, be it in an action made of steps.
    pub(super) fn see_step(&mut self, body: &StepBody, own: &str, is_conditional: bool) {
        if let StepBody::Builtin { action, with } = body
            && *action == Builtin::Checkout
        {
            self.see(with, own, is_conditional);
        }
        if let StepBody::Composite { steps, .. } = body {
            for step in steps {
                self.see_step(&step.body, own, is_conditional || step.condition.is_some());
            }
        }
    }

    /// Takes note of an `actions/checkout` in a run of the repository `own`, as far as that is known. One that only happens sometimes, and then takes the place of
    /// everything, is passed over.
    fn see(&mut self, with: &Bindings, own: &str, is_conditional: bool) {
        let given = |name: &str| {
            let value = with.iter().find(|(own, _)| own == name);
            value.map_or("", |(_, value)| value.text.trim())
        };
        let (path, repository, git_ref) = (given("path"), given("repository"), given("ref"));
        let (Some(path), Some(is_own)) = (plain(path), is_own(repository, own)) else {
            return;
        };
        if path.is_empty() && is_conditional {
            return;
        }
        let other = match git_ref {
            _ if is_own => None,
            dynamic if value::is_dynamic(dynamic) => return,
            "" => Some((repository.to_owned(), "HEAD".to_owned())),
            named => {
                let short = ["refs/heads/", "refs/tags/"];
                let short = short.iter().find_map(|it| named.strip_prefix(it));
                Some((repository.to_owned(), short.unwrap_or(named).to_owned()))
            }
        };
        let checkout = Checkout { path, other };
        self.0.retain(|seen| *seen != checkout);
        self.0.push(checkout);
    }

    /// Whose files lie in a directory of the workspace: of what is checked out closest to it, the last.
    pub(super) fn at(&self, directory: &str) -> Lies {
        let checkouts = self.0.iter().filter_map(|it| {
            let rest = below(directory, &it.path)?;
            Some((it, rest))
        });
        match checkouts.max_by_key(|(it, _)| it.path.len()) {
            Some((
                Checkout {
                    other: Some((repository, git_ref)),
                    ..
                },
                "",
            )) => Lies::Other(format!("{repository}@{git_ref}")),
            Some((
                Checkout {
                    other: Some((repository, git_ref)),
                    ..
                },
                rest,
            )) => Lies::Other(format!("{repository}/{rest}@{git_ref}")),
            Some((own, _)) => Lies::Own(own.path.clone()),
            None => Lies::Own(String::new()),
        }
    }

    /// The same for the same checkouts, and empty for those that everybody has.
    pub(super) fn key(&self) -> String {
        let told = self
            .0
            .iter()
            .filter(|it| !it.path.is_empty() || it.other.is_some())
            .map(|it| {
                let (repository, git_ref) = it.other.clone().unwrap_or_default();
                format!("{}={repository}@{git_ref}\n", it.path)
            });
        told.collect()
    }
}

/// A path without what leads nowhere; `None` when it is not known, or leads out.
fn plain(path: &str) -> Option<String> {
    if value::is_dynamic(path) || path.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

/// Whether a repository is that of the run; `None` when it is not known.
fn is_own(repository: &str, own: &str) -> Option<bool> {
    let spoken: String = repository.chars().filter(|it| *it != ' ').collect();
    match spoken.as_str() {
        "" | "${{github.repository}}" => Some(true),
        other if value::is_dynamic(other) => None,
        other => Some(!own.is_empty() && other.eq_ignore_ascii_case(own)),
    }
}

/// What of a directory lies below another one.
pub(super) fn below<'a>(directory: &'a str, outer: &str) -> Option<&'a str> {
    if outer.is_empty() {
        return Some(directory);
    }
    let rest = directory.strip_prefix(outer)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use cutover_model::plan::Template;

    use super::*;

    fn checkout(inputs: &[(&str, &str)]) -> Bindings {
        inputs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Template::plain(*text)))
            .collect()
    }

    #[test]
    fn the_closest_checkout_counts_and_of_those_the_last() {
        let mut ground = Ground::default();
        assert_eq!(ground.at("act"), Lies::Own(String::new()));
        ground.see(&checkout(&[]), "me/it", false);
        assert_eq!(ground.key(), "");
        let tools = [("repository", "some/tools"), ("path", "./tools/")];
        ground.see(&checkout(&tools), "me/it", true);
        assert_eq!(
            ground.at("tools/act"),
            Lies::Other("some/tools/act@HEAD".to_owned())
        );
        assert_eq!(ground.at("toolshed"), Lies::Own(String::new()));
        let pinned = [tools[0], tools[1], ("ref", "refs/tags/v1")];
        ground.see(&checkout(&pinned), "me/it", false);
        assert_eq!(ground.at("tools"), Lies::Other("some/tools@v1".to_owned()));
        let again = [("repository", "Me/It"), ("path", "tools/own")];
        ground.see(&checkout(&again), "me/it", false);
        let spoken = [
            ("repository", "${{github.repository}}"),
            ("path", "tools/own"),
        ];
        ground.see(&checkout(&spoken), "me/it", false);
        assert_eq!(
            ground.at("tools/own/act"),
            Lies::Own("tools/own".to_owned())
        );
    }

    #[test]
    fn what_nobody_knows_is_passed_over() {
        let mut ground = Ground::default();
        ground.see(&checkout(&[("path", "${{ env.X }}")]), "me/it", false);
        ground.see(&checkout(&[("repository", "${{ env.X }}")]), "me/it", false);
        ground.see(&checkout(&[("path", "../out")]), "me/it", false);
        let dynamic = [("repository", "a/b"), ("ref", "${{ github.sha }}")];
        ground.see(&checkout(&dynamic), "me/it", false);
        ground.see(&checkout(&[("repository", "a/b")]), "me/it", true);
        assert_eq!(ground, Ground::default());
    }
}

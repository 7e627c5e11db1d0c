//! What belongs to the environment of a job: its variables and its secrets, over those of all jobs.
//!
//! Settings name them with the environment before a slash: `production/TOKEN` is `secrets.TOKEN` in
//! jobs of `production`, and nowhere else. Variables may stand in `cutover.yml`, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::{github, scope::Scope};

/// A name in the settings: the environment that it belongs to, if any, and what jobs call it.
fn parts(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((environment, name)) => (Some(environment), name),
        None => (None, name),
    }
}

/// Whether a secret reaches a called workflow without being handed over: those of its environments do,
/// and the token of the job.
pub(crate) fn passes(name: &str) -> bool {
    name.contains('/') || name.eq_ignore_ascii_case(github::TOKEN)
}

/// Those of one environment alone, or those of all jobs, by what jobs call them.
fn of<'a, V>(
    all: impl Iterator<Item = (&'a String, V)>,
    environment: Option<&str>,
) -> impl Iterator<Item = (String, V)> {
    all.filter_map(move |(name, value)| {
        let (found, name) = parts(name);
        let fits = match (environment, found) {
            (None, None) => true,
            (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found),
            (None, Some(_)) | (Some(_), None) => false,
        };
        fits.then(|| (name.to_owned(), value))
    })
}

/// Those of all jobs, then those of this environment.
fn layered<'a, V>(
    all: impl Iterator<Item = (&'a String, V)> + Clone,
    environment: Option<&str>,
) -> BTreeMap<String, V> {
    let mut values: BTreeMap<String, V> = of(all.clone(), None).collect();
    if environment.is_some() {
        values.extend(of(all, environment));
    }
    values
}

impl Scope<'_> {
    /// The environment of the leg from which it is looked.
    fn environment(&self) -> Option<&str> {
        let leg = self.key.and_then(|key| self.run.leg(key))?;
        leg.spec.environment.as_deref()
    }

    /// The `vars` context: those of all jobs, those of `cutover.yml`, those of the settings.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let Some(head) = &self.run.head else {
            return BTreeMap::new();
        };
        let environment = self.environment();
        let mut values: BTreeMap<String, &String> = of(head.vars.iter(), None).collect();
        let project = head.plan.project.as_ref();
        let written = environment.and_then(|name| project?.environment_vars.get(name));
        for (name, value) in written.into_iter().flatten() {
            values.insert(name.clone(), value);
        }
        if environment.is_some() {
            values.extend(of(head.vars.iter(), environment));
        }
        values
            .into_iter()
            .map(|(name, value)| (name, value.clone()))
            .collect()
    }

    /// The `secrets` context of whoever may see them.
    pub(crate) fn secrets_in_force<'a, V>(
        &self,
        all: impl Iterator<Item = (&'a String, V)> + Clone,
    ) -> BTreeMap<String, V> {
        layered(all, self.environment())
    }

    /// Whether there is a secret of this name here; without a name, whether there is any.
    pub(crate) fn is_secret(&self, names: &BTreeSet<String>, name: Option<&String>) -> bool {
        let known = self.secrets_in_force(names.iter().map(|name| (name, ())));
        match name {
            None => !known.is_empty(),
            Some(name) => known.keys().any(|known| known.eq_ignore_ascii_case(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_an_environment_is_seen_there_and_counts_more() {
        let all: BTreeMap<String, u32> =
            [("A", 1), ("B", 2), ("production/A", 3), ("staging/C", 4)]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        let seen = |environment| {
            let found = layered(all.iter(), environment);
            let found: Vec<String> = found
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            found.join(" ")
        };
        assert_eq!(seen(None), "A=1 B=2");
        assert_eq!(seen(Some("Production")), "A=3 B=2");
        assert_eq!(seen(Some("staging")), "A=1 B=2 C=4");
        assert_eq!(seen(Some("elsewhere")), "A=1 B=2");
    }
}

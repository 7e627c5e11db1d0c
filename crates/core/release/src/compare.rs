//! What differs between two releases, or between what two environments run, and whether there is a way
//! back to one of them. Facts are names and values; what is the same on both sides is left out.

use std::collections::BTreeMap;

use cutover_model::{
    delivery::{Contents, DeploymentSpec, Package, Release},
    project::TargetSpec,
};
use semver::Version;

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `version`, `env.GREETING`, `strategy` …
    pub what: String,
    /// On the left; absent when it is not there.
    pub from: Option<String>,
    /// On the right.
    pub to: Option<String>,
}

/// What differs between these facts, in the order of their names.
pub fn differences(
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| Difference {
            what: name.clone(),
            from: from.get(name).cloned(),
            to: to.get(name).cloned(),
        })
        .collect()
}

/// What a release is.
pub fn of_release(release: &Release) -> BTreeMap<String, String> {
    let kind = match release.package {
        Package::Image { .. } => "image",
        Package::Bundle { .. } => "bundle",
    };
    let mut facts = BTreeMap::from([
        ("service".to_owned(), release.service.clone()),
        ("version".to_owned(), release.version.clone()),
        ("package".to_owned(), kind.to_owned()),
        ("digest".to_owned(), release.package.digest().to_string()),
        ("commit".to_owned(), release.revision.0.clone()),
    ]);
    if !release.command.is_empty() {
        facts.insert("command".to_owned(), release.command.join(" "));
    }
    facts.extend(
        release
            .port
            .map(|port| ("port".to_owned(), port.to_string())),
    );
    facts.extend(named("env", &release.env));
    facts.extend(of_contents(&release.contents));
    facts
}

fn of_contents(contents: &Contents) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (path, digest) in &contents.config {
        facts.insert(format!("config.{path}"), digest.to_string());
    }
    for (name, version) in &contents.secrets {
        let version = version.as_deref().unwrap_or("version not known");
        facts.insert(format!("secret.{name}"), version.to_owned());
    }
    let flags = contents.flags.as_ref().map(ToString::to_string);
    facts.extend(flags.map(|digest| ("flags".to_owned(), digest)));
    let floor = contents.migrations.as_ref().and_then(|it| it.floor.clone());
    facts.extend(floor.map(|floor| ("migrations.floor".to_owned(), floor)));
    facts
}

/// What a deployment makes of its release: its environment, and by which rules.
pub fn of_spec(spec: &DeploymentSpec) -> BTreeMap<String, String> {
    let kind = match spec.target {
        TargetSpec::Process { .. } => "process",
        TargetSpec::Docker { .. } => "docker",
    };
    let mut facts = of_release(&spec.release);
    facts.extend(named("env", &spec.env));
    facts.extend([
        ("target".to_owned(), kind.to_owned()),
        ("instances".to_owned(), spec.target.instances().to_string()),
        ("strategy".to_owned(), spec.strategy.word().to_owned()),
        ("health".to_owned(), spec.health.path.clone()),
    ]);
    facts.extend(
        spec.listen
            .clone()
            .map(|listen| ("listen".to_owned(), listen)),
    );
    let triggers = spec.triggers.iter().map(ToString::to_string);
    facts.extend(triggers.map(|trigger| (format!("trigger.{trigger}"), "armed".to_owned())));
    facts
}

fn named<'a>(
    what: &'a str,
    values: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String)> + 'a {
    let fact = move |(name, value): (&String, &String)| (format!("{what}.{name}"), value.clone());
    values.iter().map(fact)
}

/// Why nobody may go back to this version: the database has gone on, and it cannot live with it.
/// `None` when it can, or when nobody said anything of a floor.
pub fn below_floor(version: &str, floor: Option<&str>) -> Option<String> {
    let floor = floor?;
    let is_below = match (Version::parse(version), Version::parse(floor)) {
        (Ok(version), Ok(there)) => version < there,
        // What is no version can only be the floor itself.
        _ => version != floor,
    };
    is_below.then(|| {
        format!(
            "{version} is below the migration floor {floor}: the database has gone on, and {version} \
             cannot live with it; go forward with a fix instead"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_what_differs_is_told() {
        let from = facts(&[("version", "1.0.0"), ("port", "80"), ("env.A", "1")]);
        let to = facts(&[("version", "1.1.0"), ("port", "80"), ("env.B", "2")]);
        let told: Vec<String> = differences(&from, &to)
            .iter()
            .map(|it| format!("{} {:?} {:?}", it.what, it.from, it.to))
            .collect();
        assert_eq!(
            told,
            [
                r#"env.A Some("1") None"#,
                r#"env.B None Some("2")"#,
                r#"version Some("1.0.0") Some("1.1.0")"#
            ]
        );
        assert_eq!(differences(&from, &from), []);
    }

    #[test]
    fn nobody_goes_back_below_the_floor() {
        assert_eq!(below_floor("1.9.0", None), None);
        assert_eq!(below_floor("1.9.0", Some("1.9.0")), None);
        assert_eq!(below_floor("1.10.0", Some("1.9.0")), None);
        let why = below_floor("1.8.9", Some("1.9.0")).unwrap();
        assert!(why.contains("below the migration floor 1.9.0"), "{why}");
        // Pre-releases come before what they lead to, and no version at all is not trusted.
        assert!(below_floor("1.9.0-rc.1", Some("1.9.0")).is_some());
        assert!(below_floor("nightly", Some("1.9.0")).is_some());
    }
}

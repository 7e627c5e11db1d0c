//! Requests that a route does not want: by its own rules, and by a small group of common ones.
//!
//! This is no web application firewall: bodies are not looked at, nothing is scored, and the common
//! group knows only what scanners ask of everybody.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use http::{HeaderMap, HeaderName, Method, Uri};

use crate::{
    control::{self, Action},
    plain_path::{cleaned, decoded},
    trust::Network,
};

/// Longest target that the common group lets through, in bytes.
const LONGEST: usize = 8_192;

/// What scanners look for. A path fits that begins so at its root or below any segment.
const PROBES: [&str; 22] = [
    "/.env",
    "/.git/",
    "/.svn/",
    "/.hg/",
    "/.aws/",
    "/.ssh/",
    "/.htaccess",
    "/.htpasswd",
    "/.ds_store",
    "/wp-login.php",
    "/wp-admin/",
    "/wp-config",
    "/xmlrpc.php",
    "/phpmyadmin",
    "/phpinfo",
    "/cgi-bin/",
    "/vendor/phpunit/",
    "/web-inf/",
    "/etc/passwd",
    "/proc/self/",
    "/server-status",
    "/actuator/heapdump",
];

/// The rules of one route, with their counts.
#[derive(Debug)]
pub(crate) struct Rules {
    own: Vec<Rule>,
    common: Option<Action>,
    common_counts: [AtomicU64; Common::ALL.len()],
}

#[derive(Debug)]
struct Rule {
    told: control::Rule,
    methods: Vec<Method>,
    header: Option<(HeaderName, Option<String>)>,
    from: Vec<Network>,
    count: AtomicU64,
}

/// What the common group knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Common {
    Traversal,
    NullByte,
    Probe,
    LongTarget,
}

/// A rule that means a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// As in the counts.
    pub(crate) rule: String,
    pub(crate) denied: bool,
    pub(crate) too_long: bool,
}

impl Common {
    const ALL: [Self; 4] = [
        Self::Traversal,
        Self::NullByte,
        Self::Probe,
        Self::LongTarget,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Traversal => "common/traversal",
            Self::NullByte => "common/null_byte",
            Self::Probe => "common/probe",
            Self::LongTarget => "common/long_target",
        }
    }

    /// `raw` is the whole target, `path` the path of it, decoded and in lower case.
    fn means(self, raw: &str, path: &[u8]) -> bool {
        match self {
            Self::Traversal => {
                let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
                segments.any(|segment| segment == b"..")
            }
            Self::NullByte => path.contains(&0) || raw.contains("%00"),
            Self::Probe => PROBES.iter().any(|probe| {
                let probe = probe.as_bytes();
                path.windows(probe.len()).any(|part| part == probe)
            }),
            Self::LongTarget => raw.len() > LONGEST,
        }
    }
}

impl Rules {
    /// `None` when there is nothing to look for.
    pub(crate) fn new(rules: &[control::Rule], common: Option<Action>) -> Option<Self> {
        let rule = |told: &control::Rule| {
            let header = told.header.as_ref();
            Rule {
                methods: told
                    .methods
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
                header: header
                    .and_then(|header| Some((header.name.parse().ok()?, header.value.clone()))),
                from: told
                    .from
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
                told: told.clone(),
                count: AtomicU64::new(0),
            }
        };
        (common.is_some() || !rules.is_empty()).then(|| Self {
            own: rules.iter().map(rule).collect(),
            common,
            common_counts: Default::default(),
        })
    }

    /// The first rule that denies the request, or else the first that only notes it. All that mean
    /// it are counted.
    pub(crate) fn judge(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Option<Hit> {
        let raw = uri.path_and_query().map_or("/", |target| target.as_str());
        let path = decoded(uri.path());
        let clean = cleaned(uri.path());
        let mut first: Option<Hit> = None;
        let mut hit = |rule: &str, action: Action, too_long: bool| {
            let denied = action == Action::Deny;
            if first.as_ref().is_none_or(|first| denied && !first.denied) {
                let rule = rule.to_owned();
                first = Some(Hit {
                    rule,
                    denied,
                    too_long,
                });
            }
        };
        for rule in &self.own {
            // What a server may make of the path is meant, too.
            let paths = [Some(&path), clean.as_ref()];
            if rule.means(method, &paths, headers, client) {
                rule.count.fetch_add(1, Ordering::Relaxed);
                hit(&rule.told.name, rule.told.action, false);
            }
        }
        if let Some(action) = self.common {
            // Twice decoded, as careless servers do.
            let mut path = decoded(&String::from_utf8_lossy(&path));
            path.make_ascii_lowercase();
            for (common, count) in Common::ALL.into_iter().zip(&self.common_counts) {
                if common.means(raw, &path) {
                    count.fetch_add(1, Ordering::Relaxed);
                    hit(common.name(), action, common == Common::LongTarget);
                }
            }
        }
        first
    }

    /// How often each rule meant a request.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let own = self
            .own
            .iter()
            .map(|rule| (rule.told.name.clone(), &rule.count));
        let common = Common::ALL.into_iter().zip(&self.common_counts);
        let common = common
            .filter(|_| self.common.is_some())
            .map(|(common, count)| (common.name().to_owned(), count));
        own.chain(common)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .collect()
    }
}

impl Rule {
    /// `paths` are the ways in which the path can be read.
    fn means(
        &self,
        method: &Method,
        paths: &[Option<&Vec<u8>>],
        headers: &HeaderMap,
        client: IpAddr,
    ) -> bool {
        let any_fits = |pattern: &String| {
            let mut paths = paths.iter().flatten();
            paths.any(|path| fits(pattern.as_bytes(), path))
        };
        (self.methods.is_empty() || self.methods.contains(method))
            && self.told.path.as_ref().is_none_or(any_fits)
            && self.header.as_ref().is_none_or(|(name, value)| {
                let mut values = headers.get_all(name).iter();
                values.any(|found| {
                    let pattern = value.as_deref().unwrap_or("*");
                    fits(pattern.as_bytes(), found.as_bytes())
                })
            })
            && (self.from.is_empty() || self.from.iter().any(|network| network.contains(client)))
    }
}

/// Whether a text is as a pattern says in which `*` stands for anything. In time bounded by the
/// product of both lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    let mut star = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(byte) if *byte == text[pos] => {
                at += 1;
                pos += 1;
            }
            _ => {
                let Some((star_at, from)) = star else {
                    return false;
                };
                star = Some((star_at, from + 1));
                (at, pos) = (star_at + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::control::Property;

    fn judge(rules: &Rules, method: &Method, target: &str) -> Option<(String, bool)> {
        let agent = HeaderValue::from_static("Scanner/1.0");
        let headers = HeaderMap::from_iter([(http::header::USER_AGENT, agent)]);
        let uri = target.parse().unwrap();
        let hit = rules.judge(method, &uri, &headers, IpAddr::from([192, 0, 2, 7]))?;
        Some((hit.rule, hit.denied))
    }

    fn rule(name: &str, action: Action) -> control::Rule {
        control::Rule {
            name: name.to_owned(),
            action,
            methods: Vec::new(),
            path: None,
            header: None,
            from: Vec::new(),
        }
    }

    #[test]
    fn a_path_is_met_in_every_way_of_writing_it() {
        let admin = control::Rule {
            path: Some("/admin*".to_owned()),
            ..rule("admin", Action::Deny)
        };
        let rules = Rules::new(&[admin], None).unwrap();
        for target in [
            "/admin/x",
            "//admin",
            "/./admin",
            "/%2fadmin",
            "/a/../%61dmin",
        ] {
            let hit = judge(&rules, &Method::GET, target);
            assert_eq!(hit, Some(("admin".to_owned(), true)), "{target}");
        }
        assert_eq!(judge(&rules, &Method::GET, "/a/admin"), None);
    }

    #[test]
    fn the_common_group_knows_what_scanners_ask() {
        let rules = Rules::new(&[], Some(Action::Deny)).unwrap();
        let long = format!("/{}", "x".repeat(LONGEST));
        let cases = [
            ("/a/../b", "common/traversal"),
            ("/a/%2e%2E/b", "common/traversal"),
            ("/a/%252e%252e/b", "common/traversal"),
            ("/a/..%5cb", "common/traversal"),
            ("/a%00.png", "common/null_byte"),
            ("/a?b=%00", "common/null_byte"),
            ("/.env", "common/probe"),
            ("/shop/.GIT/config", "common/probe"),
            ("/wp-login.php?x", "common/probe"),
            (&long, "common/long_target"),
        ];
        for (target, name) in cases {
            let found = judge(&rules, &Method::GET, target);
            assert_eq!(found, Some((name.to_owned(), true)), "{target}");
        }
        for target in [
            "/",
            "/a..b/c",
            "/...",
            "/environment",
            "/%zz",
            "/a%2",
            "*",
            "/git/x",
        ] {
            assert_eq!(judge(&rules, &Method::GET, target), None, "{target}");
        }
        assert_eq!(rules.counts()[0], ("common/traversal".to_owned(), 4));
    }

    #[test]
    fn a_rule_means_what_has_all_that_it_names() {
        let told = [
            control::Rule {
                methods: vec!["TRACE".to_owned()],
                ..rule("methods", Action::Deny)
            },
            control::Rule {
                path: Some("/admin*".to_owned()),
                from: vec!["192.0.2.0/24".to_owned()],
                ..rule("admin", Action::Deny)
            },
            control::Rule {
                path: Some("/admin*".to_owned()),
                from: vec!["198.51.100.0/24".to_owned()],
                ..rule("elsewhere", Action::Deny)
            },
            control::Rule {
                header: Some(Property {
                    name: "User-Agent".to_owned(),
                    value: Some("*canner*".to_owned()),
                }),
                ..rule("agent", Action::Log)
            },
        ];
        let rules = Rules::new(&told, None).unwrap();
        let denied = |name: &str| Some((name.to_owned(), true));
        assert_eq!(judge(&rules, &Method::TRACE, "/"), denied("methods"));
        assert_eq!(judge(&rules, &Method::GET, "/%61dmin/x"), denied("admin"));
        assert_eq!(
            judge(&rules, &Method::GET, "/"),
            Some(("agent".to_owned(), false))
        );
        let counts: Vec<_> = rules.counts().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 1, 0, 3]);
        assert!(Rules::new(&[], None).is_none());
    }

    #[test]
    fn patterns_have_stars_only() {
        let cases = [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/a", true),
            ("*.php", "/x/y.php", true),
            ("*.php", "/x/y.php5", false),
            ("/*/b/*", "/a/b/c", true),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("", "", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}

//! `traffic:` in the words of the balancer. What the file does not say stays as the balancer has it.
//!
//! The candidate is the newest side; what is meant for it alone waits until it has a share.

use cutover_model::{
    Duration,
    delivery::Weight,
    traffic::{
        AccessLogSpec, AcmeSpec, CertificateFiles, LimitsSpec, Protocol, QueryShown, RateSpec,
        RequestMatch, RouteSpec, RuleAction, RuleSpec, TimeoutsSpec, TlsSpec, TrafficSpec,
    },
};
use cutover_proxy as proxy;

use super::Route;

/// Puts into a service what the file says of it.
pub(super) fn fill(service: &mut proxy::Service, route: &Route) {
    let spec = route.traffic.as_deref();
    service.evidence.slow_ms = route.slow.as_ref().map(|slow| slow.ms);
    if let Some(limit) = route.park {
        service.hold = Some(hold(limit, spec));
    }
    let Some(spec) = spec else {
        give_matches(service, &route.matches);
        return;
    };
    let mut matches = spec.matches.clone();
    matches.extend(route.matches.iter().cloned());
    give_matches(service, &matches);
    service.routes = routes(spec);
    service.tls = spec.tls.as_ref().map(tls);
    if let Some(sticky) = &spec.sticky {
        let usual = || format!("cutover-{}", service.name.replace('@', "-"));
        service.sticky = Some(proxy::Sticky {
            cookie: sticky.cookie.clone().unwrap_or_else(usual),
            max_age_s: sticky.lifetime.map(|length| length.as_millis() / 1_000),
            secure: spec.tls.is_some(),
        });
        // Whoever stays with a side is known by that, wherever it comes from.
        service.evidence.client = proxy::ClientKey::Sticky;
    }
    if let Some(newest) = service.sides.last() {
        let side = newest.name.clone();
        service.preview = spec.preview.as_ref().map(|listen| proxy::Preview {
            listen: Some(listen.clone()),
            side: side.clone(),
        });
        service.mirror = spec
            .mirror
            .filter(|_| service.sides.len() > 1)
            .map(|share| proxy::Mirror {
                side,
                share: share.basis_points(),
                at_once: MIRRORED_AT_ONCE,
            });
    }
    if let Some(limits) = &spec.limits {
        limit(&mut service.limits, limits);
    }
    if let Some(timeouts) = &spec.timeouts {
        time(&mut service.timeouts, timeouts);
    }
    if let Some(protocol) = spec.protocol {
        for side in &mut service.sides {
            side.protocol = match protocol {
                Protocol::H1 => proxy::Protocol::H1,
                Protocol::H2 => proxy::Protocol::H2,
            };
        }
    }
    service.access_log = spec.access_log.as_ref().map(access_log);
}

fn tls(spec: &TlsSpec) -> proxy::Tls {
    let files = |pair: &CertificateFiles| proxy::CertificateFiles {
        cert_file: pair.cert_file.clone(),
        key_file: pair.key_file.clone(),
    };
    let acme = |spec: &AcmeSpec| proxy::Acme {
        hosts: spec.hosts.clone(),
        contact: spec.contact.clone(),
        directory: spec.directory.clone(),
        ca_file: spec.ca_file.clone(),
    };
    proxy::Tls {
        certificates: spec.certificates.iter().map(files).collect(),
        acme: spec.acme.as_ref().map(acme),
        redirect_from: spec.redirect_from.clone(),
    }
}

/// Copies under way at once.
const MIRRORED_AT_ONCE: usize = 16;

fn give_matches(service: &mut proxy::Service, matches: &[RequestMatch]) {
    let has_two = service.sides.len() > 1;
    let newest = service.sides.last_mut();
    let Some(side) = newest.filter(|side| has_two && side.weight > 0) else {
        return;
    };
    for one in matches.iter().map(request_match) {
        if !side.matches.contains(&one) {
            side.matches.push(one);
        }
    }
}

fn request_match(one: &RequestMatch) -> proxy::Match {
    let property = |name: &str, value: &str| proxy::Property {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    };
    match one {
        RequestMatch::Header { name, value } => proxy::Match::Header(property(name, value)),
        RequestMatch::Cookie { name, value } => proxy::Match::Cookie(property(name, value)),
    }
}

fn hold(limit: Duration, spec: Option<&TrafficSpec>) -> proxy::Hold {
    let usual = proxy::Hold::default();
    let said = spec.and_then(|spec| spec.hold.clone()).unwrap_or_default();
    proxy::Hold {
        requests: said.requests.map_or(usual.requests, size),
        bytes: said
            .bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usual.bytes),
        for_ms: limit.as_millis(),
    }
}

/// What the file says of limits and rules holds on each route.
fn routes(spec: &TrafficSpec) -> Vec<proxy::Route> {
    let limits = spec.limits.clone().unwrap_or_default();
    let guarded = limits.rate.is_some() || limits.body_bytes.is_some() || !spec.rules.is_empty();
    let everything = [RouteSpec::default()];
    let routes: &[RouteSpec] = if spec.routes.is_empty() && guarded {
        &everything
    } else {
        &spec.routes
    };
    let common = spec.rules.iter().find(|rule| rule.group.is_some());
    routes
        .iter()
        .map(|route| proxy::Route {
            host: route.host.clone(),
            path: route.path.clone().unwrap_or_else(|| "/".to_owned()),
            strip_prefix: route.strip_prefix,
            rate: limits.rate.as_ref().map(rate),
            body_bytes: limits.body_bytes,
            rules: spec
                .rules
                .iter()
                .filter(|rule| rule.group.is_none())
                .map(rule)
                .collect(),
            common: common.map(|rule| action(rule.action)),
        })
        .collect()
}

fn rate(spec: &RateSpec) -> proxy::RateLimit {
    proxy::RateLimit {
        requests: spec.requests,
        per_ms: spec.per.as_millis(),
        burst: spec.burst.unwrap_or(0),
        header: spec.by_header.clone(),
        keys: RATED_CLIENTS,
    }
}

/// Clients whose rate is remembered at once.
const RATED_CLIENTS: usize = 16_384;

fn rule(spec: &RuleSpec) -> proxy::Rule {
    proxy::Rule {
        name: spec.name.clone(),
        action: action(spec.action),
        methods: spec.methods.clone(),
        path: spec.path.clone(),
        header: spec.header.as_ref().map(|header| proxy::Property {
            name: header.name.clone(),
            value: header.value.clone(),
        }),
        from: spec.from.clone(),
    }
}

const fn action(action: RuleAction) -> proxy::Action {
    match action {
        RuleAction::Deny => proxy::Action::Deny,
        RuleAction::Log => proxy::Action::Log,
    }
}

fn limit(limits: &mut proxy::Limits, spec: &LimitsSpec) {
    let put = |place: &mut usize, value: Option<u32>| {
        if let Some(value) = value {
            *place = size(value);
        }
    };
    put(&mut limits.connections, spec.connections);
    let each = spec.connections_per_client.map(size);
    limits.connections_per_client = each.or(limits.connections_per_client);
    put(&mut limits.header_fields, spec.header_fields);
    put(&mut limits.header_bytes, spec.header_bytes);
}

fn time(timeouts: &mut proxy::Timeouts, spec: &TimeoutsSpec) {
    let put = |place: &mut u64, value: Option<Duration>| {
        if let Some(value) = value {
            *place = value.as_millis();
        }
    };
    put(&mut timeouts.header_ms, spec.header);
    put(&mut timeouts.idle_ms, spec.idle);
    put(&mut timeouts.body_ms, spec.body);
    put(&mut timeouts.connect_ms, spec.connect);
    put(&mut timeouts.response_ms, spec.response);
    put(&mut timeouts.stream_grace_ms, spec.grace);
}

fn access_log(spec: &AccessLogSpec) -> proxy::AccessLog {
    let usual = proxy::AccessLog::default();
    proxy::AccessLog {
        file: spec.file.clone(),
        max_bytes: spec.rotate_bytes.unwrap_or(usual.max_bytes),
        keep: spec.keep.unwrap_or(usual.keep),
        query: match spec.query {
            QueryShown::Whole => proxy::QueryLog::Whole,
            QueryShown::Names => proxy::QueryLog::Names,
            QueryShown::Nothing => proxy::QueryLog::Nothing,
        },
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Requests that go to the candidate at this share of it, by the steps of its strategy.
pub(crate) fn step_matches(
    strategy: &cutover_model::delivery::Strategy,
    weight: Weight,
) -> Vec<RequestMatch> {
    use cutover_model::delivery::Strategy;
    let steps = match strategy {
        Strategy::Canary { steps, .. } => steps.as_slice(),
        Strategy::BlueGreen { canary, .. } => canary.as_slice(),
        Strategy::Rolling { .. } | Strategy::Linear { .. } | Strategy::Recreate { .. } => &[],
    };
    steps
        .iter()
        .filter(|step| step.weight <= weight)
        .flat_map(|step| step.matches.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use cutover_model::{
        DeploymentId,
        delivery::{HealthCheck, Step, Strategy},
        traffic::{HoldSpec, Sticky},
    };

    use super::*;

    fn route(traffic: TrafficSpec, weights: &[u16]) -> Route {
        let mut route = Route {
            listen: None,
            health: HealthCheck::default(),
            sides: Vec::new(),
            traffic: Some(Box::new(traffic)),
            matches: Vec::new(),
            park: None,
            slow: None,
            fence: 0,
        };
        for (place, percent) in weights.iter().enumerate() {
            let version = format!("1.{place}.0");
            let id = DeploymentId::derived(&[&version]);
            route.change_side(&id, &version, |side| {
                side.weight = Weight::from_percent(*percent).unwrap();
            });
        }
        route
    }

    fn beta() -> RequestMatch {
        RequestMatch::Header {
            name: "x-beta".to_owned(),
            value: "1".to_owned(),
        }
    }

    #[test]
    fn what_is_for_the_candidate_is_for_the_newest_side_with_a_share() {
        let spec = TrafficSpec {
            matches: vec![beta()],
            mirror: Weight::from_percent(5),
            preview: Some("127.0.0.1:9090".to_owned()),
            sticky: Some(Sticky {
                cookie: None,
                lifetime: Some(Duration::from_mins(1)),
            }),
            ..TrafficSpec::default()
        };
        let two = route(spec.clone(), &[90, 10]).to_wire("hello@production");
        assert!(two.sides[0].matches.is_empty());
        assert_eq!(two.sides[1].matches.len(), 1);
        assert_eq!(two.mirror.unwrap().side, "1.1.0");
        assert_eq!(two.preview.unwrap().side, "1.1.0");
        let sticky = two.sticky.unwrap();
        assert_eq!(
            (sticky.cookie.as_str(), sticky.max_age_s),
            ("cutover-hello-production", Some(60))
        );
        let starting = route(spec.clone(), &[100, 0]).to_wire("hello@production");
        assert!(
            starting.sides[1].matches.is_empty(),
            "it may not be healthy"
        );
        let alone = route(spec, &[100]).to_wire("hello@production");
        assert!(alone.sides[0].matches.is_empty() && alone.mirror.is_none());
        assert_eq!(alone.preview.unwrap().side, "1.0.0");
    }

    #[test]
    fn with_tls_the_cookie_is_for_tls_alone() {
        let spec = TrafficSpec {
            tls: Some(TlsSpec {
                certificates: vec![CertificateFiles {
                    cert_file: "/c.pem".to_owned(),
                    key_file: "/k.pem".to_owned(),
                }],
                acme: Some(AcmeSpec {
                    hosts: vec!["a.example".to_owned()],
                    contact: Vec::new(),
                    directory: None,
                    ca_file: Some("/ca.pem".to_owned()),
                }),
                redirect_from: Some("127.0.0.1:80".to_owned()),
            }),
            sticky: Some(Sticky {
                cookie: None,
                lifetime: None,
            }),
            ..TrafficSpec::default()
        };
        let service = route(spec, &[100]).to_wire("s@e");
        assert!(service.sticky.is_some_and(|sticky| sticky.secure));
        let tls = service.tls.unwrap();
        assert_eq!(tls.certificates[0].key_file, "/k.pem");
        assert_eq!(tls.redirect_from.as_deref(), Some("127.0.0.1:80"));
        let acme = tls.acme.unwrap();
        assert_eq!((acme.hosts.len(), acme.directory), (1, None));
        assert_eq!(acme.ca_file.as_deref(), Some("/ca.pem"));
    }

    #[test]
    fn what_instances_speak_and_how_long_streams_have_is_told() {
        let spec = TrafficSpec {
            protocol: Some(Protocol::H2),
            timeouts: Some(TimeoutsSpec {
                grace: Some(Duration::from_secs(7)),
                ..TimeoutsSpec::default()
            }),
            ..TrafficSpec::default()
        };
        let service = route(spec, &[90, 10]).to_wire("s@e");
        let is_h2 = |side: &proxy::Side| side.protocol == proxy::Protocol::H2;
        assert!(service.sides.iter().all(is_h2));
        assert_eq!(service.timeouts.stream_grace_ms, 7_000);
    }

    #[test]
    fn what_is_slow_and_who_is_one_client_is_told() {
        let sticky = TrafficSpec {
            sticky: Some(Sticky {
                cookie: None,
                lifetime: None,
            }),
            ..TrafficSpec::default()
        };
        let mut route = route(sticky, &[100]);
        let evidence = route.to_wire("s@e").evidence;
        assert_eq!(evidence.slow_ms, None);
        assert_eq!(evidence.client, proxy::ClientKey::Sticky);
        route.slow = Some(crate::routes::Slow {
            by: DeploymentId::derived(&["d"]),
            ms: 30,
            since: 5,
        });
        route.traffic = None;
        let evidence = route.to_wire("s@e").evidence;
        assert_eq!(evidence.slow_ms, Some(30));
        assert_eq!(evidence.client, proxy::ClientKey::Address);
    }

    #[test]
    fn limits_and_rules_hold_on_each_route() {
        let rule = |name: &str, group: Option<&str>| RuleSpec {
            name: name.to_owned(),
            group: group.map(str::to_owned),
            path: group.is_none().then(|| "/admin*".to_owned()),
            ..RuleSpec::default()
        };
        let mut spec = TrafficSpec {
            limits: Some(LimitsSpec {
                connections: Some(7),
                connections_per_client: Some(3),
                body_bytes: Some(1_000),
                ..LimitsSpec::default()
            }),
            rules: vec![rule("admin", None), rule("probes", Some("common"))],
            ..TrafficSpec::default()
        };
        let service = route(spec.clone(), &[100]).to_wire("s@e");
        assert_eq!(service.limits.connections, 7);
        assert_eq!(service.limits.connections_per_client, Some(3));
        let [everything] = service.routes.as_slice() else {
            panic!("{:?}", service.routes);
        };
        assert_eq!(everything.path, "/");
        assert_eq!(everything.body_bytes, Some(1_000));
        assert_eq!(everything.rules.len(), 1);
        assert_eq!(everything.common, Some(proxy::Action::Deny));
        spec.routes = vec![
            RouteSpec {
                path: Some("/api".to_owned()),
                ..RouteSpec::default()
            };
            2
        ];
        let service = route(spec, &[100]).to_wire("s@e");
        assert!(service.routes.iter().all(|route| route.rules.len() == 1));
    }

    #[test]
    fn requests_wait_only_while_the_place_is_parked() {
        let spec = TrafficSpec {
            hold: Some(HoldSpec {
                requests: Some(5),
                bytes: None,
            }),
            ..TrafficSpec::default()
        };
        let mut route = route(spec, &[100]);
        assert_eq!(route.to_wire("s@e").hold, None);
        route.park = Some(Duration::from_secs(3));
        let hold = route.to_wire("s@e").hold.unwrap();
        assert_eq!((hold.requests, hold.for_ms), (5, 3_000));
    }

    #[test]
    fn the_matches_of_a_step_hold_from_it_on() {
        let percent = |value| Weight::from_percent(value).unwrap();
        let strategy = Strategy::Canary {
            steps: vec![
                Step {
                    matches: vec![beta()],
                    ..Step::of(percent(10))
                },
                Step::of(Weight::ALL),
            ],
            interval: Duration::ZERO,
            scaled: false,
            bake: Duration::ZERO,
        };
        assert!(step_matches(&strategy, Weight::NONE).is_empty());
        assert_eq!(step_matches(&strategy, percent(10)), [beta()]);
        assert_eq!(step_matches(&strategy, Weight::ALL), [beta()]);
    }
}

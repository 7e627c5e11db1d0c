//! The delivery side of `cutover.yml`: strategies, hooks, smoke tests, freezes, traffic.

use cutover_dialect::project;
use cutover_model::{
    Duration,
    delivery::{Strategy, Weight},
    guard::{FreezeWhen, HookAct, HookPoint, OnError, OnSuperseded},
    project::Project,
    traffic::{Protocol, QueryShown, RequestMatch, RuleAction},
};

use crate::{dedent, render, tree};

const EXAMPLE: &str = r#"
services:
  shop:
    command: ./shop
    config: [config/shop.toml]
    secrets: [DATABASE_URL]
    flags: flags.json
    migrations: { floor: 1.3.0, expand: ./migrate up }
    traffic:
      sticky: true
      protocol: h1
      routes: [{ host: "*.example.org", path: /shop, strip_prefix: true }]
environments:
  production:
    strategy:
      canary:
        steps:
          - { weight: 1, for: 2m, pause: true, match: { header: { name: X-Beta, value: "yes" } } }
          - 25
          - 100
        instances: scaled
    hooks:
      - { on: before_step, command: [./check], env: { LEVEL: high }, timeout: 20s, retries: 0 }
      - name: gatekeeper
        on: after_rollback
        webhook: https://example.org/${{ secrets.HOOK }}
        required: false
        on_error: continue
    smoke:
      - { path: /ready }
      - path: /api/items
        method: POST
        headers: { Content-Type: application/json }
        body: '{}'
        expect: { status: [200, 201], body_contains: ok, json: { /count: 3 }, within: 1s }
    progress_deadline: 20m
    pause_limit: 1d
    rollback: { hold: false, window: 3 }
    on_superseded: replace
    freeze:
      - { from: 2026-12-20, to: 2027-01-02T08:00, timezone: Europe/Berlin, reason: holidays }
      - { days: [fri, mon], hours: 18:00-24:00, reason: nobody is there }
    traffic:
      match: [{ cookie: { name: beta, value: "1" } }]
      mirror: 5
      preview: 127.0.0.1:9090
      limits: { connections_per_client: 20, body_bytes: 1048576, rate: { requests: 100, per: 1s, by_header: X-Key } }
      rules: [{ name: probes, group: common }, { name: admin, path: /admin*, from: 10.0.0.0/8, action: log }]
      access_log: { query: nothing }
      timeouts: { response: 10s }
      hold: { requests: 500 }
      tls:
        certificates: [{ cert_file: /etc/tls/shop.crt, key_file: /etc/tls/shop.key }]
        acme: { hosts: [Shop.example.org], contact: "mailto:ops@example.org", directory: https://ca.example/dir }
        redirect_from: 0.0.0.0:80
"#;

#[test]
fn certificates_are_read() {
    let project = good(EXAMPLE);
    let traffic = project.environments["production"].traffic.as_ref().unwrap();
    let tls = traffic.tls.as_ref().unwrap();
    assert_eq!(tls.certificates[0].key_file, "/etc/tls/shop.key");
    assert_eq!(tls.redirect_from.as_deref(), Some("0.0.0.0:80"));
    let acme = tls.acme.as_ref().unwrap();
    assert_eq!(acme.hosts, ["shop.example.org"]);
    assert_eq!(acme.contact, ["mailto:ops@example.org"]);
    assert_eq!(acme.directory.as_deref(), Some("https://ca.example/dir"));
    assert_eq!(acme.ca_file, None);
}

fn good(text: &str) -> Project {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    assert_eq!(render(&said), "");
    project.unwrap()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    let said = render(&said).replace("cutover.yml:", "");
    let expected = dedent(expected);
    assert!(
        said.trim_end() == expected.trim_end(),
        "said:\n{said}\nexpected:\n{expected}"
    );
    assert!(project.is_none());
}

fn percent(value: u16) -> Weight {
    Weight::from_percent(value).unwrap()
}

#[test]
fn steps_may_wait_and_say_how_long() {
    let project = good(EXAMPLE);
    let Strategy::Canary { steps, scaled, .. } = &project.environments["production"].strategy
    else {
        panic!("no canary");
    };
    assert!(scaled);
    assert_eq!(steps[0].length, Some(Duration::from_mins(2)));
    assert!(steps[0].pause && !steps[1].pause);
    assert_eq!(
        steps[0].matches,
        [RequestMatch::Header {
            name: "x-beta".to_owned(),
            value: "yes".to_owned()
        }]
    );
    assert_eq!(
        steps.iter().map(|step| step.weight).collect::<Vec<_>>(),
        [percent(1), percent(25), percent(100)]
    );
}

#[test]
fn hooks_and_smoke_tests_are_understood() {
    let project = good(EXAMPLE);
    let guards = &project.environments["production"].guards;
    let [check, gatekeeper] = guards.hooks.as_slice() else {
        panic!("{:?}", guards.hooks);
    };
    assert_eq!(
        (check.name.as_str(), check.on),
        ("./check", HookPoint::BeforeStep)
    );
    assert_eq!((check.retries, check.required), (0, true));
    assert_eq!(check.timeout, Duration::from_secs(20));
    assert!(matches!(&check.act, HookAct::Command { env, .. } if env["LEVEL"] == "high"));
    assert_eq!(gatekeeper.name, "gatekeeper");
    assert_eq!(
        (gatekeeper.required, gatekeeper.on_error),
        (false, OnError::Continue)
    );
    assert!(matches!(&gatekeeper.act, HookAct::Webhook { url } if url.contains("secrets.HOOK")));

    let smoke = guards.smoke.as_ref().unwrap();
    let [ready, items] = smoke.requests.as_slice() else {
        panic!("{smoke:?}");
    };
    assert_eq!(
        (ready.method.as_str(), ready.path.as_str()),
        ("GET", "/ready")
    );
    assert!(ready.expect.status.is_empty());
    assert_eq!(items.expect.status, [200, 201]);
    assert_eq!(items.expect.json["/count"], 3);
    assert_eq!(items.headers["content-type"], "application/json");
    assert_eq!(guards.progress_deadline, Duration::from_mins(20));
    assert_eq!(guards.pause_limit, Duration::from_mins(24 * 60));
}

#[test]
fn rollbacks_freezes_and_contents_are_understood() {
    let project = good(EXAMPLE);
    let production = &project.environments["production"];
    assert!(!production.rollback.hold);
    assert_eq!(production.rollback.window, 3);
    assert_eq!(production.on_superseded, OnSuperseded::Replace);
    assert_eq!(production.freeze[0].timezone, "Europe/Berlin");
    assert_eq!(
        production.freeze[0].when,
        FreezeWhen::Once {
            from: "2026-12-20T00:00:00".to_owned(),
            to: "2027-01-02T08:00:00".to_owned()
        }
    );
    assert_eq!(
        production.freeze[1].when,
        FreezeWhen::Weekly {
            days: vec![1, 5],
            from_minute: 1_080,
            to_minute: 1_440
        }
    );
    let shop = &project.services["shop"];
    assert_eq!(shop.config, ["config/shop.toml"]);
    assert_eq!(shop.secrets, ["DATABASE_URL"]);
    assert_eq!(shop.flags.as_deref(), Some("flags.json"));
    let migrations = shop.migrations.as_ref().unwrap();
    assert_eq!(migrations.floor.as_deref(), Some("1.3.0"));
    assert_eq!(migrations.expand, ["./migrate", "up"]);
}

#[test]
fn the_traffic_of_an_environment_is_over_that_of_a_service() {
    let project = good(EXAMPLE);
    let service = project.services["shop"].traffic.as_deref().unwrap().clone();
    let traffic = service.under(
        project.environments["production"]
            .traffic
            .as_deref()
            .unwrap(),
    );
    assert!(traffic.sticky.is_some());
    assert_eq!(traffic.protocol, Some(Protocol::H1));
    assert_eq!(traffic.routes[0].host.as_deref(), Some("*.example.org"));
    assert_eq!(traffic.mirror, Some(percent(5)));
    assert_eq!(traffic.preview.as_deref(), Some("127.0.0.1:9090"));
    let limits = traffic.limits.unwrap();
    assert_eq!(limits.connections_per_client, Some(20));
    assert_eq!(limits.body_bytes, Some(1_048_576));
    assert_eq!(limits.rate.unwrap().by_header.as_deref(), Some("x-key"));
    assert_eq!(traffic.rules[1].action, RuleAction::Log);
    assert_eq!(traffic.access_log.unwrap().query, QueryShown::Nothing);
    assert_eq!(traffic.hold.unwrap().requests, Some(500));
}

#[test]
fn strategies_have_presets_and_other_words() {
    let strategy = |text: &str| {
        let project = good(&format!("environments: {{ e: {{ strategy: {text} }} }}\n"));
        project.environments["e"].strategy.clone()
    };
    assert_eq!(
        strategy("{ canary: { steps: 1/5/25/50/100 } }"),
        strategy("{ canary: { steps: [1, 5, 25, 50, 100] } }")
    );
    assert_eq!(
        strategy("{ rolling: { surge: 3 } }"),
        strategy("{ rolling: { batch: 3 } }")
    );
    assert_eq!(
        strategy("{ rolling: { surge: 0, max_unavailable: 2 } }"),
        Strategy::Rolling {
            batch: 0,
            max_unavailable: 2,
            bake: Duration::ZERO
        }
    );
    assert_eq!(
        strategy("linear"),
        Strategy::Linear {
            increment: percent(10),
            interval: Duration::from_mins(1),
            bake: Duration::from_mins(10)
        }
    );
    assert_eq!(
        strategy("{ recreate: { hold: 4s } }"),
        Strategy::Recreate {
            hold: Duration::from_secs(4),
            bake: Duration::ZERO
        }
    );
    let Strategy::BlueGreen { canary, .. } = strategy("{ blue_green: { canary: [5, 20] } }") else {
        panic!("no blue-green");
    };
    assert_eq!(canary.len(), 2);
}

#[test]
fn every_slip_is_told_with_its_place() {
    check(
        "
        environments:
          a: { strategy: { rolling: { surge: 1, batch: 2 } } }
          b: { strategy: { rolling: { surge: 0 } } }
          c: { strategy: { canary: { steps: 5/50/100 } } }
          d: { strategy: { blue_green: { canary: [5, 100] } } }
          e: { strategy: { linear: { increment: 0 } } }
          f: { hooks: [{ on: before_strat, command: x }, { on: after_step }, { on: after_step, command: x, webhook: y }] }
          g: { smoke: {} }
          h: { smoke: [{ path: ready }, { path: /, expect: { status: 42, json: { a: 1 } } }] }
          i: { freeze: [{ from: 2026-02-30, to: 2026-03-01, reason: x }, { days: [someday], reason: x }, { reason: x }] }
          j: { freeze: [{ from: 2026-03-02, to: 2026-03-01, reason: x }, { hours: 9-17, reason: x }, { days: fri }] }
          k: { on_superseded: cancel, rollback: { window: 0 } }
          l: { traffic: { stiky: true, routes: [{}], match: { query: x }, preview: '80', rules: [{ name: x }] } }
          n: { traffic: { rules: [{ name: x, group: common, path: /a }, { name: y, path: a, methods: get, from: here }] } }
          m: { traffic: { tls: { redirect_from: '80', certificates: [{ cert_file: c.pem, key_file: /k.pem }], acme: { hosts: ['*.x.org'], contact: ops, directory: 'http://x' } } } }
        services:
          s: { command: x, secrets: [1A], config: [/etc/x], migrations: { flor: 1, contract: x } }
        ",
        "
            2:48 1015 `batch` is another word for `surge` | keep one of them
            3:29 1015 with a `surge` of 0 nothing could ever be replaced | let `max_unavailable` be at least 1, or `surge`
            4:37 1013 `steps` cannot be `5/50/100` | did you mean `10/50/100`?
            5:42 1013 the steps of `canary` come before the switch, which is the 100
            6:41 1013 `increment` must be more than 0
            7:22 1013 `on` cannot be `before_strat` | did you mean `before_start`?
            7:50 1011 a hook needs a `command` or a `webhook`
            7:109 1015 a hook is a `command` or a `webhook` | write two hooks
            8:15 1011 `smoke` asks for nothing | add `requests` or a `command`
            9:24 1013 `path` must begin with `/` and have no blanks, and is `ready`
            9:62 1013 `status` must be a whole number from 100 to 599
            9:74 1013 `a` is no JSON pointer | write `/a`
            10:25 1013 `from` must be a day or a moment, and is `2026-02-30` | for example `2026-12-20` or `2026-12-20T18:00`
            10:75 1013 a day cannot be `someday` | known here: `fri`, `mon`, `sat`, `sun`, `thu`, `tue`, `wed`
            10:98 1011 a freeze needs `from` and `to`, or `days`, or `hours`
            11:17 1013 `to` must be later than `from`
            11:75 1013 `hours` must be a span of a day, and is `9-17` | for example `18:00-24:00`, or `22:00-06:00` over midnight
            11:94 1011 a freeze needs `reason`
            12:23 1013 `on_superseded` cannot be `cancel` | known here: `queue`, `replace`
            12:51 1013 `window` must be a whole number from 1 to 1000
            13:19 1010 unknown key `stiky` in `traffic` | did you mean `sticky`?
            13:41 1011 a route needs a `host` or a `path`
            13:55 1010 unknown key `query` in an entry of `match` | known here: `cookie`, `header`
            13:76 1013 `preview` must be `host:port`, and is `80` | for example `127.0.0.1:8080`
            13:90 1011 a rule needs something by which it knows a request | add `group`, `methods`, `path`, `header` or `from`
            14:45 1015 `group` stands alone: its rules come with the balancer | write two rules
            14:82 1013 `path` of a rule must begin with `/` or `*`, and is `a`
            14:94 1013 `methods` cannot be `get` | did you mean `GET`?
            14:105 1013 `from` must be an address or `address/prefix`, and is `here`
            15:41 1013 `redirect_from` must be `host:port`, and is `80` | for example `127.0.0.1:8080`
            15:75 1013 `cert_file` must be an absolute path, and is `c.pem` | certificates lie on the balancer's machine, not in the sources
            15:119 1013 `acme` cannot have `*.x.org`: HTTP-01 shows no wildcards | name each host, or use `certificates`
            15:140 1013 `contact` must be like `mailto:ops@example.org`, and is `ops`
            15:156 1013 `directory` must be a URL with `https://`, and is `http://x`
            17:30 1013 `1A` cannot name a secret | names have letters, digits and `_`, and do not begin with a digit
            17:44 1013 an entry of `config` must be a path inside of the sources, and is `/etc/x`
            17:67 1010 unknown key `flor` in `migrations` | did you mean `floor`?
            17:76 1014 `contract` in `migrations` is not there yet | run it by hand, or as a job, once nobody wants to go back any more
        ",
    );
}

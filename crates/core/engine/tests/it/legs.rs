//! Matrices: which legs there are, and how they bear on each other.

use cutover_engine::choose_legs;
use cutover_model::{plan::Template, run::Outcome};
use serde_json::{Value, json};

use crate::support::{
    World, bindings, exited, expression, failed, gave, given, job, matrix, ok, plan, runner, step,
};

fn names(values: Value) -> String {
    let mut test = job("test", &[], vec![step("a")]);
    test.matrix = Some(matrix(values));
    let world = given(plan(vec![test]));
    let names: Vec<String> = world.run.jobs().map(|job| job.name.to_owned()).collect();
    match world.run.jobs().next().and_then(|job| job.reason) {
        Some(reason) => reason.to_owned(),
        None => names.join("; "),
    }
}

#[test]
fn the_last_axis_turns_fastest_and_the_written_order_stays() {
    assert_eq!(
        names(json!({ "os": ["linux", "mac"], "node": [18, 20] })),
        "test (linux, 18); test (linux, 20); test (mac, 18); test (mac, 20)"
    );
}

#[test]
fn exclude_takes_out_what_it_matches() {
    assert_eq!(
        names(json!({
            "os": ["linux", "mac"], "node": [18, 20],
            "exclude": [{ "os": "MAC", "node": 18 }, { "node": 99 }]
        })),
        "test (linux, 18); test (linux, 20); test (mac, 20)"
    );
}

/// The example of GitHub's documentation, with the legs it says there are.
#[test]
fn include_adds_to_legs_or_makes_its_own() {
    assert_eq!(
        names(json!({
            "fruit": ["apple", "pear"], "animal": ["cat", "dog"],
            "include": [
                { "color": "green" },
                { "color": "pink", "animal": "cat" },
                { "fruit": "apple", "shape": "circle" },
                { "fruit": "banana" },
                { "fruit": "banana", "animal": "cat" },
            ]
        })),
        "test (apple, cat, pink, circle); test (apple, dog, green, circle); \
         test (pear, cat, pink); test (pear, dog, green); test (banana); test (banana, cat)"
    );
}

#[test]
fn include_alone_is_a_list_of_legs() {
    assert_eq!(
        names(json!({ "include": [{ "site": "a", "deep": { "x": [1, true] } }, { "site": "b" }] })),
        "test (a, 1, true); test (b)"
    );
}

#[test]
fn a_list_in_the_place_of_an_item_is_its_items() {
    assert_eq!(
        names(json!({
            "version": ["", "${{ fromJSON('[1, 2]') }}", "${{ fromJSON('[]') }}", [3, 4]],
            "include": ["${{ fromJSON('[{\"version\": \"a\"}, {\"version\": \"b\"}]') }}"]
        })),
        "test; test (1); test (2); test (3, 4); test (a); test (b)"
    );
}

#[test]
fn what_is_no_matrix_is_a_fault_that_says_where() {
    let wide: Vec<u32> = (0..17).collect();
    for (values, words) in [
        (
            json!({ "os": [] }),
            "ci.yml:9:9: matrix axis `os` has no values",
        ),
        (
            json!({ "os": {} }),
            "ci.yml:9:9: matrix axis `os` is a map, not a list",
        ),
        (
            json!([]),
            "ci.yml:9:9: the matrix is a list, not a map of axes",
        ),
        (
            json!({ "a": ["x"], "include": "x" }),
            "ci.yml:9:9: `include` is a text, not a list of maps",
        ),
        (
            json!({ "a": ["x"], "exclude": [{ "a": "x" }] }),
            "ci.yml:9:9: the matrix has no combination left",
        ),
        (
            json!({ "a": wide, "b": wide }),
            "ci.yml:9:9: the matrix has 289 combinations; 256 are the most",
        ),
        (
            json!({ "a": wide, "b": wide, "c": wide, "d": wide, "e": wide }),
            "ci.yml:9:9: the matrix has more than 65536 combinations; 256 are the most",
        ),
        (json!("${{ fromJSON('x') }}"), "ci.yml:9:9: "),
    ] {
        let found = names(values);
        assert!(found.starts_with(words), "{found}");
    }
}

fn wanted(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn what_no_leg_has_is_refused_before_anything_begins() {
    let mut test = job("test", &[], vec![step("a")]);
    test.matrix = Some(matrix(json!({ "os": ["linux", "mac"], "n": [1, 2] })));
    let lint = job("lint", &[], vec![step("a")]);
    let whole = plan(vec![test, lint]);
    let choose = |pairs: &[(&str, &str)]| {
        let mut plan = whole.clone();
        choose_legs(&mut plan, &wanted(pairs)).map(|()| plan)
    };
    let names = |pairs: &[(&str, &str)]| {
        let world = given(choose(pairs).unwrap());
        let names: Vec<String> = world.run.jobs().map(|job| job.name.to_owned()).collect();
        names.join("; ")
    };
    assert_eq!(
        names(&[("os", "mac")]),
        "test (mac, 1); test (mac, 2); lint"
    );
    assert_eq!(
        names(&[("os", "mac"), ("os", "linux"), ("n", "2")]),
        "test (linux, 2); test (mac, 2); lint"
    );
    let refused = |pairs: &[(&str, &str)]| choose(pairs).unwrap_err().to_string();
    assert_eq!(
        refused(&[("os", "nope")]),
        "job `test` of ci.yml has no leg with `os: nope`; the legs are `os: linux, n: 1`, \
         `os: linux, n: 2`, `os: mac, n: 1`, `os: mac, n: 2` (--job leaves out other jobs)"
    );
    assert_eq!(
        refused(&[("node", "1")]),
        "no matrix of ci.yml has `node`; there is `os`, `n`"
    );
    let mut bare = plan(vec![job("lint", &[], vec![step("a")])]);
    assert!(choose_legs(&mut bare, &wanted(&[("os", "mac")])).is_err());
    assert!(choose_legs(&mut bare, &[]).is_ok());
}

#[test]
fn what_a_matrix_lacks_that_is_an_expression_is_refused_when_it_is_known() {
    for (pair, words) in [
        (
            ("n", "7"),
            "no combination of the matrix is `n: 7`; the legs are `n: 1`, `n: 2`",
        ),
        (
            ("os", "mac"),
            "no matrix has `os`; here the legs are `n: 1`, `n: 2`",
        ),
    ] {
        let mut test = job("test", &[], vec![step("a")]);
        test.matrix = Some(matrix(json!("${{ fromJSON('{\"n\":[1,2]}') }}")));
        let mut beside = job("beside", &["test"], vec![step("a")]);
        beside.matrix = Some(matrix(json!({ "v": [1] })));
        let mut plan = plan(vec![test, beside]);
        choose_legs(&mut plan, &wanted(&[pair])).unwrap();
        let world = given(plan);
        let reason = world.run.jobs().next().unwrap().reason.map(str::to_owned);
        assert_eq!(reason.unwrap(), format!("ci.yml:9:9: {words}"));
    }
}

#[test]
fn a_matrix_may_come_from_a_job_before() {
    let mut list = job("list", &[], vec![step("make=a")]);
    list.outputs = bindings(&[("all", "${{ steps.make.outputs.all }}")]);
    let mut test = job("test", &["list"], vec![step("a")]);
    test.matrix = Some(matrix(json!("${{ fromJSON(needs.list.outputs.all) }}")));
    test.name = Some(Template::plain(
        "try ${{ matrix.os }} ${{ strategy.job-index }}",
    ));
    test.runs_on = vec![Template::plain("${{ matrix.os }}")];
    given(plan(vec![list, test]))
        .when(1, runner("list"))
        .when(2, gave("list/0/1", &[("all", r#"{"os":["linux","mac"]}"#)]))
        .then("finish list; acquire runner for test#0 (linux); acquire runner for test#1 (mac)")
        .jobs("list succeeded; try linux 0 waiting on a runner (linux); try mac 1 waiting on a runner (mac)");
}

fn three(change: impl FnOnce(&mut cutover_model::plan::JobSpec)) -> World {
    let mut test = job("test", &[], vec![step("a"), step("b ? always()")]);
    test.matrix = Some(matrix(json!({ "n": [1, 2, 3] })));
    change(&mut test);
    given(plan(vec![test]))
}

#[test]
fn the_first_leg_that_fails_ends_the_others() {
    three(|_| {})
        .when(1, runner("test#0"))
        .when(1, runner("test#1"))
        .when(2, failed("test#0/0/1"))
        .then("start test#0/1/1")
        .when(3, ok("test#0/1/1"))
        .then("finish test#0; cancel test#1/0/1; finish test#2")
        .because("test#2", "`test (1)` failed and `fail-fast` is on")
        .when(4, exited("test#1/0/1", Outcome::Cancelled))
        .then("start test#1/1/1")
        .when(5, ok("test#1/1/1"))
        .then("finish test#1; notify run.failed: run #7 of ci failed after 5m")
        .jobs("test (1) failed; test (2) cancelled; test (3) cancelled");
}

#[test]
fn without_fail_fast_they_go_on() {
    three(|test| test.matrix.as_mut().unwrap().fail_fast = Some(Template::plain("false")))
        .when(1, runner("test#0"))
        .when(2, failed("test#0/0/1"))
        .when(3, ok("test#0/1/1"))
        .then("finish test#0");
}

#[test]
fn a_leg_that_may_fail_ends_nobody() {
    three(|test| test.continue_on_error = Some(Template::plain("${{ matrix.n == 1 }}")))
        .when(1, runner("test#0"))
        .when(2, failed("test#0/0/1"))
        .when(3, ok("test#0/1/1"))
        .then("finish test#0");
}

#[test]
fn only_so_many_legs_at_once() {
    three(|test| test.matrix.as_mut().unwrap().max_parallel = Some(Template::plain("1")))
        .then("acquire runner for test#0 (linux)")
        .jobs(
            "test (1) waiting on a runner (linux); test (2) waiting on other legs of the matrix; \
             test (3) waiting on other legs of the matrix",
        )
        .when(1, runner("test#0"))
        .when(2, ok("test#0/0/1"))
        .when(3, ok("test#0/1/1"))
        .then("finish test#0; acquire runner for test#1 (linux)");
}

#[test]
fn as_many_legs_as_none_are_all() {
    three(|test| test.matrix.as_mut().unwrap().max_parallel = Some(Template::plain("0"))).then(
        "acquire runner for test#0 (linux); acquire runner for test#1 (linux); acquire runner for test#2 \
         (linux)",
    );
}

#[test]
fn the_leg_that_ends_last_and_says_an_output_wins() {
    let mut test = job("test", &[], vec![step("make=a")]);
    test.matrix = Some(matrix(json!({ "n": [1, 2] })));
    test.outputs = bindings(&[("n", "${{ steps.make.outputs.n }}")]);
    let mut after = job("after", &["test"], vec![step("b")]);
    after.condition = Some(expression("needs.test.outputs.n == 'one'"));
    given(plan(vec![test, after]))
        .when(1, runner("test#0"))
        .when(1, runner("test#1"))
        .when(2, gave("test#1/0/1", &[("n", "two")]))
        .when(3, gave("test#0/0/1", &[("n", "one")]))
        .then("finish test#0; acquire runner for after (linux)");
}

#[test]
fn the_widest_matrix_runs_to_its_end() {
    let axis: Vec<u32> = (0..16).collect();
    let mut test = job("test", &[], (0..10).map(|_| step("a")).collect());
    test.matrix = Some(matrix(json!({ "a": axis, "b": axis })));
    let mut world = given(plan(vec![test]));
    for leg in 0..256 {
        world.tell(1, runner(&format!("test#{leg}")));
        for step in 0..10 {
            world.tell(2, ok(&format!("test#{leg}/{step}/1")));
        }
    }
    world.then("finish test#255; notify run.succeeded: run #7 of ci succeeded after 2m");
}

//! Each verb, driven to each code that it can leave with when nothing of ours breaks. `cutover run` has
//! the codes of its file in `run.rs`; 70 is what a defect looks like, and has no row here.

use serde_json::json;

use crate::{stage::Stage, world::World};

const STEPS: &str = "{ strategy: { canary: { steps: [10, 100], interval: 10m, bake: 0s } } }";

/// A command line, and the code that it leaves with.
type Row<'a> = (&'a str, i32);

/// What has been driven, and what of it was wrong: all of it is told at the end.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    /// Drives all rows, in order.
    fn drive(&mut self, world: &World, what: &str, rows: &[Row<'_>]) {
        for (line, code) in rows {
            let arguments: Vec<&str> = line.split(' ').collect();
            let done = world.cutover(&arguments);
            if done.code != Some(*code) {
                let (said, is) = (done.said(), done.code);
                let said = said.trim();
                self.0
                    .push(format!("{what}: {line}: {is:?}, not {code}: {said}"));
            }
        }
    }

    #[track_caller]
    fn holds(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// All verbs that ask a server.
const ASKING: [&str; 23] = [
    "status",
    "runs",
    "logs 1",
    "releases",
    "history",
    "diff production",
    "plan deploy 1.0.0 --to production",
    "deploy 1.0.0 production",
    "rollback production",
    "abort production",
    "pause production",
    "resume production",
    "promote production",
    "retry production",
    "rejudge production",
    "freeze production --reason fair",
    "unfreeze production",
    "gc",
    "approve gate_0",
    "reject gate_0",
    "cancel 1",
    "user add bob",
    "down",
];

#[test]
fn a_command_line_that_is_wrong_and_a_server_that_is_not_there_leave_with_2() {
    let mut table = Table::default();
    let world = World::new();
    let lines = ASKING.map(|line| (line, 2));
    table.drive(&world, "no server", &lines);
    let flags: Vec<String> = ASKING
        .iter()
        .map(|line| format!("{line} --nonsense"))
        .collect();
    let flags: Vec<Row<'_>> = flags.iter().map(|line| (line.as_str(), 2)).collect();
    table.drive(&world, "an unknown flag", &flags);
    let helps: Vec<String> = ASKING
        .iter()
        .filter_map(|line| Some(format!("{} --help", line.split(' ').next()?)))
        .collect();
    let helps: Vec<Row<'_>> = helps.iter().map(|line| (line.as_str(), 0)).collect();
    table.drive(&world, "help", &helps);
    let alone = [
        ("explain CUT-1001", 0),
        ("explain CUT-9999", 2),
        ("completions bash", 0),
        ("completions nonsense", 2),
        ("expr 1==1", 0),
        ("expr 1==", 2),
        ("nonsense", 2),
        ("--version", 0),
    ];
    table.drive(&world, "without a server", &alone);
    table.holds();
}

#[test]
fn each_verb_leaves_with_the_code_that_is_written() {
    let mut table = Table::default();
    let world = World::new();
    let changes = [("start_timeout: 15s", "start_timeout: 2s")];
    let stage = Stage::open_with(&world, STEPS, &changes);
    let nothing_yet = [
        ("status", 0),
        ("runs", 0),
        ("releases", 0),
        ("history", 0),
        ("gc", 4),
        ("logs 1", 2),
        ("history production", 0),
        ("rejudge production", 2),
        ("deploy 1.0.0 production", 2),
        ("unfreeze production", 0),
    ];
    table.drive(&world, "nothing yet", &nothing_yet);
    stage
        .build("1.0.0", &json!({}))
        .build("2.0.0", &json!({}))
        .build("3.0.0", &json!({ "listen": "never" }));
    let built = [
        ("logs 1", 0),
        ("logs 99", 2),
        ("cancel 1", 3),
        ("cancel 99", 2),
        ("diff 1.0.0 2.0.0", 0),
        ("diff 1.0.0 9.9.9", 2),
        ("plan deploy 1.0.0 --to production", 0),
        ("plan deploy 9.9.9 --to production", 2),
        ("plan deploy 1.0.0 --to nowhere", 2),
        ("deploy 9.9.9 production", 2),
        ("deploy 1.0.0 nowhere", 2),
        ("deploy 1.0.0 production --strategy sudden", 2),
        ("rollback production", 2),
        ("abort production", 2),
        ("pause production", 2),
        ("promote production", 2),
        ("resume production", 2),
        ("retry production", 2),
        ("approve gate_0", 2),
        ("reject gate_0", 2),
        ("user add bob", 0),
        ("freeze nowhere --reason fair", 2),
        ("freeze production --reason fair --for 1h", 0),
        ("freeze production --reason fair --for 1h", 0),
        ("unfreeze production", 0),
        ("unfreeze production", 0),
        ("gc", 4),
        ("gc --dry-run", 4),
    ];
    table.drive(&world, "built", &built);
    stage.first("1.0.0");
    let served = [
        ("rollback production", 3),
        ("retry production", 3),
        // Its only step was not watched.
        ("rejudge production", 4),
        ("resume --environment production", 0),
        ("deploy 3.0.0 production", 1),
        // It never had traffic.
        ("rejudge production", 4),
        ("retry production", 1),
        ("rollback production --to 2.0.0", 3),
        ("rollback production --to 9.9.9", 2),
    ];
    table.drive(&world, "served", &served);
    let id = stage.begin("2.0.0");
    stage.until_share(&id, 10.0);
    let moving = [
        ("pause production", 0),
        ("pause production", 0),
        ("resume production", 0),
        ("resume production", 0),
        ("promote production --step 9", 3),
        ("abort production", 0),
    ];
    let retry = format!("retry {id}");
    table.drive(
        &world,
        "a retry of what is under way",
        &[(retry.as_str(), 3)],
    );
    table.drive(&world, "moving", &moving);
    stage.ends(&id, "cancelled");
    let over: Vec<String> = ["abort", "pause", "promote"]
        .iter()
        .map(|verb| format!("{verb} {id}"))
        .collect();
    let codes = [0, 3, 3];
    let over: Vec<Row<'_>> = over.iter().map(String::as_str).zip(codes).collect();
    table.drive(&world, "over", &over);
    table.drive(&world, "the end", &[("down", 0)]);
    table.holds();
}

//! What a step prints.

use std::fs;

use camino::Utf8Path;
use cutover_model::run::{Annotation, Attempt, Level, Outcome, StepPath, StepReport};

use crate::world::{World, key, order};

#[tokio::test]
async fn both_streams_keep_their_order_and_the_exit_code_is_told() {
    let world = World::new();
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 3";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(report.exit_code, Some(3));
    assert_eq!(report.reasons, ["exited with code 3"]);
    let log = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n";
    assert_eq!(world.log(&key(0)), log);
    assert_eq!(report.log_bytes, 36);
}

#[tokio::test]
async fn secrets_do_not_reach_the_log_nor_any_other_file() {
    let world = World::new();
    let script = "printf 'it is hunt'; sleep 0.05; echo er2; printf hunter2 | base64; \
                  echo '::error title=hunter2::the hunter2'; \
                  echo '# hunter2' >> $GITHUB_STEP_SUMMARY";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(
        world.log(&key(0)),
        "it is ***\n***\n::error title=***::the ***\n"
    );
    assert_eq!(report.summary.as_deref(), Some("# ***\n"));
    assert_eq!(report.annotations[0].message, "the ***");
    assert_eq!(report.annotations[0].title.as_deref(), Some("***"));
    // Its script and what it wrote to lie in `temp`, and are removed just after its end has been told.
    assert_nowhere(&world.root, "hunter2", "temp");
    world
        .executor
        .destroy(&key(0).run, &key(0).job)
        .await
        .unwrap();
    assert_nowhere(&world.root, "hunter2", "");
}

/// Looks into every file below `root`, but for what lies in directories named `but`.
fn assert_nowhere(root: &Utf8Path, secret: &str, but: &str) {
    let mut open = vec![root.to_owned()];
    let mut looked_into = 0;
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && entry.file_name() != but {
                open.push(entry.path().to_owned());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(secret), "{}", entry.path());
                looked_into += 1;
            }
        }
    }
    assert!(looked_into > 0, "nothing to look into below {root}");
}

#[tokio::test]
async fn commands_are_heard_and_can_be_stopped() {
    let world = World::new();
    let script = "echo '::warning file=a.rs,line=3::careful'
        echo '  ::notice::indented'
        echo 'not ::error::a command'
        echo '::stop-commands::tok'
        echo '::error::not heard'
        echo '::add-mask::plain'
        echo '::tok::'
        echo 'plain stays'
        printf '::error::without an end'";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Succeeded);
    let heard: Vec<(Level, &str)> = report
        .annotations
        .iter()
        .map(|annotation| (annotation.level, annotation.message.as_str()))
        .collect();
    assert_eq!(
        heard,
        [
            (Level::Warning, "careful"),
            (Level::Notice, "indented"),
            (Level::Error, "without an end"),
        ]
    );
    assert!(world.log(&key(0)).contains("plain stays"));
}

#[tokio::test]
async fn an_added_mask_holds_from_its_line_on_and_in_later_steps() {
    let world = World::new();
    let script = "echo before xyzzy; echo '::add-mask::xyzzy'; echo after xyzzy";
    world.run(0, script).await;
    assert_eq!(world.log(&key(0)), "before xyzzy\nafter ***\n");
    world.run(1, "echo later xyzzy").await;
    assert_eq!(world.log(&key(1)), "later ***\n");
    let mut builtin = world.executor.builtin_log(&key(2), &[]).await.unwrap();
    builtin.line("even xyzzy");
    builtin
        .finish(
            Outcome::Succeeded,
            cutover_model::run::StepReport::default(),
        )
        .unwrap();
    assert_eq!(world.log(&key(2)), "even ***\n");
}

#[tokio::test]
async fn a_mask_of_several_lines_holds_for_the_whole_and_for_each_line() {
    let world = World::new();
    let script = "echo '::add-mask::first-line%0Asecond-line%0A}'
        printf 'first-line\nsecond-line\n}\n'; echo a second-line; echo a first-line; echo '}'";
    world.run(0, script).await;
    assert_eq!(world.log(&key(0)), "***\na ***\na ***\n}\n");
}

#[tokio::test]
async fn old_commands_that_set_the_environment_fail_the_step() {
    let world = World::new();
    let (outcome, report) = world.run(0, "echo '::set-env name=A::1'").await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(report.reasons[0].contains("`::set-env::` is refused"));
    assert!(report.env.is_empty());
}

#[tokio::test]
async fn old_commands_work_for_whoever_opts_in_and_not_for_strangers() {
    let world = World::new();
    let script = "echo '::set-env name=A::1'; echo '::add-path::/opt/x'
        echo '::set-env name=NODE_OPTIONS::x'";
    let mut trusted = order(0, script);
    let opt = (
        "ACTIONS_ALLOW_UNSECURE_COMMANDS".to_owned(),
        "true".to_owned(),
    );
    trusted.env.extend([opt.clone()]);
    let (outcome, report) = world.run_order(trusted).await;
    assert_eq!(outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(report.env.keys().collect::<Vec<_>>(), ["A"]);
    assert_eq!(report.path, ["/opt/x"]);
    let mut stranger = order(1, script);
    stranger.env.extend([opt]);
    stranger.untrusted = true;
    let (outcome, report) = world.run_order(stranger).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(report.env.is_empty() && report.path.is_empty());
}

#[tokio::test]
async fn commands_are_in_the_log_when_that_is_asked_for() {
    let world = World::new();
    let script = "echo '::save-state name=a::1'; echo '::debug::why'; echo '::echo::on'
        echo '::save-state name=b::2'; echo '::echo::off'; echo '::save-state name=c::3'";
    let (_, report) = world.run(0, script).await;
    assert_eq!(report.state.len(), 3);
    let shown = "::save-state name=b::2\n::echo::off\n";
    assert_eq!(world.log(&key(0)), shown);
    let mut debug = order(1, "echo '::debug::why'; echo '::save-state name=a::1'");
    debug.env.insert("RUNNER_DEBUG".to_owned(), "1".to_owned());
    world.run_order(debug).await;
    assert_eq!(world.log(&key(1)), "::debug::why\n::save-state name=a::1\n");
    let (outcome, _) = world.run(2, "echo '::echo::perhaps'").await;
    assert_eq!(outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_job_has_so_many_bytes_of_log_and_a_step_beyond_them_still_succeeds() {
    let mut world = World::new();
    world.executor = world.executor.clone().with_log_limit(1_000);
    let script = "head -c 900 /dev/zero | tr '\\0' x; echo v=1 >> $GITHUB_OUTPUT";
    world.run(0, script).await;
    let (outcome, report) = world.run(1, script).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(report.outputs.len(), 1);
    let log = world.log(&key(1));
    assert!(
        log.starts_with(&"x".repeat(100)) && log.len() < 250,
        "{log}"
    );
    assert!(log.contains("the log ends here: the steps of its job have written their 1000 bytes"));
    let said = &report.annotations[0].message;
    assert!(said.starts_with("log truncated: 800 bytes lost"), "{said}");
}

#[tokio::test]
async fn a_line_of_20_mb_passes_and_the_supervisor_stays_small() {
    let world = World::new();
    let script = "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo ::notice::end";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Succeeded, "{:?}", report.reasons);
    assert_eq!(report.log_bytes, 20_000_015);
    assert_eq!(report.annotations.len(), 1);
    let status = fs::read_to_string(format!("/proc/{}/status", world.supervisor())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 16 * 1024, "{peak} kB");
}

#[tokio::test]
async fn what_keeps_the_output_open_does_not_hold_up_the_end() {
    let world = World::new();
    world.fifo("go");
    world.fifo("done");
    let script = "(read line < $WORLD/go; echo late hunter2; echo x > $WORLD/done) & echo now";
    let (outcome, _) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(world.log(&key(0)), "now\n");
    fs::write(world.root.join("go"), "\n").unwrap();
    world.line("done").await;
    // The job lives, so what is printed late is read; and it is masked.
    world
        .executor
        .destroy(&key(0).run, &key(0).job)
        .await
        .unwrap();
    assert_eq!(world.log(&key(0)), "now\nlate ***\n");
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let world = World::new();
    world.fifo("go");
    world
        .start(order(
            0,
            "echo one; read line < $WORLD/go; echo two hunter2",
        ))
        .await;
    let mut follow = world.executor.follow(&key(0), 0).await.unwrap();
    assert_eq!(follow.next().await.unwrap().unwrap(), "one\n");
    fs::write(world.root.join("go"), "\n").unwrap();
    assert_eq!(follow.next().await.unwrap().unwrap(), "two ***\n");
    assert_eq!(follow.next().await.unwrap(), None);
    let mut later = world.executor.follow(&key(0), 4).await.unwrap();
    assert_eq!(later.next().await.unwrap().unwrap(), "two ***\n");
    assert_eq!(later.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_builtin_step_is_followed_and_waited_for_like_any_other() {
    let world = World::new();
    let mut builtin = world
        .executor
        .builtin_log(&key(0), &order(0, "").masks)
        .await
        .unwrap();
    let mut follow = world.executor.follow(&key(0), 0).await.unwrap();
    builtin.write(b"the hun");
    assert_eq!(follow.next().await.unwrap().unwrap(), "the ");
    builtin.line("ter2");
    assert_eq!(follow.next().await.unwrap().unwrap(), "***\n");
    builtin
        .finish(Outcome::Failed, cutover_model::run::StepReport::default())
        .unwrap();
    assert_eq!(follow.next().await.unwrap(), None);
    let (outcome, report) = world.end(&key(0)).await;
    assert_eq!((outcome, report.log_bytes), (Outcome::Failed, 8));
}

#[tokio::test]
async fn what_a_builtin_step_remarks_is_a_line_and_an_annotation() {
    let world = World::new();
    let masks = order(0, "").masks;
    let mut builtin = world.executor.builtin_log(&key(0), &masks).await.unwrap();
    for _ in 0..51 {
        builtin.remark(Level::Warning, "the hunter2\nis 100% gone");
    }
    builtin.remark(Level::Error, "no");
    let report = StepReport::default();
    let written = builtin.finish(Outcome::Failed, report).unwrap();
    let (_, report) = world.end(&key(0)).await;
    assert_eq!(report, written);
    // As many of each kind as scripts may have.
    assert_eq!(report.annotations.len(), 51);
    let first = Annotation::new(Level::Warning, "the ***\nis 100% gone".to_owned());
    assert_eq!(report.annotations[0], first);
    assert_eq!(report.annotations[50].level, Level::Error);
    let log = world.log(&key(0));
    assert!(log.starts_with("::warning::the ***%0Ais 100%25 gone\n"));
    assert!(log.ends_with("::error::no\n"));
}

#[tokio::test]
async fn what_cannot_be_started_is_a_failure_with_a_reason() {
    let world = World::new();
    for (index, shell, directory, expected) in [
        (
            0,
            Some("fish"),
            None,
            "shell `fish` is neither known nor a template",
        ),
        (
            1,
            Some("no-such-shell {0}"),
            None,
            "`no-such-shell` was not found in PATH",
        ),
        (2, None, Some("no/such"), "/no/such` does not exist"),
    ] {
        let mut order = order(index, "true");
        order.shell = shell.map(str::to_owned);
        order.working_directory = directory.map(str::to_owned);
        let (outcome, report) = world.run_order(order).await;
        assert_eq!(outcome, Outcome::Failed);
        assert!(report.reasons[0].contains(expected), "{:?}", report.reasons);
        assert!(world.log(&key(index)).contains(expected));
    }
}

#[tokio::test]
async fn a_problem_matcher_of_one_step_finds_remarks_in_the_next() {
    let world = World::new();
    let (outcome, report) = world.run(0, ADD).await;
    assert_eq!(outcome, Outcome::Succeeded, "{report:?}");
    let script = "echo 'main.c:3:7: warning: unused'; echo fine
        echo \"$PWD/src/main.c:4:7: error: no\"; echo '/usr/a.h:5:7: error: no'";
    let (_, report) = world.run(1, script).await;
    let places: Vec<_> = report.annotations.iter().map(Annotation::place).collect();
    let places: Vec<_> = places.iter().flatten().collect();
    assert_eq!(places, ["main.c:3:7", "src/main.c:4:7", "/usr/a.h:5:7"]);
    assert_eq!(report.annotations[0].level, Level::Warning);
    assert_eq!(report.annotations[0].message, "unused");
    let script = "echo '::remove-matcher owner=GCC::'; echo 'main.c:3:7: error: again'";
    let (_, report) = world.run(2, script).await;
    assert!(report.annotations.is_empty());
    let script = "echo '::add-matcher::.github/gcc.json'; echo 'a.c:1:1: error: seen'
        echo '::remove-matcher::.github/gcc.json'; echo 'a.c:1:1: error: not seen'";
    let (_, report) = world.run(3, script).await;
    assert_eq!(report.annotations.len(), 1);
}

const ADD: &str = r#"mkdir -p .github
    cat > .github/gcc.json <<'EOF'
    {"problemMatcher":[{"owner":"gcc","pattern":[{
      "regexp":"^(.*):(\\d+):(\\d+): (error|warning): (.*)$",
      "file":1,"line":2,"column":3,"severity":4,"message":5}]}]}
EOF
    echo '::add-matcher::.github/gcc.json'"#;

#[tokio::test]
async fn a_matcher_that_is_not_there_fails_the_step_and_half_a_command_is_remarked() {
    let world = World::new();
    for (index, command, expected) in [
        (
            0,
            "::add-matcher::no.json",
            "problem matcher `no.json`: No such file",
        ),
        (
            1,
            "::remove-matcher::no.json",
            "problem matcher `no.json`: No such file",
        ),
        (2, "::set-output::1", "Required field 'name' is missing"),
        (3, "::save-state::1", "Required field 'name' is missing"),
    ] {
        let (outcome, report) = world.run(index, &format!("echo '{command}'")).await;
        assert_eq!(outcome, Outcome::Failed);
        assert!(report.reasons[0].contains(expected), "{:?}", report.reasons);
    }
    for (index, command) in [
        (4, "::add-matcher::"),
        (5, "::remove-matcher::"),
        (6, "::remove-matcher owner=a::b.json"),
    ] {
        let (outcome, report) = world.run(index, &format!("echo '{command}'")).await;
        assert_eq!(outcome, Outcome::Succeeded);
        assert_eq!(report.annotations[0].level, Level::Warning, "{command}");
    }
}

#[tokio::test]
async fn a_matcher_holds_when_the_job_is_gone_on_with_and_what_comes_anew_is_forgotten() {
    let world = World::new();
    world.run(0, ADD).await;
    world
        .run(1, "echo '::remove-matcher owner=gcc::'; exit 1")
        .await;
    let again = |from: u16, attempt: u32| {
        let world = &world;
        async move {
            let (run, job) = (key(0).run, key(0).job);
            world.executor.set_aside(&run, &job).await.unwrap();
            let from = StepPath::top(from.into());
            let prepared = world
                .executor
                .prepare_again(&run, &job, Attempt(attempt), Some(&from))
                .await;
            prepared.unwrap();
            let mut order = order(1, "echo 'a.c:1:1: error: seen'");
            order.key.attempt = Attempt(attempt);
            world.run_order(order).await.1.annotations.len()
        }
    };
    assert_eq!(again(2, 2).await, 0, "the second step has removed it");
    assert_eq!(again(1, 3).await, 1, "the second step comes anew");
    assert_eq!(again(0, 4).await, 0, "the first one, too");
}

#[tokio::test]
async fn the_older_form_of_commands_is_heard() {
    let world = World::new();
    let script = "echo '##[add-mask]xyzzy'; echo 'a xyzzy'; echo '##[group]Title'
        echo ' ##[warning file=a.rs;line=3]careful'; echo '## [error]a heading'
        echo '##[stop-commands]tok'; echo '::error::not heard'; echo '##[tok]'";
    let (_, report) = world.run(0, script).await;
    let log = world.log(&key(0));
    assert!(log.starts_with("a ***\n##[group]Title\n"), "{log}");
    assert_eq!(report.annotations.len(), 1);
    assert_eq!(report.annotations[0].place().as_deref(), Some("a.rs:3:1"));
}

#[tokio::test]
async fn a_guessable_token_is_refused_unless_the_step_has_opted_in() {
    let world = World::new();
    let script = "echo '::stop-commands::error'; echo '::notice::stopped'; echo '::error::'
        echo '::notice::heard'";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(report.reasons[0].contains("needs a token"), "{report:?}");
    let opt = "ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS".to_owned();
    for (index, untrusted) in [(1, false), (2, true)] {
        let mut order = order(index, script);
        order.env.insert(opt.clone(), "true".to_owned());
        order.untrusted = untrusted;
        let (outcome, report) = world.run_order(order).await;
        assert_eq!(outcome == Outcome::Failed, untrusted, "{report:?}");
        if !untrusted {
            assert_eq!(report.annotations[0].message, "heard");
        }
    }
}

#[tokio::test]
async fn a_place_is_named_from_the_workspace_and_may_have_an_end() {
    let world = World::new();
    let script = "echo \"::error file=$PWD/src/a.rs,line=3,endLine=5,title=Oh::no\"
        echo '::notice file=./src/b.rs,line=3,col=7,endColumn=9::so'";
    let (_, report) = world.run(0, script).await;
    let places: Vec<_> = report.annotations.iter().map(Annotation::place).collect();
    assert_eq!(places[0].as_deref(), Some("src/a.rs:3-5"));
    assert_eq!(places[1].as_deref(), Some("src/b.rs:3:7-9"));
}

#[tokio::test]
async fn what_cannot_be_read_of_a_file_is_told_without_secrets_and_not_at_length() {
    let world = World::new();
    let script = "printf 'hunter2 %01000d\\n' 0 >> $GITHUB_ENV; echo 'a<<X' >> $GITHUB_OUTPUT";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Failed);
    let head = "Unable to process file command 'output' successfully. `$GITHUB_OUTPUT` line 1: \
                Invalid value. Matching delimiter not found 'X'";
    assert_eq!(report.reasons[0], head);
    let long = &report.reasons[1];
    assert!(long.contains("Invalid format '*** 000"), "{long}");
    assert!(long.ends_with("000…") && long.len() < 500, "{long}");
}

#[tokio::test]
async fn a_summary_beyond_its_limit_is_left_out_and_fails_nobody() {
    let world = World::new();
    let script = "head -c 1048577 /dev/zero | tr '\\0' a > $GITHUB_STEP_SUMMARY";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!((outcome, report.summary), (Outcome::Succeeded, None));
    let said = &report.annotations[0].message;
    assert!(
        said.starts_with("$GITHUB_STEP_SUMMARY upload aborted"),
        "{said}"
    );
    let script = "head -c 1048576 /dev/zero | tr '\\0' a > $GITHUB_STEP_SUMMARY";
    let (_, report) = world.run(1, script).await;
    assert_eq!(report.summary.map(|text| text.len()), Some(1_048_576));
}

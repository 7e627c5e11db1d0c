//! What a step hands on to later ones.

use cutover_executor::HandedKind;
use cutover_model::run::{HandedOn, Outcome, StepPath};

use crate::world::{World, job, key, kill, order, run};

fn plain(text: &str) -> HandedOn {
    HandedOn::Plain(text.to_owned())
}

#[tokio::test]
async fn values_of_all_files_are_in_the_report() {
    let world = World::new();
    let script = "echo a=1 >> $GITHUB_OUTPUT
        echo '::set-output name=old::2'
        { echo 'b<<EOF'; echo one; echo two=2; echo EOF; } >> $GITHUB_ENV
        echo s=3 >> $GITHUB_STATE
        echo /opt/x/bin >> $GITHUB_PATH
        echo /opt/y/bin >> $GITHUB_PATH";
    let (outcome, report) = world.run(0, script).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(report.outputs["a"], plain("1"));
    assert_eq!(report.outputs["old"], plain("2"));
    assert_eq!(report.env["b"], plain("one\ntwo=2"));
    assert_eq!(report.state["s"], plain("3"));
    assert_eq!(report.path, ["/opt/x/bin", "/opt/y/bin"]);
    assert!(
        report.annotations[0]
            .message
            .contains("`::set-output::` is deprecated")
    );
}

#[tokio::test]
async fn a_value_with_a_secret_is_withheld_and_kept_until_the_job_is_destroyed() {
    let world = World::new();
    let script = "echo '::add-mask::xyzzy'; echo token=a-xyzzy >> $GITHUB_OUTPUT
        echo other=hunter2 >> $GITHUB_ENV; echo public=1 >> $GITHUB_OUTPUT";
    let (_, report) = world.run(0, script).await;
    assert_eq!(report.outputs["token"], HandedOn::Withheld);
    assert_eq!(report.outputs["public"], plain("1"));
    assert_eq!(report.env["other"], HandedOn::Withheld);
    let withheld = |kind, name| {
        world
            .executor
            .withheld(&run(), &job(), &StepPath::top(0), kind, name)
            .unwrap()
    };
    assert_eq!(
        withheld(HandedKind::Output, "token").as_deref(),
        Some("a-xyzzy")
    );
    assert_eq!(
        withheld(HandedKind::Env, "other").as_deref(),
        Some("hunter2")
    );
    assert_eq!(withheld(HandedKind::Output, "public"), None);
    world.executor.destroy(&run(), &job()).await.unwrap();
    assert_eq!(withheld(HandedKind::Output, "token"), None);
}

#[tokio::test]
async fn a_malformed_file_fails_the_step_and_names_the_line() {
    let world = World::new();
    let (outcome, report) = world
        .run(0, "printf 'a=1\\nnonsense\\n' >> $GITHUB_OUTPUT")
        .await;
    assert_eq!((outcome, report.exit_code), (Outcome::Failed, Some(0)));
    assert!(
        report.reasons[0].contains("`$GITHUB_OUTPUT` line 2: Invalid format"),
        "{:?}",
        report.reasons
    );
}

#[tokio::test]
async fn strangers_do_not_take_over_later_steps() {
    let world = World::new();
    let mut order = order(
        0,
        "echo LD_PRELOAD=/tmp/x.so >> $GITHUB_ENV; echo GOOD=1 >> $GITHUB_ENV",
    );
    order.untrusted = true;
    let (_, report) = world.run_order(order).await;
    assert_eq!(report.env.keys().collect::<Vec<_>>(), ["GOOD"]);
    assert!(report.annotations[0].message.contains("`LD_PRELOAD`"));
}

#[tokio::test]
async fn a_step_sees_its_own_environment_and_not_ours() {
    let world = World::new();
    let mut order = order(
        0,
        "echo $ADDED; echo ${CARGO:-nothing}; echo ${PATH%%:*}; pwd; test -w $RUNNER_TEMP; cat",
    );
    order.env.insert("ADDED".to_owned(), "yes".to_owned());
    order.path_prepend.push("/first".to_owned());
    let (outcome, _) = world.run_order(order.clone()).await;
    assert_eq!(outcome, Outcome::Succeeded);
    let place = world.executor.prepare(&run(), &job()).await.unwrap();
    assert_eq!(
        world.log(&order.key),
        format!("yes\nnothing\n/first\n{}\n", place.workspace)
    );
}

#[tokio::test]
async fn what_a_step_made_is_in_its_report_and_in_the_list_of_those_after_it() {
    let world = World::new();
    let show = "cat $GITHUB_ARTIFACTS_LIST; echo";
    let script = format!("{show}; printf abc > app.tar; echo app.tar >> $GITHUB_ARTIFACTS; {show}");
    let (outcome, report) = world.run(0, &script).await;
    assert_eq!(outcome, Outcome::Succeeded, "{:?}", report.reasons);
    assert_eq!(report.subjects.len(), 1);
    let subject = serde_json::to_string(&report.subjects[0]).unwrap();
    let empty = "{\"version\":1,\"subjects\":[]}\n";
    assert_eq!(world.log(&key(0)), empty.repeat(2));
    // Also when the one before has written into it, and when the supervisor is another one.
    world.run(1, "echo x > $GITHUB_ARTIFACTS_LIST").await;
    let full = format!("{{\"version\":1,\"subjects\":[{subject}]}}\n");
    world.run(2, show).await;
    assert_eq!(world.log(&key(2)), full);
    kill(world.supervisor());
    let again = format!("{show}; echo app.tar >> $GITHUB_ARTIFACTS");
    let (outcome, report) = world.run(3, &again).await;
    assert_eq!(world.log(&key(3)), full);
    assert_eq!((outcome, report.subjects.len()), (Outcome::Succeeded, 0));
    let (outcome, report) = world.run(4, "echo gone >> $GITHUB_ARTIFACTS").await;
    assert_eq!((outcome, report.exit_code), (Outcome::Failed, Some(0)));
    let reason = "Unable to process file command 'artifacts' successfully. `$GITHUB_ARTIFACTS` line 1: `gone` \
                  does not exist; paths are from the workspace";
    assert_eq!(report.reasons, [reason]);
}

//! `cutover plan deploy`: what a deployment would do, what is in its way, and whether there is a way
//! back. The plan of a workflow is made beside `lint`.

use serde_json::Value;

use super::lint;
use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Plan) -> anyhow::Result<Exit> {
    match args.of {
        Some(cli::PlanOf::Deploy(args)) => deploy(args).await,
        None => lint::plan(args).await,
    }
}

async fn deploy(args: cli::PlanDeploy) -> anyhow::Result<Exit> {
    let mut query = vec![("release", args.release), ("environment", args.to)];
    query.extend(args.service.map(|service| ("service", service)));
    query.extend(args.strategy.map(|strategy| ("strategy", strategy)));
    let plan = Client::new(&args.listing.connection)?
        .get("/api/v1/plan/deploy", &query)
        .await?;
    if args.listing.json {
        render::json(&plan);
    } else {
        render::data(&text(&plan));
    }
    let is_refused = plan["refused"]
        .as_array()
        .is_some_and(|why| !why.is_empty());
    Ok(if is_refused { Exit::Refused } else { Exit::Ok })
}

fn text(plan: &Value) -> String {
    let said = |name: &str| plan[name].as_str().unwrap_or_default();
    let mut lines = vec![format!(
        "{} ({}) -> {}, {}; {}",
        said("release"),
        said("digest"),
        said("environment"),
        said("strategy"),
        plan["current"].as_str().map_or_else(
            || "nothing serves yet".to_owned(),
            |it| format!("{it} serves")
        )
    )];
    let mut section = |title: &str, list: &Value, numbered: bool| {
        let list: Vec<&str> = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if list.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push(format!("{title}:"));
        for (index, line) in list.into_iter().enumerate() {
            lines.push(if numbered {
                format!("  {}. {line}", index + 1)
            } else {
                format!("  {line}")
            });
        }
    };
    section("it would be refused", &plan["refused"], false);
    section("it would wait first", &plan["waits"], false);
    section("what would happen", &plan["steps"], true);
    let title = if plan["way_back"]["possible"] == Value::Bool(true) {
        "there is a way back"
    } else {
        "THERE IS NO WAY BACK"
    };
    section(title, &plan["way_back"]["lines"], false);
    section("what it would be judged by", &plan["judgement"], false);
    lines.join("\n")
}

//! `cutover gc`: throws away packages that nobody goes back to.

use serde_json::json;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::Gc) -> anyhow::Result<Exit> {
    let answer = Client::new(&args.listing.connection)?
        .post("/api/v1/gc", &json!({ "dry": args.dry_run }))
        .await?;
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let (removed, failed) = (list("removed"), list("failed"));
    if args.listing.json {
        render::json(&answer);
    } else {
        let verb = if args.dry_run { "would go" } else { "gone" };
        for package in &removed {
            let said = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
            let (service, version) = (said("service"), said("version"));
            render::data(&format!("{verb}: {service} {version} ({})", said("digest")));
        }
        for why in &failed {
            render::talk(&format!("stays: {}", why.as_str().unwrap_or_default()));
        }
        render::talk(&format!(
            "{} kept, {} {verb}",
            answer["kept"],
            removed.len()
        ));
    }
    Ok(if !failed.is_empty() {
        Exit::Failed
    } else if removed.is_empty() {
        Exit::Nothing
    } else {
        Exit::Ok
    })
}

//! `cutover releases`: what can be deployed.

use serde_json::Value;

use crate::{cli, client::Client, exit::Exit, render};

/// How much of a digest people need.
const SHORT: usize = 19;

pub(crate) async fn run(args: cli::Releases) -> anyhow::Result<Exit> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.service.map(|service| ("service", service)));
    let answer = Client::new(&args.listing.connection)?
        .get("/api/v1/releases", &query)
        .await?;
    let rows = answer["releases"].as_array().cloned().unwrap_or_default();
    if args.listing.json {
        render::json(&answer);
    } else if rows.is_empty() {
        render::talk("nothing has been built yet: `cutover/build@v1` in a workflow makes releases");
    } else {
        let header = [
            "release",
            "digest",
            "commit",
            "built by",
            "created (UTC)",
            "id",
        ];
        render::data(&render::table(&header, rows.iter().map(row).collect()));
    }
    Ok(Exit::Ok)
}

fn row(release: &Value) -> Vec<String> {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let digest = said(&release["package"]["digest"]);
    vec![
        format!(
            "{}@{}",
            said(&release["service"]),
            said(&release["version"])
        ),
        digest.chars().take(SHORT).collect(),
        said(&release["revision"]).chars().take(7).collect(),
        said(&release["run"]),
        render::time(&release["created_at"]),
        said(&release["id"]),
    ]
}

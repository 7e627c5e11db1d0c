//! `cutover artifacts`: what a run has kept, and how to have it here; and what its steps say to have made.

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use cutover_results::{Bounds, extract};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{cli, exit::Exit, known::Known, render};

pub(crate) async fn run(args: cli::Artifacts) -> anyhow::Result<Exit> {
    let known = Known::find(&args.listing.connection, &args.local, Some(&args.run)).await?;
    let answer = known.artifacts(&args.run).await?;
    let mut rows = answer["artifacts"].as_array().cloned().unwrap_or_default();
    for name in &args.names {
        if !rows.iter().any(|row| row["name"] == name.as_str()) {
            bail!("run {} has no artifact `{name}`", args.run);
        }
    }
    if !args.names.is_empty() {
        rows.retain(|row| args.names.iter().any(|name| row["name"] == name.as_str()));
    }
    if let Some(to) = &args.to {
        for row in &rows {
            fetch(&known, &said(&answer, "run"), row, to).await?;
        }
        return Ok(Exit::Ok);
    }
    let subjects = answer["subjects"].as_array().cloned().unwrap_or_default();
    if args.listing.json {
        render::json(&json!({ "run": answer["run"], "artifacts": rows, "subjects": subjects }));
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        render::talk("this run has no artifacts");
    } else {
        let header = ["artifact", "bytes", "job", "expires (UTC)", "sha256"];
        let rows = rows.iter().map(|row| {
            vec![
                said(row, "name"),
                row["size"].to_string(),
                said(row, "job"),
                render::time(&row["expires"]),
                said(row, "sha256").chars().take(12).collect(),
            ]
        });
        render::data(&render::table(&header, rows.collect()));
    }
    if !subjects.is_empty() && args.names.is_empty() {
        let header = ["made", "kind", "job", "step", "digest"];
        let fields = ["name", "kind", "job", "step", "digest"];
        let rows = subjects.iter().map(|row| {
            let cells = fields.iter().map(|field| said(row, field));
            cells.collect()
        });
        render::data(&render::table(&header, rows.collect()));
    }
    Ok(Exit::Ok)
}

fn said(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

/// Brings one here and unpacks it into a folder of its name.
async fn fetch(known: &Known, run: &str, row: &Value, to: &Utf8Path) -> anyhow::Result<()> {
    let name = row["name"].as_str().unwrap_or_default();
    let folder = to.join(name);
    tokio::fs::create_dir_all(&folder)
        .await
        .with_context(|| format!("could not create `{folder}`"))?;
    let place = to.join(format!(".{name}.part"));
    let id = row["id"].as_u64().unwrap_or_default();
    let mut bytes = known.artifact(run, id).await?;
    let mut file = tokio::fs::File::create(&place).await?;
    while let Some(chunk) = bytes.next().await {
        file.write_all(&chunk?).await?;
    }
    file.flush().await?;
    drop(file);
    if row["mime_type"] == "application/zip" {
        let (from, into) = (place.clone(), folder.clone());
        let unpacked =
            tokio::task::spawn_blocking(move || extract(&from, &into, Bounds::default()));
        unpacked.await??;
        tokio::fs::remove_file(&place).await?;
    } else {
        tokio::fs::rename(&place, folder.join(name)).await?;
    }
    render::talk(&format!("`{name}` is in {folder}"));
    Ok(())
}

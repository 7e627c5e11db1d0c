//! `cutover demo`: a throw-away repository, pushed, tested, built, deployed as a canary, broken on
//! purpose and rolled back, under steady traffic that is counted.

pub(crate) mod load;
mod repository;
pub(crate) mod service;
mod stage;
mod story;

use std::panic::AssertUnwindSafe;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use futures_util::FutureExt as _;

use crate::{cli, exit::Exit, render, signals};

pub(crate) async fn run(args: cli::Demo) -> anyhow::Result<Exit> {
    let mut wishes = signals::Wishes::listen();
    let place = tempfile::Builder::new().prefix("cutover-demo-").tempdir()?;
    let root = Utf8PathBuf::from_path_buf(place.path().canonicalize()?)
        .map_err(|path| anyhow::anyhow!("`{}` is not UTF-8", path.display()))?;
    let stage = stage::Stage::open(&root).await?;
    let quiet = args.json;
    // Whatever happens in the story: what it has started is taken down.
    let story = AssertUnwindSafe(story::tell(&stage, args.rate, quiet)).catch_unwind();
    let told = tokio::select! {
        told = story => told.unwrap_or_else(|_| Err(anyhow::anyhow!("the story broke off"))),
        () = wishes.next() => Err(anyhow::anyhow!("interrupted")),
    };
    let exit = match &told {
        Ok(report) => {
            if args.json {
                render::json(&report.to_json());
            } else {
                render::data(&report.to_text());
            }
            if report.held() {
                Exit::Ok
            } else {
                Exit::Failed
            }
        }
        Err(error) => {
            render::error(error);
            Exit::Failed
        }
    };
    if !args.once && told.is_ok() {
        render::talk(&format!(
            "the page: {}   (Ctrl-C ends the demo and removes everything)",
            stage.address()
        ));
        wishes.next().await;
    }
    stage.close().await?;
    place
        .close()
        .context("could not remove the demo's directory")?;
    Ok(exit)
}

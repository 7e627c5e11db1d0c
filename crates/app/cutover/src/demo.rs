//! `cutover demo`: a throw-away repository, pushed, tested, built, deployed as a canary, broken on
//! purpose and rolled back, under steady traffic that is counted.

pub(crate) mod load;
mod repository;
pub(crate) mod service;
mod stage;
mod story;

use anyhow::Context as _;
use camino::Utf8PathBuf;

use crate::{cli, exit::Exit, render, signals};

pub(crate) async fn run(args: cli::Demo) -> anyhow::Result<Exit> {
    let place = tempfile::Builder::new().prefix("cutover-demo-").tempdir()?;
    let root = Utf8PathBuf::from_path_buf(place.path().canonicalize()?)
        .map_err(|path| anyhow::anyhow!("`{}` is not UTF-8", path.display()))?;
    let stage = stage::Stage::open(&root).await?;
    let quiet = args.json;
    let told = tokio::select! {
        told = story::tell(&stage, args.rate, quiet) => told,
        () = signals::stop() => Err(anyhow::anyhow!("interrupted")),
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
        signals::stop().await;
    }
    stage.close().await?;
    place
        .close()
        .context("could not remove the demo's directory")?;
    Ok(exit)
}

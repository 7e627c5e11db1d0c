//! The hidden `cutover load`: steady requests, and what became of them, as JSON.

use std::time::Duration;

use crate::{
    cli,
    demo::load::{Load, Settings},
    exit::Exit,
    render, signals,
};

pub(crate) async fn run(args: cli::Load) -> anyhow::Result<Exit> {
    let settings = Settings {
        url: args.url,
        rate: args.rate,
        keep_alive: !args.no_keep_alive,
    };
    let load = Load::start(settings);
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(args.seconds)) => {}
        () = signals::stop() => {}
    }
    let tally = load.stop().await;
    render::json(&tally.to_json());
    Ok(if tally.lost == 0 {
        Exit::Ok
    } else {
        Exit::Failed
    })
}

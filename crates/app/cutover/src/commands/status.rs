//! `cutover status` and `cutover down`.

use std::{collections::BTreeSet, io::IsTerminal as _};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{cli, client::Client, exit::Exit, render};

const PATH: &str = "/api/v1/status";

pub(crate) async fn run(args: cli::Status) -> anyhow::Result<Exit> {
    let client = Client::new(&args.listing.connection)?;
    if args.watch {
        return watch(&client, args.listing.json).await;
    }
    let status = client.get(PATH, &[]).await?;
    if args.listing.json {
        render::json(&status);
    } else {
        render::data(&render::status(&status));
    }
    Ok(Exit::Ok)
}

/// Tells it again whenever the server says that something is new, until it is interrupted or the
/// server goes down.
async fn watch(client: &Client, as_json: bool) -> anyhow::Result<Exit> {
    let mut events = client.stream("/events", &[]).await?.bytes_stream();
    let mut screen = Screen::default();
    loop {
        let status = client.get(PATH, &[]).await?;
        if as_json {
            screen.json(&status);
        } else {
            screen.show(&render::status(&status));
        }
        match events.next().await {
            Some(chunk) => drop(chunk?),
            None => return Ok(Exit::Ok),
        }
    }
}

/// What has been shown so far.
#[derive(Default)]
struct Screen {
    height: usize,
    lines: BTreeSet<String>,
    last: Value,
}

impl Screen {
    fn json(&mut self, status: &Value) {
        if *status != self.last {
            render::json_line(status);
            self.last = status.clone();
        }
    }

    /// In the place of what stood there before, on a terminal; else the lines that are new.
    fn show(&mut self, text: &str) {
        if std::io::stdout().is_terminal() {
            render::again(self.height, text);
            self.height = text.lines().count();
            return;
        }
        let lines: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
        for line in text.lines().filter(|line| !self.lines.contains(*line)) {
            if !line.is_empty() {
                render::data(line);
            }
        }
        self.lines = lines;
    }
}

pub(crate) async fn down(args: cli::Listing) -> anyhow::Result<Exit> {
    let answer = Client::new(&args.connection)?
        .post("/api/v1/down", &json!({}))
        .await?;
    if args.json {
        render::json(&answer);
    } else {
        render::talk("every instance and the balancer are stopped");
    }
    Ok(Exit::Ok)
}

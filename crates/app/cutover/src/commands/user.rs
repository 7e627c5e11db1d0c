//! `cutover user`.

use serde_json::json;

use crate::{cli, client::Client, exit::Exit, render};

pub(crate) async fn run(args: cli::User) -> anyhow::Result<Exit> {
    match args {
        cli::User::Add { name, listing } => {
            let client = Client::new(&listing.connection)?;
            let said = client
                .post("/api/v1/users", &json!({ "name": name }))
                .await?;
            if listing.json {
                render::json(&said);
            } else {
                render::talk(&format!("the token of `{name}`, shown this once:"));
                render::data(said["token"].as_str().unwrap_or_default());
            }
        }
        cli::User::List(listing) => {
            let said = Client::new(&listing.connection)?
                .get("/api/v1/users", &[])
                .await?;
            if listing.json {
                render::json(&said);
            } else {
                for name in said["users"].as_array().into_iter().flatten() {
                    render::data(name.as_str().unwrap_or_default());
                }
            }
        }
    }
    Ok(Exit::Ok)
}

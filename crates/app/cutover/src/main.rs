//! The binary: reads the command line, and leaves.

mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod exit;
mod known;
#[cfg(test)]
mod reference;
mod render;
mod signals;
mod space;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // The processes that outlive us come first: they need neither a runtime nor a command line.
    if arguments.get(1).is_some_and(|verb| verb == "supervise") {
        let code = cutover_executor::supervise(&arguments[2..]);
        return ExitCode::from(u8::try_from(code).unwrap_or(70));
    }
    let matches = match cli::Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return render::usage(&error),
    };
    let as_json = cli::wants_json(&matches);
    match cli::Cli::from_arg_matches(&matches) {
        Ok(cli) => commands::run(cli, as_json).into(),
        Err(error) => render::usage(&error),
    }
}

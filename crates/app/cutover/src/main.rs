//! The binary: reads the command line, and leaves.

mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod exit;
#[cfg(test)]
mod reference;
mod render;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // The processes that outlive us come first: they need neither a runtime nor a command line.
    if arguments.get(1).is_some_and(|verb| verb == "supervise") {
        let code = cutover_executor::supervise(&arguments[2..]);
        return ExitCode::from(u8::try_from(code).unwrap_or(70));
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return render::usage(&error),
    };
    commands::run(cli).into()
}

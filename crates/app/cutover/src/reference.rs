//! `docs/reference/cli.md` is what `--help` says, verb by verb. With `CUTOVER_BLESS=1` the page is
//! written again.

use std::{fs, path::Path};

use clap::CommandFactory as _;

use crate::{cli::Cli, config};

const HEAD: &str = "<!-- Written by `CUTOVER_BLESS=1 cargo test -p cutover reference`; change the texts in the code. -->

# The command line
";

/// A command and those below it that are not hidden.
fn write(page: &mut String, name: &str, command: &mut clap::Command) {
    // What the variables hold where the test runs is no part of the page.
    *command = command
        .clone()
        .mut_args(|argument| argument.hide_env_values(true));
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let help = lines.join("\n");
    let help = help.trim_end();
    page.extend(["\n## ", name, "\n\n```text\n", help, "\n```\n"]);
    for below in command.get_subcommands_mut() {
        if !below.is_hide_set() && below.get_name() != "help" {
            let name = format!("{name} {}", below.get_name());
            write(page, &name, below);
        }
    }
}

#[test]
fn the_page_is_what_help_says() {
    // The width is that of the widest help, wherever the test runs.
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut page = HEAD.to_owned();
    write(&mut page, "cutover", &mut command);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference/cli.md");
    if config::environment("CUTOVER_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "write it again: CUTOVER_BLESS=1 cargo test -p cutover reference"
    );
}

//! The smallest binary that can be a supervisor.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    ExitCode::from(u8::try_from(cutover_executor::supervise(&args)).unwrap_or(1))
}

//! What the tests run: a supervisor (`supervise …`) and the server that it keeps (`serve …`).

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::ExitCode,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["supervise", ..] => {
            let code = cutover_supervisor::main(&args[1..]);
            return ExitCode::from(u8::try_from(code).unwrap_or(1));
        }
        ["serve"] => serve("PORT"),
        ["serve", "elsewhere"] => serve("OTHER_PORT"),
        ["die", code] => {
            writeln!(io::stderr(), "no database").ok();
            return ExitCode::from(code.parse().unwrap_or(1));
        }
        _ => Err(io::Error::other("unknown words")),
    };
    ExitCode::from(u8::from(ended.is_err()))
}

/// Answers each connection with its whole environment.
fn serve(name: &str) -> io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a service gets its port this way"
    )]
    let port = env::var(name).map_err(io::Error::other)?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    writeln!(io::stderr(), "listening on {port}")?;
    for connection in listener.incoming() {
        answer(connection?).ok();
    }
    Ok(())
}

fn answer(mut connection: TcpStream) -> io::Result<()> {
    let mut question = [0; 1];
    connection.read_exact(&mut question)?;
    let directory = env::current_dir()?;
    writeln!(connection, "pid={}", std::process::id())?;
    writeln!(connection, "directory={}", directory.display())?;
    for (name, value) in env::vars() {
        writeln!(connection, "{name}={value}")?;
    }
    Ok(())
}

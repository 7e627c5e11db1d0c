//! The tools of the container in which a job runs: the one that its `PATH` finds is the one that scripts find,
//! so it is asked which it is, and nothing is put before it.

use camino::Utf8PathBuf;
use cutover_docker::ExecOrder;
use cutover_engine::containers::RunningContainer;
use cutover_executor::BuiltinLog;

use super::{
    tool::{Found, Tool},
    version::{self, Range},
};
use crate::{Error, action::Context};

/// Says where a program is, where it really is, and what it answers.
const ASK: &str = "p=$(command -v \"$0\") || exit 0; echo \"$p\"; readlink -f \"$p\" 2>/dev/null || echo \"$p\"; \
     exec \"$p\" \"$@\" 2>&1";

/// The one that is there, when it fits.
pub(super) async fn pick(
    context: &Context,
    container: &RunningContainer,
    log: &mut BuiltinLog,
    tool: &Tool,
    (asked, range): (&str, &Range),
) -> Result<Found, Error> {
    let found = find(context, container, tool).await?;
    let fits = |found: &Found| *range == Range::Any || range.fits(&found.version);
    let there = match found {
        Some(found) if fits(&found) => {
            let wished = if asked.is_empty() { "any" } else { asked };
            log.line(&format!(
                "{} {} in {} of the container (asked for: {wished})",
                tool.name, found.version, found.bin
            ));
            return Ok(found);
        }
        Some(found) => format!("{} ({})", found.version, found.bin),
        None => "none".to_owned(),
    };
    Err(Error::Refused(format!(
        "no {} `{asked}` in the container of the job; there is {there}. Use an image that has it",
        tool.name
    )))
}

async fn find(
    context: &Context,
    container: &RunningContainer,
    tool: &Tool,
) -> Result<Option<Found>, Error> {
    let added = context.path_prepend.iter().map(String::as_str);
    let path: Vec<&str> = added.chain([container.path.as_str()]).collect();
    let words = [&["sh", "-c", ASK, tool.program], tool.asks].concat();
    let order = ExecOrder {
        argv: words.into_iter().map(str::to_owned).collect(),
        env: vec![format!("PATH={}", path.join(":"))],
        ..ExecOrder::default()
    };
    let docker = |error: cutover_docker::Error| Error::Docker(error.to_string());
    let engine = context.control.docker().await?;
    let (_, mut output) = engine.exec(&container.id, &order).await.map_err(docker)?;
    let mut said = Vec::new();
    while let Some(piece) = output.next().await {
        said.extend_from_slice(&piece.map_err(docker)?);
    }
    Ok(read(&String::from_utf8_lossy(&said)))
}

fn read(said: &str) -> Option<Found> {
    let (place, rest) = said.split_once('\n')?;
    let (real, rest) = rest.split_once('\n')?;
    let place = Utf8PathBuf::from(place.trim());
    Some(Found {
        version: version::find(rest)?,
        bin: place.parent().filter(|bin| bin.is_absolute())?.to_owned(),
        program: real.trim().into(),
        is_inside: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_says_where_it_is_and_which() {
        let found = read("/usr/bin/node\n/opt/node-20/bin/node\nv20.1.2\n").unwrap();
        assert_eq!(found.version.to_string(), "20.1.2");
        assert_eq!(
            (found.bin.as_str(), found.program.as_str()),
            ("/usr/bin", "/opt/node-20/bin/node")
        );
        assert_eq!(read(""), None);
        assert_eq!(read("sh: exec: no such thing\n"), None);
    }
}

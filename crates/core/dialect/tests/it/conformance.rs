//! Foreign truth, when it is there: how much of it we read as its authors mean it. What is not there yet
//! is refused, so these are counts and not demands; the following issue makes them demands.

use std::{env, fs, path::PathBuf};

use cutover_dialect::{SourceTree, lint};
use cutover_model::Severity;

#[expect(
    clippy::disallowed_methods,
    reason = "where the collection lies is told by the environment"
)]
fn collection() -> PathBuf {
    env::var("CUTOVER_CONFORMANCE").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance"),
        PathBuf::from,
    )
}

#[test]
fn conformance_counts_what_is_accepted() {
    let folder = collection().join("lint/ok");
    let Ok(files) = fs::read_dir(&folder) else {
        eprintln!(
            "SKIPPED: conformance, because there is no {}",
            folder.display()
        );
        return;
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let mut accepted = 0;
    let mut wrongly_refused = Vec::new();
    for path in &paths {
        let mut tree = SourceTree::new();
        tree.insert("w.yml", fs::read(path).unwrap());
        let errors: Vec<_> = lint(&tree, "w.yml")
            .into_iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .collect();
        // `not there yet` and what follows from it are honest answers today.
        let later = ["CUT-1014", "CUT-1050", "CUT-1051"];
        match errors
            .iter()
            .find(|error| !later.contains(&error.code.as_str()))
        {
            Some(error) => wrongly_refused.push(
                error
                    .to_string()
                    .replace("w.yml", &path.file_name().unwrap().to_string_lossy()),
            ),
            None if errors.is_empty() => accepted += 1,
            None => {}
        }
    }
    eprintln!(
        "lint/ok {accepted}/{} accepted, {} refused for more than what is not there yet",
        paths.len(),
        wrongly_refused.len()
    );
    for refusal in wrongly_refused {
        eprintln!("  {refusal}");
    }
}

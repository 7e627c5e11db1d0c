//! Compares events with their files, both ways.

use std::{collections::BTreeSet, fmt::Debug, fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};

/// Checks that each event has its file, that the file is read as that event and written again to
/// the byte, and that no other file is there. With `GOLDEN=add` files that are missing are added;
/// those that are there are never changed.
pub(crate) fn check<E>(prefix: &str, events: &[E])
where
    E: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let add = std::env::vars().any(|(name, value)| name == "GOLDEN" && value == "add");
    let mut names = BTreeSet::new();
    for event in events {
        let value = serde_json::to_value(event).unwrap();
        let kind = value["kind"].as_str().unwrap();
        let name = format!("{prefix}.{kind}.json");
        let path = folder.join(&name);
        let text = format!("{}\n", serde_json::to_string_pretty(event).unwrap());
        if add && !path.exists() {
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{name}: {error}; add it with GOLDEN=add"));
        let read: E =
            serde_json::from_str(&golden).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&read, event, "{name} is read as another event");
        assert_eq!(text, golden, "{name} is written in another way");
        assert!(names.insert(name), "{kind} is there twice");
    }
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("{prefix}.")))
        .collect();
    assert_eq!(
        there, names,
        "files without an event, or events without a file"
    );
}

//! Templates of shells: words that were quoted come apart as they were put together, and the script is
//! named wherever the template says.

use super::{alike, look_at};
use crate::shell::{Shell, words};

const CORPUS: &[&str] = &[
    "bash --noprofile --norc -eo pipefail {0}",
    "pwsh -command \". '{0}'\"",
    "perl -e 'print \"{0}\"' \"\" x{0}y",
    "\"a b\"'c d'e {0}",
];
const WORDS: &[&str] = &[
    "{0}", "{", "}", "{{0}}", "'", "\"", " ", "\t", "\n", "\\", "\0", "-e", "bash", "python", "ß",
    "\u{a0}",
];

/// One word, in quotes of either kind.
fn quoted(word: &str) -> String {
    let inner: Vec<String> = word.split('\'').map(|part| format!("'{part}'")).collect();
    inner.join("\"'\"")
}

#[test]
fn fuzz_shells() {
    look_at(CORPUS, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let apart = words(&text);
        let together: Vec<String> = apart.iter().map(|word| quoted(word)).collect();
        assert_eq!(words(&together.join(" \n")), apart);
        let script = "/tmp/script.sh";
        let Ok(shell) = Shell::inside(Some(&text)) else {
            return alike(0);
        };
        let argv = shell.argv(script.into());
        // Whoever writes a template names the script; a known name does it for them.
        let named = argv.iter().filter(|word| word.contains(script)).count();
        assert!(named > 0, "{argv:?} does not name the script");
        assert!(argv.iter().all(|word| !word.contains("{0}")), "{argv:?}");
        alike((argv.len(), named))
    });
}

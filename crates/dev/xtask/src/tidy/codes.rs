//! Every code of an error has an explanation, and the page of all codes is what the program says.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use cutover_dialect::CODES;

use super::source::{self, File};

const PAGE: &str = "docs/reference/errors.md";
const HEAD: &str = "<!-- Written by `cargo xtask tidy --fix`; change the texts in the code. -->

# Error codes

What `cutover` says about a file carries a code. The number never changes its meaning.
`cutover explain CODE` prints the same text.
";

/// Codes without an explanation, and a page that is not what the program says.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in source::files(root, &["crates"], ".rs")?
        .iter()
        .filter(|file| file.is_shipped())
    {
        findings.extend(unexplained(file));
    }
    if fs::read_to_string(root.join(PAGE)).unwrap_or_default() != page()? {
        findings.push(format!(
            "{PAGE}: is not what the program says; `cargo xtask tidy --fix`"
        ));
    }
    Ok(findings)
}

/// Writes the page.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let path = root.join(PAGE);
    fs::write(&path, page()?).with_context(|| path.display().to_string())
}

pub(crate) fn page() -> anyhow::Result<String> {
    let mut page = format!("{HEAD}\n| code | meaning |\n|---|---|\n");
    for (code, title, _) in CODES {
        let anchor = code.to_lowercase();
        writeln!(page, "| [{code}](#{anchor}) | {title} |")?;
    }
    for (code, title, explanation) in CODES {
        let title = capitalised(title);
        writeln!(page, "\n## {code}\n\n**{title}.** {explanation}")?;
    }
    Ok(page)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// Codes in the text of a file that `cutover explain` does not know.
pub(crate) fn unexplained(file: &File) -> Vec<String> {
    let code = file.code();
    let mut findings = Vec::new();
    for (start, _) in code.match_indices("CUT-") {
        let word = code.get(start..start + 8).unwrap_or_default();
        let is_code = word
            .get(4..)
            .is_some_and(|end| end.chars().all(|c| c.is_ascii_digit()));
        if is_code && cutover_dialect::explain(word).is_none() {
            findings.push(format!("{}: `{word}` has no explanation", file.path));
        }
    }
    findings
}

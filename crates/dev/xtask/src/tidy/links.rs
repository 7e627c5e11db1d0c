//! Links between pages lead somewhere: to a file that is there, and to a heading that it has.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::source::{self, File};

/// Links that lead nowhere.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut pages = source::files(root, &["docs", "changelog.d"], ".md")?;
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "STYLE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        pages.extend(source::files(root, &[page], ".md")?);
    }
    Ok(pages
        .iter()
        .flat_map(|page| check_page(root, page))
        .collect())
}

pub(crate) fn check_page(root: &Path, page: &File) -> Vec<String> {
    let links = links(&page.text);
    let inside = links
        .iter()
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    inside
        .filter(|link| !leads_somewhere(root, page, link))
        .map(|link| format!("{}: `{link}` leads nowhere", page.path))
        .collect()
}

fn leads_somewhere(root: &Path, page: &File, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let has_heading = |text: &str| headings(text).iter().any(|one| one == heading);
    if path.is_empty() {
        return has_heading(&page.text);
    }
    let target = root.join(normal(&Path::new(&page.path).with_file_name("").join(path)));
    if heading.is_empty() {
        return target.exists();
    }
    fs::read_to_string(target).is_ok_and(|text| has_heading(&text))
}

/// Without `..`, by name alone: a link must hold on the page of a forge too.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

/// Where links and pictures point, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        // What stands between backticks is code: every second part.
        for part in line.split('`').step_by(2) {
            let ends = part.split("](").skip(1);
            links.extend(
                ends.filter_map(|end| end.split(')').next())
                    .map(str::to_owned),
            );
        }
        // `[`code`](path)`: the backticks cut the link in two.
        let after_code = line.split("`](").skip(1);
        links.extend(
            after_code
                .filter_map(|end| end.split(')').next())
                .map(str::to_owned),
        );
    }
    links.sort();
    links.dedup();
    links
}

/// The names of headings as forges make them: small letters, `-` for blanks, no signs.
fn headings(text: &str) -> Vec<String> {
    let titles = prose(text).filter_map(|line| line.strip_prefix('#'));
    titles
        .map(|title| slug(title.trim_start_matches('#').trim()))
        .collect()
}

fn slug(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The lines that are neither in a block of code nor a comment.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("<!--")
    })
}

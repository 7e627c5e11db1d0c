use std::fs;

use super::{banned, codes, layout, links, purity, rings, source::File};

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn imports(name: &str, what: &[(&str, bool)]) -> rings::Crate {
    let import = |&(name, is_for_tests): &(&str, bool)| rings::Import {
        name: name.to_owned(),
        is_for_tests,
    };
    rings::Crate {
        name: name.to_owned(),
        imports: what.iter().map(import).collect(),
    }
}

#[test]
fn this_repository_is_tidy() {
    let findings = super::check(&super::root().unwrap(), false).unwrap();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_list_of_arrows_keeps_the_rings() {
    let core = [
        "model", "expr", "dialect", "engine", "judge", "rollout", "quality", "release",
    ];
    let core = core.map(|name| format!("cutover-{name}"));
    let is_core = |name: &str| core.iter().any(|one| one == name);
    let is_app = |name: &str| name == "cutover" || name == "cutover-server";
    for (name, allowed) in rings::ARROWS {
        for import in *allowed {
            if is_core(name) {
                assert!(is_core(import), "{name} → {import}");
            } else if !is_app(name) && *name != "xtask" && *name != "cutover-testkit" {
                let is_low = *import == "cutover-model" || !is_core(import) && !is_app(import);
                assert!(is_low, "{name} → {import}: the edge decides nothing");
            }
            assert_ne!(*import, "cutover", "{name}: nobody imports the binary");
            let is_dev = *import == "cutover-testkit";
            assert!(!is_dev || *name == "xtask", "{name}: testkit is for tests");
        }
    }
    let of = |wanted: &str| {
        rings::ARROWS
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, allowed)| *allowed)
    };
    for alone in ["cutover-proxy", "cutover-supervisor"] {
        assert_eq!(of(alone), Some(&[][..]), "{alone} imports nothing of ours");
    }
    assert!(!of("cutover-engine").unwrap().contains(&"cutover-rollout"));
    assert!(!of("cutover-rollout").unwrap().contains(&"cutover-engine"));
}

#[test]
fn an_arrow_that_is_not_written_down_is_found() {
    let found = |name, what: &[(&str, bool)]| rings::check(&[imports(name, what)]).len();
    assert_eq!(found("cutover-engine", &[("cutover-model", false)]), 0);
    assert_eq!(found("cutover-engine", &[("cutover-rollout", false)]), 1);
    assert_eq!(found("cutover-engine", &[("cutover-testkit", true)]), 0);
    assert_eq!(found("cutover-engine", &[("cutover-testkit", false)]), 1);
    assert_eq!(found("cutover-proxy", &[("cutover-model", false)]), 1);
    assert_eq!(found("cutover-newcomer", &[]), 1);
}

#[test]
fn what_may_not_be_in_core_is_found_and_tests_may_have_it() {
    let manifest = "[dependencies]\nserde.workspace = true\ntokio.workspace = true\n\n\
                    [dev-dependencies]\nrand.workspace = true\n";
    let findings = banned::check_core("crates/core/x/Cargo.toml", manifest);
    assert_eq!(
        findings,
        ["crates/core/x/Cargo.toml: `tokio` may not be in core: it waits"]
    );
    let lock = "[[package]]\nname = \"aws-lc-sys\"\n\n[[package]]\nname = \"openssl-probe\"\n";
    assert_eq!(banned::check_lock(lock).len(), 1);
}

#[test]
fn core_is_pure_outside_of_its_tests_and_comments() {
    let text = "//! `HashMap` is not used.\nuse std::fs;\nasync fn wait() {}\n\
                #[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n}\n";
    let findings = purity::check_file(&file("crates/core/x/src/a.rs", text));
    assert_eq!(
        findings,
        [
            "crates/core/x/src/a.rs: `std::fs` in core: it does I/O",
            "crates/core/x/src/a.rs: `async fn` in core: it waits",
        ]
    );
}

#[test]
fn a_manifest_takes_versions_and_lints_from_the_workspace() {
    let good = "[lints]\nworkspace = true\n\n[dependencies]\na.workspace = true\n\
                b = { workspace = true, features = [\"c\"] }\n";
    assert!(layout::check_manifest(&file("Cargo.toml", good)).is_empty());
    let bad = "[dependencies]\na = \"1\"\n";
    assert_eq!(layout::check_manifest(&file("Cargo.toml", bad)).len(), 2);
}

#[test]
fn a_file_begins_with_its_head_and_a_forgotten_test_is_found() {
    assert_eq!(layout::check_source(&file("src/a.rs", "use b;\n")).len(), 1);
    assert!(layout::check_source(&file("src/a/tests.rs", "use b;\n")).is_empty());
    let sources = [
        file("c/tests/it/main.rs", "//! All.\nmod named;\n"),
        file("c/tests/it/named.rs", "//! Named.\n"),
        file("c/tests/it/named/below.rs", "//! Named by the one above.\n"),
        file("c/tests/it/lost.rs", "//! Lost.\n"),
    ];
    let findings = layout::forgotten(&sources);
    assert_eq!(
        findings,
        ["c/tests/it/lost.rs: no `mod` in c/tests/it/main.rs names it"]
    );
}

#[test]
fn a_code_without_an_explanation_is_found() {
    let text = "code: \"CUT-1001\", other: \"CUT-0000\", none: \"CUT-XYZW\", CUT-1";
    let findings = codes::unexplained(&file("crates/app/x/src/a.rs", text));
    assert_eq!(
        findings,
        ["crates/app/x/src/a.rs: `CUT-0000` has no explanation"]
    );
    assert!(
        codes::page()
            .unwrap()
            .contains("## CUT-1001\n\n**The file is not YAML.**")
    );
}

#[test]
fn links_lead_to_files_and_headings() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("docs")).unwrap();
    fs::write(
        place.path().join("docs/a.md"),
        "# A\n\n## Over `there`: now\n",
    )
    .unwrap();
    fs::write(place.path().join("README.md"), "# R\n").unwrap();
    let page = "[up](../README.md) [here](#its-own) [there](a.md#over-there-now) [`code`](a.md)\n\
                [away](https://example.org/x) `[code](no.md)`\n## Its own\n\
                <!-- ![later](later.png) -->\n```\n[in code](no.md)\n# not-a-heading\n```\n\
                [gone](gone.md) [no such](a.md#elsewhere) ![picture](p.png) [`c`](gone.rs)\n";
    let findings = links::check_page(place.path(), &file("docs/b.md", page));
    let links: Vec<&str> = findings
        .iter()
        .filter_map(|one| one.split('`').nth(1))
        .collect();
    assert_eq!(links, ["a.md#elsewhere", "gone.md", "gone.rs", "p.png"]);
}

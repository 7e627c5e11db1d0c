//! Laws: nothing panics on any bytes, and a report that was cut off is never read as a shorter one.

use cutover_quality::{coverage, junit};
use proptest::prelude::*;

const REPORT: &str = r#"<?xml version="1.0"?><testsuites><testsuite name="a" failures="1">
<testcase name="x"/><testcase name="y"><failure message="m">t &amp; u</failure></testcase>
</testsuite></testsuites>"#;

fn likely() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<testsuite>",
        "<testsuite failures='3'>",
        "</testsuite>",
        "<testcase name='a'>",
        "<testcase/>",
        "</testcase>",
        "<failure>",
        "</failure>",
        "<skipped/>",
        "<![CDATA[",
        "]]>",
        "&lt;",
        "&x;",
        "<coverage>",
        "</coverage>",
        "<class filename='f'>",
        "</class>",
        "<line number='1' hits='2'/>",
        "SF:a\n",
        "DA:1,1\n",
        "LF:3\n",
        "end_of_record\n",
        "text",
        "é",
    ]);
    prop::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop((junit::read(&bytes), coverage::read(&bytes)));
    }

    #[test]
    fn no_likely_text_panics(text in likely()) {
        drop((junit::read(text.as_bytes()), coverage::read(text.as_bytes())));
    }

    #[test]
    fn coverage_never_exceeds_its_lines(text in likely()) {
        if let Ok(coverage) = coverage::read(text.as_bytes()) {
            prop_assert!(coverage.covered <= coverage.lines);
        }
    }

    #[test]
    fn the_order_of_reports_does_not_matter(hits in prop::collection::vec((0..5_u8, 0..9_u8, 0..2_u8), 1..30)) {
        let files: Vec<String> = hits
            .iter()
            .map(|(file, line, hits)| format!("SF:{file}\nDA:{line},{hits}\nend_of_record\n"))
            .collect();
        let forwards = files.iter().map(|text| ("f", text.as_bytes()));
        let backwards = files.iter().rev().map(|text| ("f", text.as_bytes()));
        prop_assert_eq!(coverage::read_all(&[], forwards), coverage::read_all(&[], backwards));
    }
}

#[test]
fn a_report_cut_off_anywhere_is_an_error() {
    assert!(junit::read(REPORT.as_bytes()).is_ok());
    for length in 0..REPORT.len() {
        let bytes = REPORT.as_bytes().get(..length).unwrap();
        assert!(junit::read(bytes).is_err(), "{length}");
    }
}

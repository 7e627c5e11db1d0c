//! Places of nodes and of characters inside of them.

use cutover_model::Position;

use super::{Fault, Node, Value, parse};

fn root(text: &str) -> Node {
    let (node, faults) = parse(text.as_bytes());
    assert_eq!(faults, []);
    node.unwrap()
}

/// The value of the only key of a mapping.
fn value(text: &str) -> Node {
    match &*root(text).value {
        Value::Mapping(entries) => entries[0].value.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(text: &str, needle: &str, line: u32, column: u32) {
    let node = value(text);
    let byte = node.scalar().unwrap().text.find(needle).unwrap();
    assert_eq!(node.place_of(byte), Position::new(line, column), "{text}");
}

#[test]
fn characters_of_a_scalar_have_places() {
    check("a: one two", "two", 1, 8);
    check("é: 'öne two'", "two", 1, 9);
    check("a: \"one two\"", "two", 1, 9);
    check("a: |\n  one\n  two x\n", "x", 3, 7);
    check("a: |2-\n    one\n  two x\n", "x", 3, 7);
    check("a: | # remark\n\n  one\n   two\n", "two", 4, 4);
    // Where characters do not lie as they read, the beginning must do.
    check("a: 'it''s two'", "two", 1, 4);
    check("a: >\n  one\n  two\n", "two", 1, 4);
    check("a: one\n  two", "two", 1, 4);
}

#[test]
fn nodes_stand_where_their_first_character_stands() {
    assert_eq!(value("a:\n  b: c").at, Position::new(2, 3));
    assert_eq!(value("a: [b]").at, Position::new(1, 4));
    assert_eq!(value("a: !!str b").at, Position::new(1, 4));
    assert_eq!(value("a: &x b").at, Position::new(1, 4));
    assert_eq!(value("a: &x !!str b").at, Position::new(1, 4));
    assert_eq!(value("a:\n  &x\n  b: c").at, Position::new(2, 3));
    assert_eq!(value("a : |2\n    b").at, Position::new(1, 5));
    assert_eq!(value("a: # b\n").at, Position::new(1, 3));
}

#[test]
fn what_an_alias_stands_for_has_the_place_where_it_was_written() {
    let (node, faults) = parse(b"[&x [b], *x]");
    assert_eq!(faults, []);
    let Value::Sequence(items) = &*node.as_ref().unwrap().value else {
        panic!("{node:?}");
    };
    assert_eq!(items[1].at, Position::new(1, 2));
    assert!(std::rc::Rc::ptr_eq(&items[0].value, &items[1].value));
}

#[test]
fn a_file_as_it_was_written_has_every_key_and_every_anchor() {
    let document = super::as_written(b"a: &x 1\na: *x\n<<: [b]# remark\nc: &y [*y]\n");
    let Value::Mapping(entries) = &*document.root.unwrap().value else {
        panic!("not a mapping");
    };
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a", "a", "<<", "c"]);
    let used: Vec<bool> = document.anchors.iter().map(|anchor| anchor.used).collect();
    assert_eq!(used, [true, true]);
    let [(at, Fault::RecursiveAlias { name, first })] = document.faults.as_slice() else {
        panic!("{:?}", document.faults);
    };
    assert_eq!(
        (name.as_str(), first.column, *at),
        ("y", 4, Position::new(4, 8))
    );
}

/// The official reader lets lines of a text in quotes stand as far to the left as they like.
#[test]
fn texts_in_quotes_go_on_wherever_their_lines_stand() {
    let text =
        "a:\n  - b: \"one\n 'two'\n\n three \\\nfour\" # remark\n    c: 'five\n\n six'\n  - d\n";
    let node = value(text);
    let Value::Sequence(items) = &*node.value else {
        panic!("{node:?}");
    };
    let Value::Mapping(entries) = &*items[0].value else {
        panic!("{node:?}");
    };
    let texts: Vec<&str> = entries
        .iter()
        .filter_map(|entry| Some(entry.value.scalar()?.text.as_str()))
        .collect();
    assert_eq!(texts, ["one 'two'\nthree four", "five\nsix"]);
    assert_eq!(items[1].at, Position::new(10, 5));
    assert_eq!(value("a: [b]# remark\n").at, Position::new(1, 4));
}

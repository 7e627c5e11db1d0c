//! The body of Azure's "Put Block List": which staged blocks make up the blob, in which order.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::{Reader, events::Event};

use crate::refusal::Refusal;

/// As many as Azure allows.
pub(crate) const MOST_BLOCKS: usize = 50_000;
/// As long as Azure allows, before it is encoded.
const LONGEST_ID: usize = 64;

/// A block's id as it comes in a query or in a list: base64. It names a file by its digits.
pub(crate) fn block_name(id: &str) -> Result<String, Refusal> {
    match STANDARD.decode(id.trim()) {
        Ok(bytes) if (1..=LONGEST_ID).contains(&bytes.len()) => Ok(hex::encode(bytes)),
        _ => Err(Refusal::Invalid(format!(
            "`{}` is not a block id: base64 of 1 to {LONGEST_ID} bytes",
            id.chars().take(100).collect::<String>()
        ))),
    }
}

/// The names of the blocks in the list.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<String>, Refusal> {
    let wrong = || Refusal::Invalid("the body is not a list of blocks".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| wrong())?;
    let mut reader = Reader::from_str(text);
    let mut names = Vec::new();
    let mut id: Option<String> = None;
    loop {
        match reader.read_event().map_err(|_| wrong())? {
            Event::Start(tag) => match tag.name().as_ref() {
                "Latest" | "Uncommitted" | "Committed" => id = Some(String::new()),
                "BlockList" => {}
                _ => return Err(wrong()),
            },
            Event::Text(text) => {
                if let Some(id) = &mut id {
                    id.push_str(&text);
                }
            }
            Event::End(_) => {
                if let Some(id) = id.take() {
                    names.push(block_name(&id)?);
                }
                if names.len() > MOST_BLOCKS {
                    return Err(Refusal::Invalid(format!(
                        "a blob has at most {MOST_BLOCKS} blocks"
                    )));
                }
            }
            Event::Eof => return Ok(names),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_blocks_in_order() {
        let body = br#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><BlockList><Latest>Yg==</Latest><Uncommitted>YQ==</Uncommitted></BlockList>"#;
        assert_eq!(parse(body).unwrap(), ["62", "61"]);
        assert!(parse(b"<BlockList/>").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for body in [
            "<Other/>x<More>",
            "<BlockList><Latest>../x</Latest></BlockList>",
            "<BlockList><Latest></Latest></BlockList>",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_id_is_base64_and_short() {
        assert!(
            block_name("Li4vLi4vZXRj")
                .is_ok_and(|name| name.chars().all(|c| c.is_ascii_hexdigit()))
        );
        assert!(block_name("../../etc").is_err());
        assert!(block_name(&"QUFB".repeat(30)).is_err());
    }
}

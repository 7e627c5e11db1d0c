//! Secrets taken out of whole texts that did not come from a step: reasons, ends of logs, heads of bodies.

use super::Masker;

/// A beginning of a secret at the very end of a text is one from this length on: the text may have been
/// cut off there.
const BEGINNING: usize = 6;

/// Takes secrets out of texts, in all the forms that logs are rid of.
#[derive(Debug)]
pub struct TextMask(Option<Masker>);

impl TextMask {
    /// For these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Masker::new(secrets).ok())
    }

    /// The text without them. What cannot be looked at is withheld whole.
    pub fn hide(&self, text: &str) -> String {
        match &self.0 {
            None => "***".to_owned(),
            Some(masker) => {
                let mut hidden = masker.text(text);
                if let Some(at) = masker.beginning_at_end(&hidden, BEGINNING) {
                    hidden.truncate(at);
                    hidden.push_str("***");
                }
                hidden
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_two_secrets_is_hidden_whole() {
        let mask = TextMask::new(["abc", "abcdef", "abcdefghij"]);
        assert_eq!(
            mask.hide("x abcdefghij y abcdef z abc"),
            "x *** y *** z ***"
        );
    }

    #[test]
    fn what_was_cut_off_within_a_secret_is_hidden_too() {
        let mask = TextMask::new(["tür-to-production"]);
        assert_eq!(mask.hide("the key is tür-to-prod"), "the key is ***");
        assert_eq!(mask.hide("the key is tür-t"), "the key is ***");
        assert_eq!(mask.hide("the key is tür"), "the key is tür");
        assert_eq!(
            mask.hide("tür-to-prod is the key"),
            "tür-to-prod is the key"
        );
        assert_eq!(TextMask::new([]).hide("all of it"), "all of it");
    }
}

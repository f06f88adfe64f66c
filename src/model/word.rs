//! Words of closed sets: enums whose words `strum` derives from their variants.
//!
//! The variants are the one list: words on disk, in the configuration and on the command line, and the
//! words that an error names, come from them. Where `serde` writes the same enum, its `rename_all`
//! stands beside `strum`'s, and `tidy` holds both to one style.

use strum::VariantArray;

use super::quoted;

/// An enum whose variants are words.
pub trait Word: VariantArray + Copy + Into<&'static str> {
    /// Every variant, in the order of the documentation.
    const ALL: &'static [Self] = Self::VARIANTS;

    /// The word.
    #[must_use]
    fn as_str(self) -> &'static str {
        self.into()
    }

    /// The variant of a word, letter by letter.
    #[must_use]
    fn of_word(word: &str) -> Option<Self> {
        let mut variants = Self::ALL.iter().copied();
        variants.find(|variant| variant.as_str() == word)
    }

    /// Every word, in the order of the documentation.
    fn words() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|variant| variant.as_str())
    }
}

impl<T: VariantArray + Copy + Into<&'static str>> Word for T {}

/// A set of words that people write; its `FromStr` fails with [`UnknownWord::of`].
pub trait Choice: Word {
    /// What a word of the set is meant to be, as an error calls it: `status`.
    const WHAT: &'static str;
}

/// A word that is not one of a closed set; carries the set for the error message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {}: expected one of {expected}", quoted(word))]
pub struct UnknownWord {
    /// What the word was meant to be, e.g. `status`.
    pub what: &'static str,
    /// The word as it was given.
    pub word: String,
    /// The words of the set, comma-separated.
    pub expected: String,
}

impl UnknownWord {
    /// A word that is none of a [`Choice`].
    #[must_use]
    pub fn of<T: Choice>(word: &str) -> Self {
        Self::among::<T>(T::WHAT, word)
    }

    /// A word that was meant to be `what`, and is none of `T`.
    pub(crate) fn among<T: Word>(what: &'static str, word: &str) -> Self {
        Self {
            what,
            word: word.to_owned(),
            expected: T::words().collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ErrorFormat, MessageType, Status};
    use super::*;

    #[test]
    fn an_unknown_word_is_refused_with_the_words_of_its_set() {
        fn refusal<T: Choice + std::str::FromStr<Err = UnknownWord>>(word: &str) -> String {
            let parsed = word.parse::<T>();
            parsed.map_or_else(|error| error.to_string(), |known| known.as_str().to_owned())
        }
        assert_eq!(
            refusal::<ErrorFormat>("String"),
            "unknown error format \"String\": expected one of whatsapp_array, whatsapp_object, string"
        );
        assert_eq!(
            refusal::<MessageType>("Letter"),
            "unknown message type \"Letter\": expected one of Regular-Message, Template-Message"
        );
        assert_eq!(refusal::<ErrorFormat>("string"), "string");
        assert_eq!(refusal::<Status>(" Read"), "read");
        assert_eq!(Status::of_word(" Read"), None);
    }
}

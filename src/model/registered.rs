//! Which fields of a message its sender registered, and reports do not change any more.

/// Which fields of a message the sender registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegisteredFields(u8);

impl RegisteredFields {
    pub(super) const TEXT: Self = Self(1);
    pub(super) const RECIPIENT: Self = Self(2);
    pub(super) const SENDER: Self = Self(4);
    pub(super) const BROADCAST: Self = Self(8);
    pub(super) const ALL: [Self; 4] = [Self::TEXT, Self::RECIPIENT, Self::SENDER, Self::BROADCAST];
    const WORDS: [&str; 4] = ["text", "recipient", "sender", "broadcast"];

    /// The words of the table, with commas.
    #[must_use]
    pub fn words(self) -> String {
        let words = Self::ALL.into_iter().zip(Self::WORDS);
        let words = words.filter(|(field, _)| self.has(*field));
        words.map(|(_, word)| word).collect::<Vec<_>>().join(", ")
    }

    /// Reads the table's words; any other is left out.
    #[must_use]
    pub fn from_words(words: &str) -> Self {
        let words = words.split(", ");
        let known = words.filter_map(|word| Self::WORDS.iter().position(|known| *known == word));
        known.fold(Self(0), |fields, place| fields.and(Self::ALL[place]))
    }

    pub(super) const fn has(self, field: Self) -> bool {
        self.0 & field.0 != 0
    }

    pub(super) const fn and(self, field: Self) -> Self {
        Self(self.0 | field.0)
    }

    pub(super) const fn without(self, field: Self) -> Self {
        Self(self.0 & !field.0)
    }
}

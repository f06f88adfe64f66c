//! A text with placeholders that an operator wrote: checked once, filled in many times.

/// A text with `{names}` in it; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording(Vec<WordingPart>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum WordingPart {
    Text(String),
    /// Its place in the list of names.
    Name(usize),
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordingError {
    /// It names what there is not.
    #[error("unknown placeholder {{{name}}}: known are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that could be meant.
        known: String,
    },
    /// A brace has no partner.
    #[error("a lone '{0}': write a placeholder as {{name}}, and a brace twice to mean itself")]
    Lone(char),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
}

impl Wording {
    /// Reads a text that may use these names.
    ///
    /// # Errors
    /// Names the first thing that is wrong with it.
    pub fn new(text: &str, names: &[&str]) -> Result<Self, WordingError> {
        if text.trim().is_empty() {
            return Err(WordingError::Empty);
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = ["{{", "}}"].iter().find_map(|two| brace.strip_prefix(two)) {
                plain.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let Some(inside) = brace.strip_prefix('{') else {
                return Err(WordingError::Lone('}'));
            };
            let (name, after) = inside.split_once('}').ok_or(WordingError::Lone('{'))?;
            let index = names.iter().position(|known| *known == name);
            let index = index.ok_or_else(|| WordingError::Unknown {
                name: name.to_owned(),
                known: spell(names),
            })?;
            parts.push(WordingPart::Text(std::mem::take(&mut plain)));
            parts.push(WordingPart::Name(index));
            rest = after;
        }
        plain.push_str(rest);
        parts.push(WordingPart::Text(plain));
        Ok(Self(parts))
    }

    /// The text with `values` in the places of the names, in the order of the list it was
    /// read with.
    #[must_use]
    pub fn fill(&self, values: &[&str]) -> String {
        let filled = self.0.iter().map(|part| match part {
            WordingPart::Text(text) => text.as_str(),
            WordingPart::Name(index) => values.get(*index).copied().unwrap_or_default(),
        });
        filled.collect()
    }
}

fn spell(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let filled = Wording::new(text, &["count", "link"])
            .map(|wording| wording.fill(&["3", "https://a.example/{count}"]))
            .map_err(|error| error.to_string());
        let filled = filled.as_deref().map_err(String::as_str);
        assert_eq!(filled, expected, "{text:?}");
    }

    #[test]
    fn names_are_filled_in_and_what_was_filled_in_is_left_alone() {
        check("nothing", Ok("nothing"));
        check(
            "{count} of {count}: {link}",
            Ok("3 of 3: https://a.example/{count}"),
        );
        check("{{count}} }}{count}", Ok("{count} }3"));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        check(
            "{count} {number}",
            Err("unknown placeholder {number}: known are {count}, {link}"),
        );
        let lone = |brace| {
            format!(
                "a lone {brace:?}: write a placeholder as {{name}}, and a brace twice to mean itself"
            )
        };
        check("{count", Err(&lone('{')));
        check("count}", Err(&lone('}')));
        check(" ", Err("it is empty"));
    }
}

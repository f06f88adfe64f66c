//! How much there is in a JSON text, counted before any of it is read: read, it takes many times
//! its bytes.

use crate::providers::ParseError;

/// What the lists of one body have together, and the members one object has, at most. A body of
/// 16 MiB has as many reports when each takes 512 bytes, and they take twice that in memory.
pub(super) const MOST: usize = 32_768;

/// How many entries the lists of a body have together; a small body is not worth counting, and
/// has none.
///
/// Looks at no more than brackets, commas and quotes, so what is no JSON is counted too.
///
/// # Errors
/// [`ParseError::TooMany`].
pub(in crate::providers) fn entries(text: &str) -> Result<usize, ParseError> {
    if text.len() <= MOST {
        return Ok(0);
    }
    let complexity = Complexity::of(text);
    if complexity.entries > MOST || complexity.broadest > MOST {
        return Err(ParseError::TooMany(MOST));
    }
    Ok(complexity.entries)
}

/// How much there is in a JSON text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Complexity {
    /// Entries of all lists.
    pub(crate) entries: usize,
    /// Objects.
    pub(crate) objects: usize,
    /// Members of all objects, one less for each object that has any.
    pub(crate) members: usize,
    /// Members of that object which has most, less one.
    pub(crate) broadest: usize,
}

impl Complexity {
    /// How many values there are, a few more or less.
    pub(crate) const fn values(&self) -> usize {
        self.entries + self.objects + self.members
    }

    pub(crate) fn of(text: &str) -> Self {
        let mut complexity = Self::default();
        // What is open: a list, or an object with so many members. What is nested deeper is
        // never looked into.
        let mut open = [None; 129];
        let mut depth = 0_usize;
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => {
                    while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                        // What is escaped ends nothing.
                        if byte == b'\\' {
                            bytes.next();
                        }
                    }
                }
                b'[' | b'{' => {
                    depth += 1;
                    let is_object = byte == b'{';
                    complexity.objects += usize::from(is_object);
                    complexity.entries += usize::from(!is_object);
                    if let Some(level) = open.get_mut(depth) {
                        *level = is_object.then_some(0);
                    }
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' => match open.get_mut(depth) {
                    Some(Some(members)) => {
                        *members += 1;
                        complexity.members += 1;
                        complexity.broadest = complexity.broadest.max(*members);
                    }
                    Some(None) | None => complexity.entries += 1,
                },
                _ => {}
            }
        }
        complexity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted_without_being_read() {
        let complexity = |entries, objects, members, broadest| Complexity {
            entries,
            objects,
            members,
            broadest,
        };
        let cases = [
            ("", complexity(0, 0, 0, 0)),
            ("7", complexity(0, 0, 0, 0)),
            ("[]", complexity(1, 0, 0, 0)),
            ("[1,[2,3],{}]", complexity(5, 1, 0, 0)),
            (
                r#"{"a":1,"b":{"c":2,"d":3,"e":[4]}}"#,
                complexity(1, 2, 3, 2),
            ),
            (r#"{"a,[{":"\\\",[{","b":"\\"}"#, complexity(0, 1, 1, 1)),
            (r#"["\ud800",1e999,tru"#, complexity(3, 0, 0, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(Complexity::of(text), expected, "{text}");
        }
        let deep = "[".repeat(100_000) + "1,2";
        assert_eq!(Complexity::of(&deep).entries, 100_001);
    }

    #[test]
    fn more_than_a_provider_sends_is_too_many() {
        let list = |count| format!("[{}{{}}]", "{},".repeat(count - 1));
        assert_eq!(entries(&list(100)), Ok(0), "it is small");
        assert_eq!(entries(&list(MOST)), Ok(MOST));
        let many = Err(ParseError::TooMany(MOST));
        assert_eq!(entries(&list(MOST + 1)), many);
        let nested = format!("[{0},{0}]", list(MOST / 2));
        assert_eq!(entries(&nested), many);
        let broad = format!("{{{}\"\":0}}", r#""":0,"#.repeat(MOST + 1));
        assert_eq!(entries(&broad), many);
    }
}

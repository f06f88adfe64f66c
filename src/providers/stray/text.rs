//! Texts inside of texts, read byte by byte: a JSON string, and a field of a form.

/// The text of a JSON string from behind its first quote. Escapes beyond ASCII are one `?`:
/// nothing that is looked for has any.
pub(super) struct Unescaped<'a> {
    bytes: &'a mut dyn Iterator<Item = u8>,
    is_closed: bool,
}

impl<'a> Unescaped<'a> {
    pub(super) fn new(bytes: &'a mut dyn Iterator<Item = u8>) -> Self {
        Self {
            bytes,
            is_closed: false,
        }
    }

    /// Whether its last quote was reached.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.is_closed {
            return None;
        }
        match self.bytes.next()? {
            b'"' => {
                self.is_closed = true;
                None
            }
            b'\\' => Some(match self.bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' | b'f' => b' ',
                b'u' => {
                    let unit = hexadecimal(self.bytes, 4)?;
                    u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')
                }
                other => other,
            }),
            byte => Some(byte),
        }
    }
}

/// The value of a form's field, up to the next `&`.
pub(super) struct FormField<'a> {
    bytes: &'a mut dyn Iterator<Item = u8>,
    is_over: bool,
    has_next: bool,
}

impl<'a> FormField<'a> {
    pub(super) fn new(bytes: &'a mut dyn Iterator<Item = u8>) -> Self {
        Self {
            bytes,
            is_over: false,
            has_next: false,
        }
    }

    /// Whether another field follows; to be called at the end of this one.
    pub(super) const fn has_next(&self) -> bool {
        self.has_next
    }
}

impl Iterator for FormField<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.is_over {
            return None;
        }
        let byte = self.bytes.next();
        match byte {
            Some(b'+') => Some(b' '),
            Some(b'%') => {
                let value = hexadecimal(self.bytes, 2);
                value.and_then(|value| u8::try_from(value).ok())
            }
            Some(b'&') | None => {
                self.is_over = true;
                self.has_next = byte.is_some();
                None
            }
            byte => byte,
        }
    }
}

fn hexadecimal(bytes: &mut dyn Iterator<Item = u8>, digits: usize) -> Option<u32> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + char::from(bytes.next()?).to_digit(16)?;
    }
    Some(value)
}

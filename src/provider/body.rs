//! From bytes on the wire to text: compression, byte order marks, broken UTF-8.

use std::borrow::Cow;
use std::io::Read;

use super::ParseError;

/// What a compressed body may grow to, in bytes: the limit of an uncompressed one.
const DECOMPRESSED_LIMIT: usize = 16 * 1024 * 1024;

/// The body as text; invalid UTF-8 becomes U+FFFD, so that one bad byte costs one letter
/// and not the batch.
///
/// # Errors
/// When `content_encoding` is none we know, or its bytes are broken or too many.
pub(crate) fn decode<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
) -> Result<Cow<'a, str>, ParseError> {
    let encoding = content_encoding.unwrap_or("identity").trim();
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(text(body)),
        "gzip" | "x-gzip" => inflate(flate2::read::MultiGzDecoder::new(body), encoding),
        "deflate" => inflate(flate2::read::ZlibDecoder::new(body), encoding),
        _ => Err(ParseError::Encoding(encoding.chars().take(32).collect())),
    }
}

fn inflate<'a>(decoder: impl Read, encoding: &str) -> Result<Cow<'a, str>, ParseError> {
    let mut bytes = Vec::new();
    decoder
        .take(DECOMPRESSED_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ParseError::Encoding(format!("{encoding}: {error}")))?;
    if bytes.len() > DECOMPRESSED_LIMIT {
        return Err(ParseError::TooLarge(DECOMPRESSED_LIMIT));
    }
    Ok(Cow::Owned(text(&bytes).into_owned()))
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest),
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units)
        .map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn text_survives_marks_and_broken_bytes() {
        assert_eq!(decode(b"\xEF\xBB\xBF{}", None).unwrap(), "{}");
        assert_eq!(decode(b"\xFF\xFE{\0}\0", None).unwrap(), "{}");
        assert_eq!(decode(b"\xFE\xFF\0{\0}", None).unwrap(), "{}");
        assert_eq!(decode(b"{\xC3\x28}", None).unwrap(), "{\u{FFFD}(}");
    }

    #[test]
    fn compressed_bodies_are_read_and_bombs_are_not() {
        let zip = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(decode(&zip(b"{}"), Some("GZIP")).unwrap(), "{}");
        let bomb = zip(&vec![b' '; DECOMPRESSED_LIMIT + 1]);
        assert_eq!(
            decode(&bomb, Some("gzip")),
            Err(ParseError::TooLarge(DECOMPRESSED_LIMIT))
        );
        assert!(matches!(
            decode(b"junk", Some("gzip")),
            Err(ParseError::Encoding(_))
        ));
        assert!(matches!(
            decode(b"{}", Some("br")),
            Err(ParseError::Encoding(_))
        ));
    }
}

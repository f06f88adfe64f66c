//! From bytes on the wire to text: compression, byte order marks, broken UTF-8.

use std::borrow::Cow;
use std::io::{self, Read};

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
    match decoder(body, content_encoding)? {
        None => text(body),
        Some(decoder) => inflate(decoder, content_encoding.unwrap_or_default()),
    }
}

/// A body as far as it can be read, to be searched.
pub(crate) struct Opened<'a> {
    /// The bytes as they are, as far as they are text, and what each compression held.
    pub(crate) texts: Vec<Cow<'a, str>>,
    /// It is all there is: no compression is left, and each byte is of a letter.
    pub(crate) is_whole: bool,
}

/// The body without its compression, whether a header names it or not, up to three times compressed.
pub(crate) fn opened<'a>(body: &'a [u8], content_encoding: Option<&str>) -> Opened<'a> {
    let named = content_encoding.unwrap_or_default().to_ascii_lowercase();
    let is_known = named.split(',').all(|word| KNOWN.contains(&word.trim()));
    let may_be_ascii = named.contains("deflate");
    let mut texts = vec![searchable(body)];
    let (mut bytes, mut is_sound) = (Cow::Borrowed(body), true);
    for _ in 0..3 {
        let Some((inner, is_all)) = inner(&bytes, may_be_ascii) else {
            break;
        };
        is_sound &= is_all;
        texts.push(Cow::Owned(searchable(&inner).into_owned()));
        bytes = Cow::Owned(inner);
    }
    let is_utf16 = bytes.starts_with(UTF16_LE) || bytes.starts_with(UTF16_BE);
    let is_text = is_utf16 || std::str::from_utf8(&bytes).is_ok();
    Opened {
        texts,
        is_whole: is_known && is_sound && is_text,
    }
}

/// Bytes as text, however odd they are and however much that takes.
fn searchable(bytes: &[u8]) -> Cow<'_, str> {
    text(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes))
}

/// What the compressed streams in a row hold, with what follows the last of them, and whether that
/// is all of it; `None` where nothing is compressed.
fn inner(bytes: &[u8], may_be_ascii: bool) -> Option<(Vec<u8>, bool)> {
    if !may_be_ascii && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let (mut held, mut rest, mut is_sound) = (Vec::new(), bytes, true);
    for _ in 0..STREAMS {
        let stream = rest;
        is_sound = match rest {
            [0x1f, 0x8b, ..] => {
                let mut gzip = flate2::bufread::GzDecoder::new(stream);
                let is_sound = take_into(&mut gzip, &mut held);
                rest = gzip.into_inner();
                is_sound
            }
            [first, second, ..] if is_zlib(*first, *second) => {
                let mut zlib = flate2::bufread::ZlibDecoder::new(stream);
                let is_sound = take_into(&mut zlib, &mut held);
                rest = zlib.into_inner();
                is_sound
            }
            _ => break,
        };
        if !is_sound {
            // It may only begin like one.
            rest = stream;
            break;
        }
    }
    if rest.len() < bytes.len() || !held.is_empty() {
        held.extend_from_slice(rest);
        return Some((held, is_sound));
    }
    // Some send the stream of deflate alone, without what zlib puts around it. Nearly anything
    // begins like one, so it counts only when it ends where the bytes do.
    let mut deflate = flate2::bufread::DeflateDecoder::new(bytes);
    let is_whole = take_into(&mut deflate, &mut held) && deflate.into_inner().is_empty();
    is_whole.then_some((held, true))
}

/// Whether these two bytes begin a stream of zlib.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

/// Compressed streams in a row that are opened; a body of more holds nothing but beginnings.
const STREAMS: usize = 1000;
/// The words of `Content-Encoding` that can be read.
const KNOWN: [&str; 5] = ["", "identity", "gzip", "x-gzip", "deflate"];

/// Adds what comes out; false when that is broken or too much, of which the beginning is added.
fn take_into(decoder: &mut impl Read, held: &mut Vec<u8>) -> bool {
    let room = DECOMPRESSED_LIMIT.saturating_sub(held.len()) as u64;
    let read = decoder.take(room + 1).read_to_end(held);
    read.is_ok_and(|read| read as u64 <= room)
}

/// Whether the body, decompressed, has so many bytes or more; no more are decompressed.
pub(crate) fn is_as_large_as(length: usize, body: &[u8], content_encoding: Option<&str>) -> bool {
    match decoder(body, content_encoding) {
        Ok(Some(decoder)) => {
            let most = length as u64;
            io::copy(&mut decoder.take(most), &mut io::sink()).is_ok_and(|bytes| bytes == most)
        }
        _ => body.len() >= length,
    }
}

/// What decompresses it; `None` for what is not compressed.
fn decoder<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
) -> Result<Option<Box<dyn Read + 'a>>, ParseError> {
    let Some(encoding) = content_encoding.map(str::trim) else {
        return Ok(None);
    };
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Box::new(flate2::read::MultiGzDecoder::new(body)))),
        "deflate" => Ok(Some(Box::new(flate2::read::ZlibDecoder::new(body)))),
        _ => Err(ParseError::Encoding(encoding.chars().take(32).collect())),
    }
}

fn inflate<'a>(decoder: impl Read, encoding: &str) -> Result<Cow<'a, str>, ParseError> {
    let mut bytes = Vec::new();
    decoder
        .take(DECOMPRESSED_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ParseError::Encoding(format!("{}: {error}", encoding.trim())))?;
    if bytes.len() > DECOMPRESSED_LIMIT {
        return Err(ParseError::TooLarge(DECOMPRESSED_LIMIT));
    }
    if bytes.starts_with(UTF8) {
        bytes.drain(..UTF8.len());
    } else if bytes.starts_with(UTF16_LE) || bytes.starts_with(UTF16_BE) {
        return Ok(Cow::Owned(text(&bytes)?.into_owned()));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(error) => Ok(Cow::Owned(text(error.as_bytes())?.into_owned())),
    }
}

/// Stands for what is no text.
const REPLACEMENT: &str = "\u{FFFD}";
const UTF8: &[u8] = &[0xEF, 0xBB, 0xBF];
const UTF16_LE: &[u8] = &[0xFF, 0xFE];
const UTF16_BE: &[u8] = &[0xFE, 0xFF];

/// Odd bytes are more as text, three for one at worst: that may not take what no body may, so it is
/// counted before any of it is made.
fn text(bytes: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    if let Some(rest) = bytes.strip_prefix(UTF16_LE) {
        return utf16(rest, u16::from_le_bytes).map(Cow::Owned);
    }
    if let Some(rest) = bytes.strip_prefix(UTF16_BE) {
        return utf16(rest, u16::from_be_bytes).map(Cow::Owned);
    }
    let bytes = bytes.strip_prefix(UTF8).unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let pieces = || {
        bytes.utf8_chunks().map(|chunk| {
            let is_odd = !chunk.invalid().is_empty();
            (chunk.valid(), if is_odd { REPLACEMENT } else { "" })
        })
    };
    let length = pieces().map(|(valid, odd)| valid.len() + odd.len()).sum();
    let mut text = room_for(length, bytes)?;
    for (valid, odd) in pieces() {
        text.push_str(valid);
        text.push_str(odd);
    }
    Ok(Cow::Owned(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ParseError> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let letters = || {
        let units = pairs.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
    };
    let mut text = room_for(letters().map(char::len_utf8).sum(), bytes)?;
    text.extend(letters());
    Ok(text)
}

/// An empty text with exactly the room for what these bytes are as text.
fn room_for(length: usize, bytes: &[u8]) -> Result<String, ParseError> {
    let most = bytes.len().max(DECOMPRESSED_LIMIT);
    if length > most {
        return Err(ParseError::TooLarge(most));
    }
    Ok(String::with_capacity(length))
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

    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut writer = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut writer = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_body_is_opened_however_it_is_compressed() {
        let text = "{\"to\": \"+385 99 000 1122\", \"ü\": 1}".repeat(20);
        let plain = text.as_bytes();
        for (body, encoding) in [
            (plain.to_vec(), None),
            (plain.to_vec(), Some("gzip")),
            (gzip(plain), Some("gzip")),
            (gzip(plain), None),
            (zlib(plain), Some("deflate")),
            (deflate(plain), Some("deflate")),
            (gzip(&gzip(plain)), Some("gzip, gzip")),
            (gzip(&deflate(plain)), Some("deflate, gzip")),
            (zlib(&gzip(plain)), Some("gzip")),
        ] {
            let opened = opened(&body, encoding);
            assert_eq!(
                (opened.texts.last().map(AsRef::as_ref), opened.is_whole),
                (Some(text.as_str()), true),
                "{encoding:?}"
            );
        }
        let cut = gzip(plain);
        for (body, encoding) in [
            (plain.to_vec(), Some("br")),
            (b"\x28\xb5\x2f\xfd\x04\x00\xff".to_vec(), None),
            (cut[..cut.len() / 2].to_vec(), Some("gzip")),
        ] {
            assert!(!opened(&body, encoding).is_whole, "{encoding:?}");
        }
        assert_eq!(opened(plain, Some("br")).texts, [text.as_str()]);
        assert_eq!(opened(b"\xFF\xFE3\08\0", None).texts, ["38"]);
    }

    #[test]
    fn what_only_looks_compressed_and_what_follows_a_stream_is_searched() {
        let plain = b"{\"to\": \"+385 99 000 1122\"}".as_slice();
        let latin = b"{\n \"to\": \"+385 99 000 1122\", \"name\": \"Jos\xe9\"}";
        assert!(!opened(latin, None).is_whole, "searched as bytes");
        let odd = [&vec![0xFF; DECOMPRESSED_LIMIT / 3], plain].concat();
        let broken = gzip(&odd);
        for body in [
            latin.to_vec(),
            gzip(latin),
            [zlib(b"{}"), plain.to_vec()].concat(),
            [zlib(b"{}"), zlib(plain)].concat(),
            [gzip(b"{}"), gzip(plain)].concat(),
            [gzip(b"{}"), plain.to_vec()].concat(),
            [gzip(b"{}"), latin.to_vec()].concat(),
            gzip(plain)[..gzip(plain).len() - 4].to_vec(),
            [b"\x1f\x8b", plain].concat(),
            odd.clone(),
            broken,
        ] {
            for encoding in [None, Some("deflate")] {
                let texts = opened(&body, encoding).texts;
                let is_there = texts.iter().any(|text| text.contains("+385 99 000 1122"));
                assert!(is_there, "{encoding:?} {:?}", &body[..20]);
            }
        }
    }

    #[test]
    fn odd_bytes_take_no_more_than_a_body_may() {
        let odd = vec![0xFF; DECOMPRESSED_LIMIT / 3];
        assert_eq!(decode(&odd, None).unwrap().len(), odd.len() * 3);
        let too_large = Err(ParseError::TooLarge(DECOMPRESSED_LIMIT));
        assert_eq!(decode(&vec![0xC3; odd.len() + 1], None), too_large);
        let mixed = decode(b"a\xFF\xFFb\xE2\x82", None).unwrap();
        assert_eq!(mixed, "a\u{FFFD}\u{FFFD}b\u{FFFD}");
        let Cow::Owned(mixed) = mixed else {
            panic!("it was replaced in nothing");
        };
        assert_eq!(mixed.capacity(), mixed.len(), "no more room than it takes");
        let mut wide = vec![0xFF; DECOMPRESSED_LIMIT];
        wide[1] = 0xFE;
        wide[2..].fill(0x30);
        assert_eq!(decode(&wide, None), too_large);
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
        for (length, expected) in [(100, true), (DECOMPRESSED_LIMIT + 2, false)] {
            let is_large = is_as_large_as(length, &bomb, Some("gzip"));
            assert_eq!(is_large, expected, "{length}");
            assert!(!is_as_large_as(100, &bomb[..80], None));
        }
        assert!(!is_as_large_as(100, b"junk", Some("gzip")));
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

//! stub
use super::{ParseError, Parsed};
pub(super) fn parse(_t: &str) -> Result<Parsed, ParseError> {
    Ok(Parsed::default())
}

//! stub
use super::{Hints, ParseError, Parsed};
pub(super) fn parse(_t: &str, _h: &Hints) -> Result<Parsed, ParseError> {
    Ok(Parsed::default())
}

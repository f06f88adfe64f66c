//! Which account events can cause which of Infobip's errors; its codes stand for WhatsApp's.

use super::super::definition::ErrorCause;
use super::super::meta::causes::{
    LIMITS, LOCKED_OR_NO_ACCESS, NO_ACCESS, NO_NUMBER, NO_TEMPLATE, RESTRICTED, SETTINGS, SPAM,
};

/// Codes that state no cause.
pub(super) const VAGUE: &[i64] = &[7050, 7080];

pub(super) const CAUSES: &[ErrorCause] = &[
    ErrorCause::of(&[7001, 7005, 7083], NO_ACCESS),
    ErrorCause::of(&[7009, 7037], NO_TEMPLATE),
    ErrorCause::of(&[7011], LOCKED_OR_NO_ACCESS),
    ErrorCause::of(&[7016], SPAM),
    ErrorCause::of(&[7017], LIMITS),
    ErrorCause::of(&[7021, 7027], RESTRICTED),
    ErrorCause::of(&[7030, 7033], &["contact.opted_out"]),
    ErrorCause::of(&[7034], NO_NUMBER),
    ErrorCause::of(&[7035], SETTINGS),
    ErrorCause::of(&[7036], &["template.pending"]),
];

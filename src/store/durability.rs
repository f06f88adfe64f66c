//! What an acknowledgement is worth: what a commit waits for before it is answered.

use crate::model::{Choice, UnknownWord};

/// What a commit waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::EnumString,
)]
#[strum(serialize_all = "kebab-case")]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = UnknownWord::of::<Self>)]
pub enum Durability {
    /// The disk: a power cut loses nothing that was acknowledged.
    #[default]
    Full,
    /// The operating system: a crash of the process loses nothing, a power cut may.
    Os,
}

impl Choice for Durability {
    const WHAT: &'static str = "durability";
}

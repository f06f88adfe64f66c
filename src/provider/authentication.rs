//! Whether a webhook comes from whom it says.

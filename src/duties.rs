//! Loops of which the service has one each: polling sources, taking replays further, watching
//! for trouble, pruning. None of them is on the way of a webhook.

pub mod housekeeping;
pub mod poll;
pub mod replay;
pub mod watch;

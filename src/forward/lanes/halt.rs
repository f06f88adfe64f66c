//! Why a lane sends nothing although its subscriber is active, said once in the log.
//!
//! The subscriber's state stays as it is: an operator decided nothing about it.

/// Whether it was logged, and what.
#[derive(Default)]
pub(super) struct Halt(Option<String>);

impl Halt {
    /// Says why, unless that was said last.
    pub(super) fn log(&mut self, subscriber: &str, why: &str) {
        if self.0.as_deref() != Some(why) {
            tracing::error!(subscriber, why, "forward.held");
            self.0 = Some(why.to_owned());
        }
    }

    /// All that it sends with is there, and it goes on; or there is no secret among it.
    pub(super) fn end_if(&mut self, has_secret: bool, subscriber: &str) {
        if !has_secret {
            let why = "it has no secret to sign with: tickrelay subscriber rotate-secret";
            self.log(subscriber, why);
        } else if self.0.take().is_some() {
            tracing::info!(subscriber, "forward.released");
        }
    }
}

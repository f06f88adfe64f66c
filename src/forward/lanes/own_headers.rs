//! A subscriber's own headers: those that are sent, and those that were sent before them.
//!
//! A subscriber may still answer with a credential that was replaced: it is hidden too. A restart
//! forgets it, since the store keeps no credential that is not sent.

use std::sync::Arc;

use crate::model::Headers;

/// So many that were replaced are still hidden.
const FORMER: usize = 4;

#[derive(Clone, Default)]
pub(super) struct OwnHeaders {
    pub(super) current: Arc<Headers>,
    /// The latest first.
    pub(super) former: Vec<Arc<Headers>>,
}

impl OwnHeaders {
    /// These are sent from now on.
    pub(super) fn replace(&mut self, headers: Headers) {
        if *self.current == headers {
            return;
        }
        let before = std::mem::replace(&mut self.current, Arc::new(headers));
        if !before.is_empty() {
            self.former.insert(0, before);
            self.former.truncate(FORMER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_that_were_replaced_are_kept() {
        let headers =
            |value: usize| Headers::from([("x-key".to_owned(), value.to_string().into())]);
        let mut own = OwnHeaders::default();
        for value in [0, 1, 1, 2, 3, 4, 5] {
            own.replace(headers(value));
        }
        assert_eq!(*own.current, headers(5));
        let former: Vec<Headers> = own.former.iter().map(|it| (**it).clone()).collect();
        assert_eq!(former, [4, 3, 2, 1].map(headers));
    }
}

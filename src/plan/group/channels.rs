//! What other channels reported of a message, in its row and out of it.
//!
//! The row shows what its channel reported, as every reader takes it; what is kept beside lets
//! WhatsApp's own part be distinguished again.

use serde::{Deserialize, Serialize};

use crate::model::{Message, OtherChannels, StatusHistory};

/// What is kept beside the row, as JSON.
#[derive(Serialize, Deserialize)]
struct StoredChannels<O> {
    #[serde(flatten)]
    others: O,
    /// Whether the row shows another channel's recipient, for want of one of WhatsApp's.
    lends_recipient: bool,
    /// The same of the sender.
    lends_sender: bool,
}

/// The channel whose status the row has; `None` when the message is one of WhatsApp's.
pub(crate) fn other(message: &Message) -> Option<&str> {
    (!message.is_whatsapp).then(|| message.channel())
}

/// What is kept beside the row; `None` when no other channel reported.
pub(crate) fn kept(message: &Message) -> Option<String> {
    if message.others.is_empty() {
        return None;
    }
    let kept = StoredChannels {
        others: &message.others,
        lends_recipient: message.recipient.is_none(),
        lends_sender: message.sender.is_none(),
    };
    // Words and numbers alone: serialising cannot fail.
    serde_json::to_string(&kept).ok()
}

/// The message as it was before it was shown: what the row has of a message that is none of
/// WhatsApp's is another channel's.
pub(crate) fn separated(
    mut message: Message,
    other_channel: Option<&str>,
    kept: Option<&str>,
) -> Message {
    message.is_whatsapp = other_channel.is_none();
    if !message.is_whatsapp {
        message.history = StatusHistory::new();
        message.failure = None;
        message.conflict = false;
    }
    let kept =
        kept.and_then(|json| serde_json::from_str::<StoredChannels<OtherChannels>>(json).ok());
    if let Some(kept) = kept {
        message.others = kept.others;
        message.recipient = message.recipient.filter(|_| !kept.lends_recipient);
        message.sender = message.sender.filter(|_| !kept.lends_sender);
    }
    message
}

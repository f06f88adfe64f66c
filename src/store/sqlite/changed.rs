//! How this engine makes each change; the statements stand with the other statements of their table.

use super::changes::{Changing, SqliteChange};
use crate::access::token::TokenRecord;
use crate::model::{SigningSecret, Subscriber};
use crate::store::change::{
    AlterSubscriber, DeleteSubscriber, DeleteTemplate, EndReplay, EndToken, InsertJob,
    InsertReplay, InsertSecret, InsertSubscriber, InsertToken, NoChange, OpenPoll, RequeueForwards,
    SetSubscriberState, WriteTemplate,
};
use crate::store::poll::PollRecord;
use crate::store::replay::ReplayRecord;
use crate::store::timeline::ForwardDetail;
use crate::store::{Error, TemplateRecord};

impl SqliteChange for InsertSubscriber {
    fn make(self, changing: &mut Changing<'_>) -> Result<(Subscriber, SigningSecret), Error> {
        changing.add_subscriber(&self.new)
    }
}

impl SqliteChange for AlterSubscriber {
    fn make(self, changing: &mut Changing<'_>) -> Result<Subscriber, Error> {
        changing.update_subscriber(self.subscriber_id, &self.change)
    }
}

impl SqliteChange for SetSubscriberState {
    fn make(self, changing: &mut Changing<'_>) -> Result<Subscriber, Error> {
        changing.set_state(self.subscriber_id, self.state)
    }
}

impl SqliteChange for DeleteSubscriber {
    fn make(self, changing: &mut Changing<'_>) -> Result<usize, Error> {
        changing.remove_subscriber(self.subscriber_id)
    }
}

impl SqliteChange for InsertSecret {
    fn make(self, changing: &mut Changing<'_>) -> Result<(Subscriber, SigningSecret), Error> {
        changing.rotate_secret(self.subscriber_id, self.old_until_ms)
    }
}

impl SqliteChange for RequeueForwards {
    fn make(
        self,
        changing: &mut Changing<'_>,
    ) -> Result<(usize, Option<Box<ForwardDetail>>), Error> {
        let queued = changing.retry(&self.selection)?;
        let detail = match self.selection.forward_ids.as_slice() {
            [id] => changing.forward(*id, &self.scope)?.map(Box::new),
            _ => None,
        };
        Ok((queued, detail))
    }
}

impl SqliteChange for InsertReplay {
    fn make(self, changing: &mut Changing<'_>) -> Result<ReplayRecord, Error> {
        changing.begin_replay(self.subscriber_id, &self.selection)
    }
}

impl SqliteChange for EndReplay {
    fn make(self, changing: &mut Changing<'_>) -> Result<(ReplayRecord, bool), Error> {
        changing.cancel_replay(self.replay_id)
    }
}

impl SqliteChange for OpenPoll {
    fn make(self, changing: &mut Changing<'_>) -> Result<PollRecord, Error> {
        changing.open_poll(&self.source, self.provider, &self.broadcast)
    }
}

impl SqliteChange for WriteTemplate {
    fn make(self, changing: &mut Changing<'_>) -> Result<TemplateRecord, Error> {
        changing.put_template(&self.name, &self.language, &self.body)
    }
}

impl SqliteChange for DeleteTemplate {
    fn make(self, changing: &mut Changing<'_>) -> Result<(), Error> {
        changing.remove_template(&self.name, &self.language)
    }
}

impl SqliteChange for InsertToken {
    fn make(self, changing: &mut Changing<'_>) -> Result<(TokenRecord, String), Error> {
        changing.create_token(&self.new)
    }
}

impl SqliteChange for EndToken {
    fn make(self, changing: &mut Changing<'_>) -> Result<TokenRecord, Error> {
        changing.revoke_token(self.token_id)
    }
}

impl SqliteChange for InsertJob {
    fn make(self, changing: &mut Changing<'_>) -> Result<(), Error> {
        changing.insert_job(&self.new)
    }
}

impl SqliteChange for NoChange {
    fn make(self, _: &mut Changing<'_>) -> Result<(), Error> {
        Ok(())
    }
}

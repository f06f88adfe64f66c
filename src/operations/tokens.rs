//! Creating and ending tokens of the management API.

use super::{Answer, Failure, Operations, check_name};
use crate::access::token::NewToken;
use crate::access::{Caller, Role};

impl Operations {
    pub(super) async fn create_token(
        &self,
        caller: &Caller,
        new: NewToken,
    ) -> Result<Answer, Failure> {
        let invalid = |fault| Failure::Invalid(vec![fault]);
        check_name("/name", &new.name).map_err(invalid)?;
        match (&new.owner, new.role) {
            (None, Role::Integrator) => {
                return Err(Failure::invalid(
                    "/owner",
                    "an integrator sees its owner's subscribers alone: say --owner",
                ));
            }
            (Some(owner), Role::Integrator) => check_name("/owner", owner).map_err(invalid)?,
            (Some(_), role) => {
                return Err(Failure::invalid(
                    "/owner",
                    format!("only an integrator has an owner, not the role {role}"),
                ));
            }
            (None, _) => {}
        }
        for (index, source) in new.sources.iter().enumerate() {
            self.known_source(caller, source)
                .map_err(|detail| Failure::invalid(format!("/sources/{index}"), detail))?;
        }
        if new
            .expires_at_ms
            .is_some_and(|ms| ms <= self.clock.now_ms())
        {
            return Err(Failure::invalid("/expires", "expires is not in the future"));
        }
        let (token, text) = self.store.create_token(new).await?;
        tracing::info!(token = token.token_id, role = %token.token.role, "token.created");
        Ok(Answer::Token { token, text })
    }

    pub(super) async fn revoke_token(&self, id: i64) -> Result<Answer, Failure> {
        let token = self.store.revoke_token(id).await?;
        tracing::info!(token = id, "token.revoked");
        Ok(Answer::Revoked(token))
    }
}

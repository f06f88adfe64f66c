//! Creating and ending tokens of the management API.

use super::{Answer, By, CreatedToken, Failure, Operations, check_name};
use crate::access::Role;
use crate::access::token::NewToken;

impl Operations {
    pub(super) async fn create_token(&self, by: &By, new: NewToken) -> Result<Answer, Failure> {
        let caller = &by.caller;
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
        let role = new.role;
        let created = self.change(by, move |changing| {
            let (token, text) = changing.create_token(&new)?;
            Ok(Answer::Token(CreatedToken { token, text }))
        });
        let answer = created.await?;
        tracing::info!(%role, "token.created");
        Ok(answer)
    }

    pub(super) async fn revoke_token(&self, by: &By, id: i64) -> Result<Answer, Failure> {
        let revoked = self.change(by, move |changing| {
            Ok(Answer::Revoked(changing.revoke_token(id)?))
        });
        let answer = revoked.await?;
        tracing::info!(token = id, "token.revoked");
        Ok(answer)
    }
}

//! Creating and ending tokens of the management API.

use std::convert::identity;

use serde_json::json;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Operation, Operations, check_name};
use crate::access::token::{NewToken, TokenRecord};
use crate::access::{Caller, Permission, Role};
use crate::model::TokenKey;
use crate::store::change::{EndToken, InsertToken};

/// Make a token of the management API.
#[derive(Debug, Clone)]
pub struct CreateToken(pub NewToken);

/// A token and its text, which is shown this once.
#[derive(Debug)]
pub struct CreatedToken {
    /// The token.
    pub token: TokenRecord,
    /// `tr_…`
    pub text: String,
}

/// End a token.
#[derive(Debug, Clone, Copy)]
pub struct RevokeToken {
    /// Its key.
    pub id: TokenKey,
}

impl Operation for CreateToken {
    type Answer = CreatedToken;
    const NEEDS: Permission = Permission::ManageTokens;

    fn note(&self) -> Option<Note> {
        Some(Note::new("token", "created").with(json!(self.0)))
    }

    fn noted(note: Note, created: &CreatedToken) -> Option<Note> {
        Some(note.with_id(&created.token.token_id))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<CreatedToken, Failure> {
        let Self(new) = self;
        operations.check_token(&by.caller, &new)?;
        let role = new.role;
        let made = |(token, text)| CreatedToken { token, text };
        let created = operations.change(by, InsertToken { new }, made).await?;
        tracing::info!(%role, "token.created");
        Ok(created)
    }
}

impl Operation for RevokeToken {
    type Answer = TokenRecord;
    const NEEDS: Permission = Permission::ManageTokens;

    fn note(&self) -> Option<Note> {
        Some(Note::new("token", "revoked").with_id(&self.id))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<TokenRecord, Failure> {
        let token_id = self.id;
        let revoked = operations.change(by, EndToken { token_id }, identity);
        let revoked = revoked.await?;
        tracing::info!(token = token_id.number(), "token.revoked");
        Ok(revoked)
    }
}

impl Operations {
    fn check_token(&self, caller: &Caller, new: &NewToken) -> Result<(), Failure> {
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
            let detail = "expires_at is not in the future";
            return Err(Failure::invalid("/expires_at", detail));
        }
        Ok(())
    }
}

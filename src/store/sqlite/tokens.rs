//! Tokens: kept as hashes; looked up in memory.

use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq as _;

use super::changes::Changing;
use super::writer::WriterJob;
use super::{SqliteStore, backend};
use crate::access::token::{self, Hash, NewToken, TokenRecord};
use crate::model::TokenKey;
use crate::store::Error;

/// The tokens as they stand in the table.
pub(super) struct Tokens(RwLock<Vec<(Hash, TokenRecord)>>);

impl Tokens {
    pub(super) fn load(connection: &Connection) -> Result<Self, Error> {
        Ok(Self::of(load(connection)?))
    }

    /// These, as they were read.
    pub(super) const fn of(tokens: Vec<(Hash, TokenRecord)>) -> Self {
        Self(RwLock::new(tokens))
    }

    /// Reads them again after a change.
    pub(super) fn reload(&self, connection: &Connection) -> Result<(), Error> {
        let tokens = load(connection)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(())
    }

    /// Knows none from here on, so that none is valid.
    pub(super) fn forget(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn read(&self) -> Vec<TokenRecord> {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().map(|(_, token)| token.clone()).collect()
    }
}

fn load(connection: &Connection) -> Result<Vec<(Hash, TokenRecord)>, Error> {
    select(connection).map_err(|error| backend("cannot read the tokens".to_owned(), error))
}

pub(super) fn select(connection: &Connection) -> rusqlite::Result<Vec<(Hash, TokenRecord)>> {
    connection
        .prepare("SELECT * FROM token ORDER BY token_id")?
        .query_map([], read_token)?
        .collect()
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<(Hash, TokenRecord)> {
    let sources: String = row.get("sources")?;
    let token = NewToken {
        name: row.get("name")?,
        role: row.get("role")?,
        owner: row.get("owner")?,
        sources: serde_json::from_str(&sources).map_err(super::cell::unreadable)?,
        expires_at_ms: row.get("expires_at_ms")?,
    };
    let record = TokenRecord {
        token_id: row.get("token_id")?,
        token,
        created_at_ms: row.get("created_at_ms")?,
        last_used_ms: row.get("last_used_ms")?,
        revoked_at_ms: row.get("revoked_at_ms")?,
    };
    Ok((row.get("hash")?, record))
}

impl Changing<'_> {
    /// Keeps a new token; its text is returned here and shown nowhere else.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn create_token(&mut self, new: &NewToken) -> Result<(TokenRecord, String), Error> {
        let text = token::generate();
        // It was just made, so it is one.
        let hash = token::hash(&text).unwrap_or_default();
        let sources = serde_json::to_string(&new.sources).unwrap_or_default();
        let (_, record) = self
            .connection
            .query_row(
                "INSERT INTO token (hash, name, role, owner, sources, created_at_ms, \
                 expires_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING *",
                params![
                    hash,
                    new.name,
                    new.role,
                    new.owner,
                    sources,
                    self.now_ms,
                    new.expires_at_ms
                ],
                read_token,
            )
            .map_err(|error| backend("cannot keep the token".to_owned(), error))?;
        self.after.tokens();
        Ok((record, text))
    }

    /// Ends a token now; one that was revoked stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub(super) fn revoke_token(&mut self, token_id: TokenKey) -> Result<TokenRecord, Error> {
        let revoke = || -> rusqlite::Result<Option<(Hash, TokenRecord)>> {
            self.connection
                .query_row(
                    "UPDATE token SET revoked_at_ms = coalesce(revoked_at_ms, ?2) \
                     WHERE token_id = ?1 RETURNING *",
                    params![token_id, self.now_ms],
                    read_token,
                )
                .optional()
        };
        let (_, record) = revoke()
            .map_err(|error| backend("cannot revoke the token".to_owned(), error))?
            .ok_or_else(|| Error::NotFound(format!("token has the key {token_id}")))?;
        self.after.tokens();
        Ok(record)
    }
}

impl SqliteStore {
    pub(in crate::store) fn tokens(&self) -> Vec<TokenRecord> {
        self.tokens.read()
    }

    pub(in crate::store) fn find_token(&self, text: &str) -> Option<TokenRecord> {
        let hash = token::hash(text)?;
        let tokens = self.tokens.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (kept, token) in tokens.iter() {
            if bool::from(kept.ct_eq(&hash)) {
                found = Some(token);
            }
        }
        found.cloned()
    }

    pub(in crate::store) fn note_token_used(&self, token_id: TokenKey) {
        let now_ms = self.clock.now_ms();
        let is_new = {
            let mut tokens = self
                .tokens
                .0
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let mut tokens = tokens.iter_mut().map(|(_, token)| token);
            let token = tokens.find(|token| token.token_id == token_id);
            token.is_some_and(|token| token.note_use(now_ms))
        };
        if !is_new {
            return;
        }
        // A request does not wait for it: the time of a use is worth no sync of the disk.
        self.writer.send(WriterJob::Run(Box::new(move |core| {
            let noted = core.change("note the token's use", |connection, _| {
                let sql = "UPDATE token SET last_used_ms = ?2 WHERE token_id = ?1";
                connection
                    .execute(sql, params![token_id, now_ms])
                    .map_err(|error| backend("cannot note the token's use".to_owned(), error))
            });
            if let Err(error) = noted {
                tracing::warn!(%error, "api.token_use_not_noted");
            }
        })));
    }
}

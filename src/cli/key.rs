//! `tickrelay key`: the keys that seal the store's secrets.

use clap::{Args, Subcommand};

use super::{Exit, Settings, Terminal, ask};
use crate::admin::{Answer, Request};
use crate::store::SealedPlace;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Show the keys by their ids: which seals, which are used, which are missing
    List(KeyListArgs),
    /// Make a new key and seal all secrets again with it
    ///
    /// The new key takes the old one's place in the file beside the store. Where the configuration names
    /// the keys, put the new one first in `store.key`, start the service again and run this; then the old
    /// one may go. Backups that were made before need the old key.
    Rotate,
}

#[derive(Debug, Args)]
pub(super) struct KeyListArgs {
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

impl KeyCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let (request, json) = match self {
            Self::List(KeyListArgs { json }) => (Request::ListKeys, json),
            Self::Rotate => (Request::RotateKey, false),
        };
        match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Keys(keys)) if json => terminal.json(&keys),
            Some(Answer::Keys(keys)) => {
                for (index, id) in keys.at_hand.iter().enumerate() {
                    let does = if index == 0 {
                        "seals and opens"
                    } else {
                        "opens"
                    };
                    let used = if keys.used.contains(id) {
                        ""
                    } else {
                        ", not used"
                    };
                    writeln!(terminal.data, "{id}  {does}{used}")?;
                }
                for id in &keys.missing {
                    writeln!(
                        terminal.data,
                        "{id}  missing: what it sealed cannot be used"
                    )?;
                }
                Ok(Exit::Done)
            }
            Some(Answer::KeyRotated(resealed)) => {
                writeln!(
                    terminal.talk,
                    "Sealed again with the key {}: {} values. Keep a copy of the new key; backups made \
                     before need the old one.",
                    resealed.key, resealed.values
                )?;
                if let Some(file) = &resealed.file {
                    writeln!(terminal.talk, "The new key is in {}.", file.display())?;
                }
                damaged(&resealed.damaged, terminal)
            }
            Some(other) => Err(ask::unexpected(&other)),
            None => Ok(Exit::Refused),
        }
    }
}

/// Names what could not be opened, and says what to do about it.
fn damaged(places: &[SealedPlace], terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    if places.is_empty() {
        return Ok(Exit::Done);
    }
    for place in places {
        writeln!(terminal.talk, "damaged: {place}")?;
    }
    let (secret, header, url) = (
        "`subscriber rotate-secret NAME --now`",
        "`subscriber update NAME --header` or `--bearer`",
        "`subscriber update NAME --url`",
    );
    writeln!(
        terminal.talk,
        "Damaged values are as they were and open with no key, and the old key was kept. Bring them back from a \
         backup, or replace them: {secret} for subscriber_secret, {header} for subscriber_header, {url} for \
         subscriber. Kept answers go after 24 h. Then rotate again."
    )?;
    Ok(Exit::Refused)
}

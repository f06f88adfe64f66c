//! `tickrelay key`: the keys that seal the store's secrets.

use clap::{Args, Subcommand};

use super::client::{self, Client, Purpose};
use super::{Exit, Settings, Terminal};
use crate::store::{Resealed, SealedPlace};
use crate::web::api::keys::KeysView;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Show the sealing key, the keys in use and the missing keys, by their ids
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
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl KeyCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(settings, terminal),
            Self::Rotate => rotate(settings, terminal),
        }
    }
}

impl KeyListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let list = |client: &Client| client.get(&["keys"], &[]);
        let keys: KeysView = client::with(settings, Purpose::Read, list)?;
        if self.json {
            return terminal.json(&keys);
        }
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
}

fn rotate(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let rotate = |client: &Client| client.job(&["keys", "rotate"], &());
    let resealed: Resealed = client::with(settings, Purpose::Change, rotate)?;
    terminal.done = Some(format!(
        "all that could be opened was sealed again with the key {}: `tickrelay key list` shows the keys",
        resealed.key
    ));
    writeln!(
        terminal.talk,
        "Sealed again with the key {}: {} values. Keep a copy of the new key; backups made before need \
         the old one.",
        resealed.key, resealed.values
    )?;
    if let Some(file) = &resealed.file {
        writeln!(terminal.talk, "The new key is in {}.", file.display())?;
    }
    damaged(&resealed.damaged, terminal)
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
         subscriber. Kept answers go after 24 h, and what a job is to do goes at the next start. Then rotate again."
    )?;
    Ok(Exit::Refused)
}

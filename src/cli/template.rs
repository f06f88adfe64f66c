//! `tickrelay template`: the bodies that texts are rendered from.

use clap::{Args, Subcommand};

use super::table::{shorten, table};
use super::time::stamp;
use super::{Exit, Settings, Terminal, ask};
use crate::operations::{Answer, Request};
use crate::store::query::Window;

/// The verbs of `template`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Write a template's body, over the one before
    Put(Put),
    /// List all, the newest first
    List(List),
    /// Remove one; texts that were rendered stay
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Put {
    /// Its name
    name: String,
    /// The code of its language
    language: String,
    /// The text, with placeholders as in {{1}} or {{name}}
    body: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its name
    name: String,
    /// The code of its language
    language: String,
}

impl Verb {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let request = match self {
            Self::Put(put) => Request::PutTemplate {
                name: put.name,
                language: put.language,
                body: put.body,
            },
            Self::Remove(remove) => Request::RemoveTemplate {
                name: remove.name,
                language: remove.language,
            },
            Self::List(list) => return list.run(settings, terminal),
        };
        let word = match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Template(_)) => "written",
            Some(Answer::TemplateRemoved) => "removed",
            Some(other) => return Err(ask::unexpected(&other)),
            None => return Ok(Exit::Refused),
        };
        writeln!(terminal.talk, "the template is {word}")?;
        Ok(Exit::Done)
    }
}

impl List {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let templates = settings
            .reader()?
            .templates(Window::newest(usize::MAX >> 1))?;
        if self.json {
            return terminal.json(&templates);
        }
        if templates.is_empty() {
            return terminal.refuse("there is no template yet");
        }
        let rows = templates.iter().map(|template| {
            vec![
                template.name.clone(),
                template.language.clone(),
                stamp(template.updated_at_ms),
                shorten(&template.body.replace('\n', " "), 60),
            ]
        });
        let headings = ["NAME", "LANGUAGE", "WRITTEN (UTC)", "BODY"];
        write!(terminal.data, "{}", table(&headings, rows))?;
        Ok(Exit::Done)
    }
}

//! `tickrelay template`: the bodies that texts are rendered from.

use clap::{Args, Subcommand};

use super::table::table;
use super::time::stamp;
use super::{Exit, Settings, Terminal, ask, page};
use crate::admin::{Answer, Request};

/// The name of the list in its cursors.
const LIST: &str = "templates";

/// The verbs of `template`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a template, or replace its body
    Put(Put),
    /// List templates, the newest first
    List(List),
    /// Remove a template; rendered texts stay
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
    /// Go on from where the list ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
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
        let window = page::window(LIST, usize::MAX >> 1, self.cursor.as_deref())?;
        let templates = settings.reader()?.templates(window)?;
        let rest = page::cut_short(LIST, &templates);
        let templates = templates.rows;
        if self.json {
            page::say(rest, terminal)?;
            return terminal.json(&templates);
        }
        if templates.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| "there is no template yet".to_owned()));
        }
        let mut templates = templates;
        templates.sort_by_key(|template| std::cmp::Reverse(template.updated_at_ms));
        let rows = templates.iter().map(|template| {
            vec![
                template.name.clone(),
                template.language.clone(),
                stamp(template.updated_at_ms),
                template.body.replace('\n', " "),
            ]
        });
        let headings = ["NAME", "LANGUAGE", "WRITTEN (UTC)", "BODY"];
        let text = table(&headings, rows, terminal.width);
        write!(terminal.data, "{text}")?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

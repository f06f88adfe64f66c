//! `tickrelay template`: the bodies that texts are rendered from.

use clap::{Args, Subcommand};

use super::list::List;
use super::time::stamp;
use super::{Exit, Settings, Terminal, ask, page};
use crate::admin::{Answer, Request};
use crate::store::TemplateRecord;

/// The name of the list in its cursors.
const LIST: &str = "templates";

/// The verbs of `template`.
#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Add a template, or replace its body
    Put(TemplatePutArgs),
    /// List templates, the newest first
    List(TemplateListArgs),
    /// Remove a template; rendered texts stay
    Remove(TemplateRemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct TemplatePutArgs {
    /// Its name
    name: String,
    /// The code of its language
    language: String,
    /// The text, with placeholders as in {{1}} or {{name}}
    body: String,
}

#[derive(Debug, Args)]
pub(super) struct TemplateListArgs {
    /// Go on from where the list ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TemplateRemoveArgs {
    /// Its name
    name: String,
    /// The code of its language
    language: String,
}

impl TemplateCommand {
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

impl TemplateListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let window = page::window(LIST, usize::MAX >> 1, self.cursor.as_deref())?;
        let mut templates = settings.reader()?.templates(window)?;
        let rest = page::cut_short(LIST, &templates);
        let templates = &mut templates.rows;
        templates.sort_by_key(|template| std::cmp::Reverse(template.updated_at_ms));
        let list = List {
            columns: &[
                ("NAME", &|template: &TemplateRecord| template.name.clone()),
                ("LANGUAGE", &|template| template.language.clone()),
                ("WRITTEN (UTC)", &|template| stamp(template.updated_at_ms)),
                ("BODY", &|template| template.body.replace('\n', " ")),
            ],
            nothing: "there is no template yet",
        };
        list.show((templates, rest), self.json, terminal)
    }
}

//! `tickrelay template`: the bodies that texts are rendered from.

use std::cmp::Reverse;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{self, Client, Purpose};
use super::list::List;
use super::time::stamp;
use super::{Exit, Settings, Terminal};
use crate::web::api::templates::TemplateView;

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
    /// Continue from this cursor of the previous page
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with the API's JSON document
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
        match self {
            Self::Put(put) => put.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
            Self::Remove(remove) => remove.run(settings, terminal),
        }
    }
}

impl TemplatePutArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["templates", &self.name, &self.language];
        let body = json!({ "body": self.body });
        let put = |client: &Client| client.put(&path, &body);
        let _: TemplateView = client::with(settings, Purpose::Change, put)?;
        terminal.done = Some("the template was written".to_owned());
        writeln!(terminal.talk, "the template is written")?;
        Ok(Exit::Done)
    }
}

impl TemplateRemoveArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["templates", &self.name, &self.language];
        client::with(settings, Purpose::Change, |client| client.delete(&path))?;
        terminal.done = Some("the template was removed".to_owned());
        writeln!(terminal.talk, "the template is removed")?;
        Ok(Exit::Done)
    }
}

impl TemplateListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let all = (usize::MAX, self.cursor.as_deref());
        let mut templates = client::with(settings, Purpose::Read, |client| {
            client.rows::<TemplateView>(&["templates"], &[], all)
        })?;
        (templates.data).sort_by_key(|template| Reverse(i64::from(template.updated_at)));
        let list = List {
            columns: &[
                ("NAME", &|template: &TemplateView| template.name.clone()),
                ("LANGUAGE", &|template| template.language.clone()),
                ("WRITTEN (UTC)", &|template| stamp(template.updated_at)),
                ("BODY", &|template| template.body.replace('\n', " ")),
            ],
            nothing: "there is no template yet",
        };
        list.show_page(&templates, self.json, terminal)
    }
}

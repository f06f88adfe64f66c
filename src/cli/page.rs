//! The pages of a list: how many rows, and from where on.

use clap::Args;
use serde::de::DeserializeOwned;

use super::client::Client;
use super::usage::limit;
use crate::web::api::page::Page;

/// The flags of a list.
#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = limit)]
    limit: usize,
    /// Continue from this cursor of the previous page
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with the API's JSON document
    #[arg(long)]
    pub(super) json: bool,
}

impl PageArgs {
    /// The rows of a list of the API, narrowed by these parameters.
    ///
    /// # Errors
    /// As the client's.
    pub(super) fn rows<T: DeserializeOwned>(
        &self,
        client: &Client,
        path: &[&str],
        query: &[(&str, Option<String>)],
    ) -> anyhow::Result<Page<T>> {
        let given = query.iter();
        let given = given.filter_map(|(name, value)| Some((*name, value.clone()?)));
        let given: Vec<(&str, String)> = given.collect();
        client.rows(path, &given, (self.limit, self.cursor.as_deref()))
    }

    /// As many of the newest rows of another list.
    pub(super) const fn newest(&self) -> (usize, Option<&str>) {
        (self.limit, None)
    }

    /// Whether it goes on from the end of a page.
    pub(super) const fn is_continued(&self) -> bool {
        self.cursor.is_some()
    }
}

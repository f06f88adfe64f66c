//! `tickrelay explain`: what an error code means, in plain words.

use clap::Args;
use serde_json::{Value, json};

use super::client::{self, Client, Purpose};
use super::list::List;
use super::table::{facts, item, prose};
use super::time::stamp;
use super::{Exit, Settings, Terminal};
use crate::catalogue::{self, CatalogueEntry};
use crate::model::{Word as _, nearest, quoted};
use crate::web::api::errors::UnknownErrorView;
use crate::web::api::page::Page;

/// More hits than this are shown as a list, fewer at length.
const AT_LENGTH: usize = 3;

/// Say in plain words what an error code means.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(super) struct Explain {
    /// A code (131026), a key (infobip:8), a name (structure_unavailable) or any words; several codes,
    /// keys and names are explained one after the other
    #[arg(required_unless_present = "unknown", conflicts_with = "unknown")]
    term: Vec<String>,
    /// List the codes in the store that the catalogue does not know
    #[arg(long)]
    unknown: bool,
    /// With --unknown, continue from this cursor of the previous page
    #[arg(long, value_name = "WORD", requires = "unknown")]
    cursor: Option<String>,
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        if self.unknown {
            let cursor = self.cursor.clone().map(|cursor| ("cursor", cursor));
            let query = Vec::from_iter(cursor);
            let list = |client: &Client| client.get(&["unknown-errors"], &query);
            let unknown = client::with(settings, Purpose::Read, list)?;
            return list_unknown(&unknown, self.json, terminal);
        }
        let mut exit = Exit::Done;
        let mut found: Vec<&'static CatalogueEntry> = Vec::new();
        for (at, term) in terms(&self.term).iter().enumerate() {
            let entries = catalogue::search(term);
            if entries.is_empty() {
                exit = terminal.refuse(not_known(term))?;
                continue;
            }
            if self.json {
                let new = entries.into_iter();
                found.extend(
                    new.filter(|entry| !found.iter().any(|it| it.key == entry.key))
                        .collect::<Vec<_>>(),
                );
                continue;
            }
            if at > 0 {
                writeln!(terminal.data)?;
            }
            write(term, &entries, terminal)?;
        }
        if self.json && !found.is_empty() {
            let entries: Vec<Value> = found.iter().map(|entry| as_json(entry)).collect();
            terminal.json(&entries)?;
        }
        Ok(exit)
    }
}

/// What was asked for: each code, key or name for itself; any other words together.
fn terms(words: &[String]) -> Vec<String> {
    let is_code = |word: &String| {
        let code = word.rsplit(':').next().unwrap_or(word);
        let is_number = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
        is_number || word.contains(':') || !catalogue::called(word).is_empty()
    };
    if words.iter().any(is_code) {
        words.to_vec()
    } else {
        vec![words.join(" ")]
    }
}

fn not_known(term: &str) -> String {
    let names = catalogue::all()
        .iter()
        .flat_map(|entry| [entry.key.as_str(), entry.name.as_str()]);
    let meant = nearest(term, names).map(|meant| format!("did you mean {meant}? "));
    format!(
        "the catalogue knows no {}: {}look it up at the provider; \
         `tickrelay explain --unknown` lists what was seen of such codes",
        quoted(term),
        meant.unwrap_or_default()
    )
}

/// Few entries at length, many as a list.
fn write(
    term: &str,
    entries: &[&'static CatalogueEntry],
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    if entries.len() <= AT_LENGTH {
        let explained: Vec<String> = entries.iter().map(|entry| explained(entry)).collect();
        write!(terminal.data, "{}", explained.join("\n"))?;
        return Ok(());
    }
    let list = List {
        columns: &[
            ("KEY", &|entry: &&CatalogueEntry| entry.key.clone()),
            ("NAME", &|entry| entry.name.clone()),
            ("MEANING", &|entry| entry.meaning.clone()),
        ],
        nothing: "",
    };
    write!(terminal.data, "{}", list.table(entries, terminal.width))?;
    writeln!(
        terminal.talk,
        "\n{} fit {}; `tickrelay explain KEY` explains one at length",
        entries.len(),
        quoted(term)
    )?;
    Ok(())
}

fn explained(entry: &CatalogueEntry) -> String {
    let code = entry
        .code
        .map_or_else(|| entry.key.clone(), |code| code.to_string());
    let doubt = (!entry.confirmed).then(|| {
        "The provider's present documents do not list this code; these words are our reading of it."
            .to_owned()
    });
    let proves = entry
        .implies
        .map(|implied| format!("The message was a {implied}."));
    let nearest = entry
        .whatsapp_code
        .map(|code| format!("{code} comes nearest among WhatsApp's codes."));
    let head = item(&format!("{code}: {} ({})", entry.name, entry.provider), 0);
    let facts = facts([
        ("  What happened", Some(entry.meaning.clone())),
        ("  Who can fix it", Some(entry.fix.who().to_owned())),
        ("  What to do", Some(entry.remedy.clone())),
        ("  Send again?", Some(entry.resend.explain().to_owned())),
        ("  It proves", proves),
        ("  Nearest", nearest),
        ("  Note", doubt),
    ]);
    let article = entry.article.as_ref();
    let article = article.map_or_else(String::new, |article| format!("\n{}", prose(article, 2)));
    head + &facts + &article
}

fn as_json(entry: &CatalogueEntry) -> Value {
    json!({
        "error_key": entry.key,
        "provider": entry.provider,
        "code": entry.code,
        "name": entry.name,
        "meaning": entry.meaning,
        "remedy": entry.remedy,
        "fixed_by": entry.fix.as_str(),
        "resend": entry.resend.as_str(),
        "implies_type": entry.implies,
        "whatsapp_code": entry.whatsapp_code,
        "confirmed": entry.confirmed,
        "article": entry.article,
    })
}

fn list_unknown(
    page: &Page<UnknownErrorView>,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let list = List {
        columns: &[
            ("KEY", &|error: &UnknownErrorView| error.key.clone()),
            ("REPORTS", &|error| error.reports.to_string()),
            ("LAST SEEN (UTC)", &|error| stamp(error.last_seen_at)),
            ("THE PROVIDER SAYS", &|error| {
                let texts = [&error.title, &error.details];
                let texts = texts.into_iter().flatten().map(String::as_str);
                texts.collect::<Vec<_>>().join(": ")
            }),
        ],
        nothing: "the catalogue knows every error code in the store",
    };
    list.show_page(page, as_json, terminal)
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn a_code_is_explained_at_length_and_words_find_many() {
        let cases = [
            (&["131026"][..], Exit::Done, "131026: "),
            (&["structure_unavailable"], Exit::Done, "language"),
            (&["message", "undeliverable"], Exit::Done, "131026"),
            (&["131026", "meta:131047"], Exit::Done, "131047: "),
            (&["131026", "meta:777777"], Exit::Refused, "131026: "),
            (&["no-such-thing-at-all"], Exit::Refused, ""),
        ];
        for (term, exit, part) in cases {
            let (ended, data, talk) = run(&[&["explain"], term].concat());
            assert_eq!(ended, exit, "{term:?}: {talk}");
            assert!(data.contains(part), "{term:?}: {data}");
            // A list is whole where no terminal reads it; an explanation at length is wrapped.
            let is_list = data.starts_with("KEY ");
            assert!(
                is_list || data.lines().all(|line| line.chars().count() <= 100),
                "{data}"
            );
        }
    }

    #[test]
    fn json_holds_the_whole_entry() {
        let (_, data, _) = run(&["explain", "131026", "--json"]);
        let entries: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(entries[0]["error_key"], "meta:131026");
        assert_eq!(entries[0]["fixed_by"], "recipient");
    }
}

//! Where a command writes, and how it ends.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::model::{ECHOED, Echoed, bounded, plain};

/// How a command ended that is not broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command did its work.
    Done,
    /// There was nothing to be found, or it refused.
    Refused,
}

/// Where a command writes.
pub struct Terminal<'a> {
    /// The command's data: stdout.
    pub data: &'a mut dyn Write,
    /// Everything else that people should read: stderr.
    pub talk: &'a mut dyn Write,
    /// What was changed so far, to be said when the rest fails or the answer cannot be written.
    pub done: Option<String>,
    /// What was typed and is too long to be repeated: see `long`.
    pub typed: Vec<String>,
    /// The columns of the terminal that the data goes to; `None` where a program or a file takes
    /// it, which gets all of it.
    pub width: Option<usize>,
}

/// The columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 100;

/// The columns of the terminal on stdout, if it is one.
pub(super) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    Some(
        columns
            .filter(|columns| *columns > 0)
            .unwrap_or(USUAL_WIDTH),
    )
}

/// The arguments, and what stands in them behind a `=` or a scheme, that are longer than an error may
/// repeat.
pub(super) fn long(arguments: &[String]) -> Vec<String> {
    let parts = arguments.iter().flat_map(|argument| {
        let value = argument.split_once('=').map(|(_, value)| value);
        let path = argument.split_once("://").map(|(_, path)| path);
        [Some(argument.as_str()), value, path]
    });
    let parts = parts.flatten().map(str::trim);
    let long = parts.filter(|part| part.chars().nth(ECHOED).is_some());
    long.map(str::to_owned).collect()
}

impl Terminal<'_> {
    /// Writes the command's data as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<Exit> {
        serde_json::to_writer_pretty(&mut self.data, value).map_err(io::Error::from)?;
        writeln!(self.data)?;
        self.data.flush()?;
        Ok(Exit::Done)
    }

    /// Says that there is nothing, or why not.
    pub(super) fn refuse(&mut self, why: impl Display) -> anyhow::Result<Exit> {
        let why = self.shortened(&why.to_string());
        writeln!(self.talk, "{why}")?;
        Ok(Exit::Refused)
    }

    /// A message to people with no more in it of what was typed than an error repeats.
    pub(super) fn shortened(&self, message: &str) -> String {
        let cut = |message: String, typed: &String| {
            message.replace(typed.as_str(), &Echoed(typed).to_string())
        };
        bounded(&self.typed.iter().fold(plain(message), cut))
    }
}

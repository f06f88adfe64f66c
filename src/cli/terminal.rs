//! Where a command writes, and how it ends.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::model::plain;

/// How a command ended that is not broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Done,
    /// There was nothing to be found, or it refused.
    Refused,
}

/// Where a command writes.
pub struct Terminal<'a> {
    /// What was asked for: stdout.
    pub data: &'a mut dyn Write,
    /// Everything else that people should read: stderr.
    pub talk: &'a mut dyn Write,
    /// What was changed so far, to be said when the answer cannot be written.
    pub done: Option<String>,
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

impl Terminal<'_> {
    /// Writes what was asked for as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<Exit> {
        serde_json::to_writer_pretty(&mut self.data, value).map_err(io::Error::from)?;
        writeln!(self.data)?;
        self.data.flush()?;
        Ok(Exit::Done)
    }

    /// Says that there is nothing, or why not.
    pub(super) fn refuse(&mut self, why: impl Display) -> anyhow::Result<Exit> {
        writeln!(self.talk, "{}", plain(&why.to_string()))?;
        Ok(Exit::Refused)
    }
}

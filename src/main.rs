//! The binary: all it does stands in [`tickrelay::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tickrelay::cli::main()
}

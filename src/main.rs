//! The program `tribelink`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tribelink::cli::main()
}

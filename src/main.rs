use std::process::ExitCode;

use koan_guard::suite::sandbox::launcher;

fn main() -> ExitCode {
    // The launcher is single-threaded and inherits nothing: it comes before everything else.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == launcher::SUBCOMMAND)
    {
        return ExitCode::from(u8::try_from(launcher::main()).unwrap_or(3));
    }
    koan_guard::cli::main(std::env::args_os()).into()
}

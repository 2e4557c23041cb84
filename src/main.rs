use std::process::ExitCode;

fn main() -> ExitCode {
    koan_guard::cli::main(std::env::args_os()).into()
}

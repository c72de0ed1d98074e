//! The binary `femtograd`.

fn main() -> std::process::ExitCode {
    femtograd_cli::main(std::env::args_os()).into()
}

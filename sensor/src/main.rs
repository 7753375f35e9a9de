//! Parses the command line, builds the agent, runs it, drains it.

use std::process::ExitCode;

use sensor::{
    app,
    cli::{Action, Args, Command},
    logging::{self, explain},
    sources::syscall::self_test,
};
use tracing::error;

fn main() -> ExitCode {
    logging::start();
    let code = act();
    logging::finish();
    code
}

/// Does what the command line asks for.
fn act() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(args) => args,
        Err(code) => return code.into(),
    };
    let helped = if args.program_helper {
        Some(outputs::program::run_helper())
    } else if args.self_test_helper.is_some() {
        Some(self_test::run_helper())
    } else {
        None
    };
    if let Some(helped) = helped {
        return match helped {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                error!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let action = Action::of(&args);
    let done = match &action {
        Action::Run | Action::Command(Command::Record { .. }) => app::run(&args),
        Action::Command(Command::Watch(watch)) => app::watch(watch, &args),
        action => app::inspect(action, &args),
    };
    match done {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            let text = explain(error.as_ref());
            match action {
                // The log may be an object a line, and may go to the system log, too.
                Action::Run => error!("{text}"),
                _ => eprintln!("Error: {text}"),
            }
            ExitCode::FAILURE
        }
    }
}

//! The actor: waits for a byte on its standard input, then takes the steps that its arguments name,
//! so that the sensor has something to see.
//!
//! `actor STEP [OPERAND…] STEP …` waits first; `actor --now STEP …` does not.
//! Any failure that the test did not ask for ends the actor with an error and code 1.
#![expect(clippy::print_stdout, reason = "the tests read what it says")]

mod address;
mod attempt;
mod call;
mod exec;
mod place;
mod ring;
mod socket;
mod steps;

use std::{
    env,
    io::{Read as _, stdin},
    process::ExitCode,
};

use steps::Steps;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--now") {
        arguments.remove(0);
    } else if let Err(error) = stdin().read_exact(&mut [0]) {
        eprintln!("actor: nobody opened the gate: {error}");
        return ExitCode::FAILURE;
    }
    match Steps::new(arguments).take_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

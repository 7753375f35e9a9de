//! Parses the command line, builds the agent, runs it, drains it.

fn main() {}

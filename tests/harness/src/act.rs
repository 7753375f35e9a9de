//! The steps that a test gives to the actor (`src/bin/actor`).

use std::{
    ffi::{OsStr, OsString},
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use crate::programs;

/// Steps of the actor.
#[derive(Clone, Debug, Default)]
pub struct Act(Vec<OsString>);

impl Act {
    /// An empty list of steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A step and its operands.
    #[must_use]
    pub fn then<T: AsRef<OsStr>>(
        mut self,
        step: &str,
        operands: impl IntoIterator<Item = T>,
    ) -> Self {
        self.0.push(step.into());
        self.0.extend(
            operands
                .into_iter()
                .map(|operand| operand.as_ref().to_owned()),
        );
        self
    }

    /// Appends other steps.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// A step that has no operands.
    #[must_use]
    pub fn just(self, step: &str) -> Self {
        self.then(step, [""; 0])
    }

    /// Counted strings, as the last operand of a step.
    #[must_use]
    pub fn argv<T: AsRef<OsStr>>(mut self, argv: impl IntoIterator<Item = T>) -> Self {
        let argv: Vec<_> = argv
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect();
        self.0.push(argv.len().to_string().into());
        self.0.extend(argv);
        self
    }

    /// Runs other steps in a child while the actor takes the steps after this one. Before the actor
    /// ends, it waits until the child has ended.
    #[must_use]
    pub fn beside(self, others: Self) -> Self {
        self.just("beside").argv(others.0)
    }

    /// `execve` of a program, which ends the steps if it succeeds.
    #[must_use]
    pub fn exec<T: AsRef<OsStr>>(
        self,
        program: impl AsRef<OsStr>,
        argv: impl IntoIterator<Item = T>,
    ) -> Self {
        self.then("exec", [program]).argv(argv)
    }

    /// `execve` that must fail with `errno`; the steps go on.
    #[must_use]
    pub fn fail<T: AsRef<OsStr>>(
        self,
        program: impl AsRef<OsStr>,
        errno: i32,
        argv: impl IntoIterator<Item = T>,
    ) -> Self {
        let errno = errno.to_string();
        self.then("fail", [program.as_ref(), errno.as_ref()])
            .argv(argv)
    }

    /// `execve` of the actor itself under another path; the new program takes these steps.
    #[must_use]
    pub fn exec_actor(self, path: impl AsRef<OsStr>, steps: Self) -> Self {
        let argv = [path.as_ref().to_owned(), "--now".into()]
            .into_iter()
            .chain(steps.0);
        self.exec(path.as_ref(), argv)
    }

    /// As [`Self::exec_actor`], with that environment.
    #[must_use]
    pub fn exec_actor_in<T: AsRef<OsStr>>(
        self,
        environment: impl IntoIterator<Item = T>,
        path: impl AsRef<OsStr>,
        steps: Self,
    ) -> Self {
        let path = path.as_ref();
        let argv = [path.to_owned(), "--now".into()];
        self.then("exec-environment", [path])
            .argv(argv.into_iter().chain(steps.0))
            .argv(environment)
    }

    /// Starts an actor that waits for [`Actor::go`].
    ///
    /// # Panics
    /// If the process cannot be started.
    #[must_use]
    pub fn start(self) -> Actor {
        let mut command = Command::new(actor_program());
        command
            .args(self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Actor(Some(programs::spawn(&mut command)))
    }
}

/// The path of the actor's executable.
#[must_use]
pub fn actor_program() -> PathBuf {
    programs::built("actor")
}

/// An actor that waits for [`Actor::go`].
#[derive(Debug)]
pub struct Actor(Option<Child>);

impl Actor {
    /// The process id of the actor.
    ///
    /// # Panics
    /// Never: the process exists until [`Actor::go`] takes it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.as_ref().expect("it has not gone").id()
    }

    /// Lets the actor take its steps, waits until it has ended, and returns what it printed.
    ///
    /// # Panics
    /// If the actor fails.
    #[must_use]
    pub fn go(mut self) -> String {
        let mut child = self.0.take().expect("it has not gone");
        if let Some(mut gate) = child.stdin.take() {
            gate.write_all(b"g").expect("the actor waits at its gate");
        }
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("a child can be waited for");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "the actor ended with {status}: {stderr}");
        String::from_utf8_lossy(&stdout).into_owned()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // The pipe that the actor waits on closes, so the actor ends by itself.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

//! The steps and their operands.

use std::{
    collections::VecDeque,
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt as _,
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{call, exec, place, socket};

/// The steps that the actor still has to take.
pub(crate) struct Steps(VecDeque<OsString>);

impl Steps {
    pub(crate) fn new(arguments: Vec<OsString>) -> Self {
        Self(arguments.into())
    }

    /// Takes all steps, in order.
    pub(crate) fn take_all(mut self) -> Result<()> {
        while let Some(step) = self.0.pop_front() {
            let step = step
                .into_string()
                .ok()
                .context("a step's name is not UTF-8")?;
            match step.as_str() {
                "fork" => return self.go_on_in_a_child(),
                "orphan" => return self.go_on_as_an_orphan(),
                "beside" => return self.go_on_beside_a_child(),
                "thread" => return self.go_on_in_a_thread(),
                _ => self.take(&step).with_context(|| format!("step {step}"))?,
            }
        }
        Ok(())
    }

    fn take(&mut self, step: &str) -> Result<()> {
        match step {
            "chdir" => place::chdir(&self.text()?),
            "chroot" => place::chroot(&self.text()?),
            "rmdir" => place::rmdir(&self.text()?),
            "unlink" => place::unlink(&self.text()?),
            "mount-namespace" => place::mount_namespace(),
            "bind" => place::bind(&self.text()?, &self.text()?),
            "overlay" => place::overlay(&self.text()?, &self.text()?),
            "pid-namespace" => place::pid_namespace(),
            "session" => place::session(),
            "process-group" => place::process_group(),
            "terminal" => place::terminal(),
            "rename" => place::rename(&self.text()?),
            "user" => place::user(self.number()?),
            "group" => place::group(self.number()?),
            "enter-cgroup" => place::enter_cgroup(&self.text()?),
            "rewrite-argv" => place::rewrite_argv(),
            "forks" => place::forks(self.number()?),
            "stack-limit" => place::stack_limit(self.number()?),
            "call" => call::take(self),
            "exec" => exec::execve(&self.text()?, &self.argv()?, &exec::environment()),
            "exec-environment" => exec::execve(&self.text()?, &self.argv()?, &self.argv()?),
            "exec-null-argv" => exec::null_argv(&self.text()?),
            "fail-null-argv" => exec::fail_null_argv(&self.text()?, self.number()?),
            "exec-bad-argv" => exec::bad_argv(&self.text()?, self.number()?),
            "exec-at" => exec::execveat(&self.text()?, &self.text()?, &self.argv()?),
            "exec-descriptor" => exec::descriptor(&self.text()?, &self.argv()?),
            "exec-memfd" => exec::memfd(&self.text()?, &self.text()?, &self.argv()?),
            "exec-memfd-by-proc" => {
                exec::memfd_by_proc(&self.text()?, &self.text()?, &self.argv()?)
            }
            "spawn" => exec::spawn(&self.text()?, &self.argv()?),
            "fail" => exec::fail(&self.text()?, self.number()?, &self.argv()?),
            "fail-at" => exec::fail_at(&self.text()?, self.number()?, &self.argv()?),
            _ => socket::take(step, self),
        }
    }

    /// Takes the remaining steps in a child, and waits until the child has ended.
    fn go_on_in_a_child(self) -> Result<()> {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()).context("fork"),
            0 => self.take_all(),
            child => exec::wait(child),
        }
    }

    /// Takes some steps in a child, and the remaining ones in this process at the same time.
    fn go_on_beside_a_child(mut self) -> Result<()> {
        let steps = self
            .argv()?
            .into_iter()
            .map(|step| OsString::from_vec(step.into_bytes()));
        let steps = Self(steps.collect());
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()).context("fork"),
            0 => steps.take_all(),
            child => self.take_all().and(exec::wait(child)),
        }
    }

    /// Takes the remaining steps in a grandchild whose parent has ended, and waits until the
    /// grandchild has ended or has executed a program.
    fn go_on_as_an_orphan(self) -> Result<()> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()).context("fork"),
            0 => {
                let parent = std::process::id();
                // SAFETY: this process has one thread.
                let child = unsafe { libc::fork() };
                if child != 0 {
                    // SAFETY: ends this process at once, without waiting.
                    unsafe { libc::_exit((child < 0).into()) };
                }
                let result = place::wait_for_another_parent(parent).and_then(|()| self.take_all());
                if result.is_err() {
                    rustix::io::write(&writer, b"!")?;
                }
                result
            }
            child => {
                drop(writer);
                exec::wait(child)?;
                let failed = rustix::io::read(&reader, &mut [0; 1])? > 0;
                ensure!(!failed, "the orphan failed");
                Ok(())
            }
        }
    }

    /// Takes the remaining steps in a thread other than the thread group leader.
    fn go_on_in_a_thread(self) -> Result<()> {
        match thread::spawn(|| self.take_all()).join() {
            Ok(result) => result,
            Err(_) => bail!("the thread panicked"),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        Ok(self
            .0
            .pop_front()
            .context("an operand is missing")?
            .into_vec())
    }

    pub(crate) fn text(&mut self) -> Result<CString> {
        Ok(CString::new(self.bytes()?)?)
    }

    pub(crate) fn number(&mut self) -> Result<u32> {
        let text = self.bytes()?;
        String::from_utf8_lossy(&text)
            .parse()
            .with_context(|| format!("number {text:?}"))
    }

    /// Takes a count and that many strings.
    fn argv(&mut self) -> Result<Vec<CString>> {
        let count = self.number()? as usize;
        ensure!(
            count <= self.0.len(),
            "{count} strings announced, {} there",
            self.0.len()
        );
        (0..count).map(|_| self.text()).collect()
    }
}

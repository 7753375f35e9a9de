//! Plain system calls: an actor makes them under a sensor that writes every one of a type.

use crate::{Act, Scene, Seen, connects::HOOKS};

/// Every call of a type, with every field that any plain system call can answer.
#[must_use]
pub fn rules(name: &str) -> String {
    include_str!("calls.yaml").replace("TYPE", name)
}

/// Lets an actor make calls of a type, once under each kind of hooks, and looks at what was seen
/// and at the actor's process id.
///
/// # Panics
/// If an event is lost.
pub fn check(name: &str, act: impl Fn(&Scene) -> Act, look: impl Fn(&Seen, u32)) {
    for hooks in HOOKS {
        let scene = Scene::new();
        let (seen, _, pid) = scene.act_under(act(&scene), |setup| {
            let setup = setup.rules(&rules(name));
            setup.option("sensor.capture.hooks", hooks)
        });
        eprintln!("hooks: {hooks}");
        assert_eq!(seen.counters().lost(), 0, "{}", seen.stderr);
        look(&seen, pid);
    }
}

impl Act {
    /// A system call, by its number, which answers 0 (or more) or an errno.
    #[must_use]
    pub fn call(self, number: libc::c_long, arguments: [i64; 4], errno: i32) -> Self {
        self.calls(1, number, arguments, errno)
    }

    /// So many system calls that answer the same.
    #[must_use]
    pub fn calls(
        self,
        count: usize,
        number: libc::c_long,
        arguments: [i64; 4],
        errno: i32,
    ) -> Self {
        let operands = [count.to_string(), number.to_string(), errno.to_string()];
        let arguments = arguments.map(|argument| argument.to_string());
        self.then("call", operands.into_iter().chain(arguments))
    }
}

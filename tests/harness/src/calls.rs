//! Plain system calls: an actor makes them while a sensor writes every call of one type.

use crate::{Act, Scene, Seen, connects::hooks};

/// Every call of a type, with every field that any plain system call can answer.
#[must_use]
pub fn rules(name: &str) -> String {
    include_str!("calls.yaml").replace("TYPE", name)
}

/// Lets an actor make calls of a type, once in each hook mode, and passes the sensor's output and
/// the actor's process id to `look`.
///
/// # Panics
/// If an event is lost.
pub fn check(name: &str, act: impl Fn(&Scene) -> Act, look: impl Fn(&Seen, u32)) {
    for hooks in hooks() {
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
    /// A step that makes a system call by its number; the call must return 0 (or more) or that
    /// errno.
    #[must_use]
    pub fn call(self, number: libc::c_long, arguments: [i64; 4], errno: i32) -> Self {
        self.calls(1, number, arguments, errno)
    }

    /// A step that makes a system call `count` times, each with the same result.
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

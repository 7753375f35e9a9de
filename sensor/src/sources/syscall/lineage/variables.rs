//! The variables of the environment that rules read.

use std::collections::BTreeSet;

use metadata::Strings;

/// The variables of the environment that rules read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Whether rules read the environment as a whole (`proc.env`).
    pub all: bool,
    /// The names of the variables that rules read one by one (`proc.env[NAME]`).
    pub names: BTreeSet<Box<str>>,
}

impl Variables {
    /// Appends the variables that rules read, in order; `env` has strings, each with its NUL.
    pub fn select(&self, env: &[u8], out: &mut Vec<u8>) {
        if self.all {
            out.extend_from_slice(env);
            return;
        }
        for variable in Strings(env).iter() {
            if self.has(variable) {
                out.extend_from_slice(variable);
                out.push(0);
            }
        }
    }

    /// The variables of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            all: self.all || other.all,
            names: self.names.union(&other.names).cloned().collect(),
        }
    }

    fn has(&self, variable: &[u8]) -> bool {
        self.names.iter().any(|name| {
            let rest = variable.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_that_rules_name_are_chosen_by_their_whole_name() {
        let mut variables = Variables {
            all: false,
            names: ["A", "LD_PRELOAD"].map(Into::into).into(),
        };
        let mut out = Vec::new();
        let env = b"AB=1\0A=2\0\0=3\0A\0LD_PRELOAD=x\0A=4\0LD_PRELOAD=y";
        variables.select(env, &mut out);
        assert_eq!(out, b"A=2\0LD_PRELOAD=x\0A=4\0LD_PRELOAD=y\0");
        variables.all = true;
        out.clear();
        variables.select(env, &mut out);
        assert_eq!(out, env);
    }
}

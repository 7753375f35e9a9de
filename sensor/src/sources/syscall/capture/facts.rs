//! What the kernel reports about the loaded programs.

use super::{Capture, CaptureError};

/// The facts of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFacts {
    /// The program's name in the object.
    pub name: String,
    /// Instructions that the verifier walked, over all paths (kernel 5.16 and later).
    pub verified: Option<u32>,
    /// Bytes of the program after the verifier rewrote it.
    pub translated: Option<u32>,
}

impl Capture {
    /// The facts of all programs that are loaded now, by name.
    ///
    /// # Errors
    /// If the kernel does not report them.
    pub fn facts(&self) -> Result<Vec<ProgramFacts>, CaptureError> {
        let loaded = self
            .bpf
            .programs()
            .filter(|(_, program)| program.fd().is_ok());
        let mut facts = loaded
            .map(|(name, program)| {
                let info = program.info().map_err(|source| CaptureError::Facts {
                    program: name.to_owned(),
                    source: Box::new(source),
                })?;
                Ok(ProgramFacts {
                    name: name.to_owned(),
                    verified: info.verified_instruction_count(),
                    translated: info.size_translated(),
                })
            })
            .collect::<Result<Vec<_>, CaptureError>>()?;
        facts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(facts)
    }
}

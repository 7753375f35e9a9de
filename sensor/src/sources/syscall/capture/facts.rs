//! What the kernel says about the loaded programs.

use super::{Capture, CaptureError};

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFacts {
    /// Its name in the object.
    pub name: String,
    /// Instructions that the verifier walked, over all paths (kernel 5.16 and later).
    pub verified: Option<u32>,
    /// Bytes of the program after the verifier rewrote it.
    pub translated: Option<u32>,
}

impl Capture {
    /// The programs that were loaded so far, by name.
    ///
    /// # Errors
    /// If the kernel does not tell.
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

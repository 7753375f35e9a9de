//! Puts the numbers of kernel functions, and of the types that these take, into the eBPF object.

use sensor_ebpf::{CastTypes, PREEMPT_DISABLE, PREEMPT_ENABLE, RDONLY_CAST};

use super::btf::{Btf, BtfError};

/// `BPF_JMP | BPF_CALL` of include/uapi/linux/bpf.h.
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`, as a source register.
const KERNEL_FUNCTION: u8 = 2 << 4;
/// `r0 = r1`, the argument: `BPF_ALU64 | BPF_MOV | BPF_X`.
const ARGUMENT: u64 = instruction(0xbf, 1 << 4, 0);
/// `r0 = 0`: `BPF_ALU64 | BPF_MOV | BPF_K`.
const NOTHING: u64 = instruction(0xb7, 0, 0);

const DISABLE: u64 = instruction(CALL, 0, PREEMPT_DISABLE);
const ENABLE: u64 = instruction(CALL, 0, PREEMPT_ENABLE);
const CAST: u64 = instruction(CALL, 0, RDONLY_CAST);

/// The numbers of the functions by which a program keeps its CPU, in the kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PreemptFunctions {
    /// `bpf_preempt_disable`.
    pub(super) disable: u32,
    /// `bpf_preempt_enable`.
    pub(super) enable: u32,
}

/// The kernel's cast of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    /// The number of `bpf_rdonly_cast` in the kernel's BTF.
    pub(super) function: u32,
    /// The types to which the programs cast.
    pub(super) types: CastTypes,
}

/// The kernel functions that the programs call. Of those that the kernel lacks there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KernelFunctions {
    /// The functions by which a program keeps its CPU (Linux 6.10 and later).
    pub(super) preempt: Option<PreemptFunctions>,
    /// The cast of addresses (Linux 6.2 and later).
    pub(super) cast: Option<Cast>,
}

impl KernelFunctions {
    /// Finds the functions in the kernel's BTF.
    ///
    /// # Errors
    /// If the BTF is inconsistent.
    pub(super) fn of(vmlinux: &Btf) -> Result<Self, BtfError> {
        let disable = vmlinux.function("bpf_preempt_disable")?;
        let enable = vmlinux.function("bpf_preempt_enable")?;
        let preempt = disable.zip(enable);
        let mut types = CastTypes::NONE;
        let mut has_types = true;
        for (name, set) in CastTypes::NAMES {
            match vmlinux.structure(name) {
                Some(number) => set(&mut types, number),
                None => has_types = false,
            }
        }
        let function = vmlinux.function("bpf_rdonly_cast")?.filter(|_| has_types);
        Ok(Self {
            preempt: preempt.map(|(disable, enable)| PreemptFunctions { disable, enable }),
            cast: function.map(|function| Cast { function, types }),
        })
    }

    /// The types to which the programs cast; [`CastTypes::NONE`] without a cast.
    pub(super) fn types(&self) -> CastTypes {
        self.cast.map_or(CastTypes::NONE, |cast| cast.types)
    }
}

/// Puts calls of these functions into the eBPF object. Where the kernel lacks a function, a move between
/// registers replaces the call.
pub(super) fn object(object: &[u8], functions: &KernelFunctions) -> Vec<u64> {
    let call = |function: Option<u32>, otherwise: u64| {
        function.map_or(otherwise, |id| {
            instruction(CALL, KERNEL_FUNCTION, id.cast_signed())
        })
    };
    let disable = call(functions.preempt.map(|f| f.disable), NOTHING);
    let enable = call(functions.preempt.map(|f| f.enable), NOTHING);
    let cast = call(functions.cast.map(|cast| cast.function), ARGUMENT);
    words(object)
        .map(|word| match word {
            DISABLE => disable,
            ENABLE => enable,
            CAST => cast,
            other => other,
        })
        .collect()
}

/// The object as words of eight bytes, to which instructions and all other parts are aligned.
fn words(object: &[u8]) -> impl Iterator<Item = u64> {
    object.chunks(size_of::<u64>()).map(|chunk| {
        let mut word = [0; size_of::<u64>()];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    })
}

/// One instruction (`struct bpf_insn`) as a number in this machine's byte order.
const fn instruction(code: u8, registers: u8, immediate: i32) -> u64 {
    let [a, b, c, d] = immediate.to_ne_bytes();
    u64::from_ne_bytes([code, registers, 0, 0, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::BPF_OBJECT, *};

    fn count(object: &[u64], wanted: u64) -> usize {
        object.iter().filter(|word| **word == wanted).count()
    }

    const ALL: KernelFunctions = KernelFunctions {
        preempt: Some(PreemptFunctions {
            disable: 7,
            enable: 8,
        }),
        cast: Some(Cast {
            function: 9,
            types: CastTypes::NONE,
        }),
    };

    #[test]
    fn each_program_keeps_its_cpu_once_and_gives_it_back_at_every_end() {
        let with = object(BPF_OBJECT, &ALL);
        let disable = count(&with, instruction(CALL, KERNEL_FUNCTION, 7));
        let hooks = super::super::hook_table::HOOKS.iter();
        let programs: BTreeSet<_> = hooks.map(|hook| hook.program).collect();
        assert_eq!(disable, programs.len());
        assert!(count(&with, instruction(CALL, KERNEL_FUNCTION, 8)) >= disable);
    }

    #[test]
    fn no_call_without_a_function_is_left() {
        for functions in [KernelFunctions::default(), ALL] {
            let object = object(BPF_OBJECT, &functions);
            for number in [PREEMPT_DISABLE, PREEMPT_ENABLE, RDONLY_CAST] {
                assert_eq!(count(&object, instruction(CALL, 0, number)), 0);
            }
        }
    }

    #[test]
    fn nothing_else_of_the_object_changes() {
        let object = object(BPF_OBJECT, &KernelFunctions::default());
        assert_eq!(object.len(), BPF_OBJECT.len().div_ceil(8));
        let changed = words(BPF_OBJECT)
            .zip(&object)
            .filter(|(was, is)| was != *is);
        assert!(
            changed
                .into_iter()
                .all(|(_, is)| [NOTHING, ARGUMENT].contains(is))
        );
    }
}

//! The process tree that the sensor observes or leaves out.

use std::path::Path;

use aya::{Ebpf, maps::HashMap};
use metadata::{TICK_NS, processes};
use sensor_ebpf::Image;

use super::{CaptureError, TreeMode};

/// Marks the existing processes of the tree that the sensor observes or leaves out. `own` is the
/// sensor's process id as the kernel has it: where that is another than the sensor's own, the
/// numbers of `/proc` are those of a pid namespace, and the kernel gives them to other processes.
pub(super) fn mark(bpf: &mut Ebpf, tree: TreeMode, own: Option<u32>) -> Result<(), CaptureError> {
    const IMAGES: &str = "IMAGES";
    let failed = |source| CaptureError::Map {
        map: IMAGES,
        source,
    };
    let root = match tree {
        TreeMode::All => return Ok(()),
        TreeMode::ExcludeSelf => std::process::id(),
        TreeMode::Only(root) | TreeMode::Exclude(root) => root,
    };
    let images = bpf.map_mut(IMAGES).ok_or(CaptureError::Missing {
        what: "map",
        name: IMAGES,
    })?;
    let mut images = HashMap::<_, u32, [u64; 3]>::try_from(images).map_err(failed)?;
    let here = std::process::id();
    let own = own.unwrap_or(here);
    let all = if own == here {
        processes(Path::new("/proc"), false)
    } else {
        Vec::new()
    };
    let mut marked = vec![if root == here { own } else { root }];
    let mut next = 0;
    while let Some(&parent) = marked.get(next) {
        marked.extend(all.iter().filter(|p| p.ppid == parent).map(|p| p.tgid));
        next += 1;
    }
    for tgid in marked {
        let start_ticks = all
            .iter()
            .find(|p| p.tgid == tgid)
            .map_or(0, |p| p.start_ticks);
        let image: [u64; 3] = zerocopy::transmute!(Image {
            time: 0,
            start: start_ticks * TICK_NS,
            tgid,
            marked: 1,
        });
        images.insert(tgid, image, 0).map_err(failed)?;
    }
    Ok(())
}

//! Nodes that aliases repeat.

use super::{Failure, Loader};
use crate::{Kind, Node};

/// A node with a name, and what a repetition of it costs.
#[derive(Debug)]
pub(super) struct Anchor {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    /// Bytes of all texts.
    bytes: usize,
    /// Levels of lists and mappings.
    depth: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Scalar(text, _) => Self {
                nodes: 1,
                bytes: text.len(),
                depth: 0,
            },
            Kind::Sequence(items) => Self::around(items.iter()),
            Kind::Mapping(entries) => Self::around(entries.iter().flat_map(|(k, v)| [k, v])),
        }
    }

    fn around<'n>(nodes: impl Iterator<Item = &'n Node>) -> Self {
        let mut all = nodes.map(Self::of).fold(Self::default(), |all, one| Self {
            nodes: all.nodes + one.nodes,
            bytes: all.bytes + one.bytes,
            depth: all.depth.max(one.depth),
        });
        all.nodes += 1;
        all.depth += 1;
        all
    }
}

impl Anchor {
    pub(super) fn new(node: &Node) -> Self {
        Self {
            size: Size::of(node),
            node: node.clone(),
        }
    }
}

impl Loader<'_> {
    /// The node of that name, again.
    pub(super) fn alias(&mut self, name: &str) -> Result<Node, Failure> {
        let start = self.take().map_or(self.end, |token| token.start);
        let anchor = match self.anchors.get(name) {
            None => {
                return Err(Failure::new(
                    start,
                    format!("no anchor '&{name}' stands above"),
                ));
            }
            Some(None) => {
                let message = format!("'*{name}' stands within its own anchor");
                return Err(Failure::new(start, message));
            }
            Some(Some(anchor)) => anchor,
        };
        let size = anchor.size;
        self.bound_depth(start, size.depth)?;
        self.repeated = self.repeated.saturating_add(size.bytes);
        if self.repeated > self.limits.bytes {
            let message = format!("aliases repeat more than {} bytes", self.limits.bytes);
            return Err(Failure::new(start, message));
        }
        self.count(start, size.nodes)?;
        match self.anchors.get(name) {
            Some(Some(anchor)) => Ok(anchor.node.clone()),
            _ => self.null(),
        }
    }
}

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

impl<'a> Loader<'a> {
    /// Keeps a node for aliases of that name.
    pub(super) fn keep(&mut self, name: &'a str, node: &Node) -> Result<(), Failure> {
        let size = Size::of(node);
        self.repeat(self.end, size)?;
        let node = node.clone();
        self.anchors.insert(name, Some(Anchor { node, size }));
        Ok(())
    }

    /// The node of that name, again.
    pub(super) fn alias(&mut self, name: &str) -> Result<Node, Failure> {
        let start = self.take().map_or(self.end, |token| token.start);
        let anchor = match self.anchors.get(name) {
            None => {
                let message = format!("no anchor '&{name}' stands above");
                return Err(Failure::new(start, message)
                    .hint("put a text that begins with '*' into quotes"));
            }
            Some(None) => {
                let message = format!("'*{name}' stands within its own anchor");
                return Err(Failure::new(start, message));
            }
            Some(Some(anchor)) => anchor,
        };
        let size = anchor.size;
        self.bound_depth(start, size.depth)?;
        self.repeat(start, size)?;
        match self.anchors.get(name) {
            Some(Some(anchor)) => Ok(anchor.node.clone()),
            _ => self.null(),
        }
    }

    /// Counts a copy of a node.
    fn repeat(&mut self, offset: usize, size: Size) -> Result<(), Failure> {
        self.repeated = self.repeated.saturating_add(size.bytes);
        if self.repeated > self.limits.bytes {
            let message = format!("aliases repeat more than {} bytes", self.limits.bytes);
            return Err(Failure::with(offset, message));
        }
        self.count(offset, size.nodes)
    }
}
